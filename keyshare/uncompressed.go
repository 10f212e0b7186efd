package keyshare

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

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
