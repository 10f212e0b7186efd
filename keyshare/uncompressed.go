package keyshare

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

// SignatureUncompressedSize is the size in bytes of what [Signature.Uncompressed] returns.
const SignatureUncompressedSize = bls.UncompressedSignatureSize

// ParsePublicKeyUncompressed decodes 96 bytes, the affine coordinates x and y, each 48 bytes big-endian: the
// uncompressed form of the ZCash encoding, which some tokens give. It checks what ParsePublicKey checks, and fails with
// ErrPublicKey.
func ParsePublicKeyUncompressed(b []byte) (PublicKey, error) {
	p, err := bls.ParseUncompressedPublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	return PublicKey{p}, nil
}

// ParseSignatureUncompressed decodes 192 bytes, the affine coordinates x and y, of each the imaginary part before the
// real one, each part 48 bytes big-endian: the uncompressed form of the ZCash encoding, which some tokens give. It
// checks what ParseSignature checks, and fails with ErrSignature.
func ParseSignatureUncompressed(b []byte) (Signature, error) {
	p, err := bls.ParseUncompressedSignature(b)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return Signature{p}, nil
}

// Uncompressed returns what ParseSignatureUncompressed reads, in half the time that ParseSignature takes; of the zero value,
// 192 zero bytes, which parse as no signature.
func (s Signature) Uncompressed() [SignatureUncompressedSize]byte {
	if s.IsZero() {
		return [SignatureUncompressedSize]byte{}
	}
	return s.p.Uncompressed()
}
