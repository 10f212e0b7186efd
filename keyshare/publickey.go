package keyshare

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/claystack/dvkeys/internal/bls"
)

// Sizes of encoded keys and signatures in bytes: compressed points of BLS12-381
// in the ZCash encoding, which Ethereum uses.
const (
	PublicKeySize = bls.PublicKeySize // 48, in G1
	SignatureSize = bls.SignatureSize // 96, in G2
	SecretKeySize = bls.ScalarSize    // 32, big-endian
)

// PublicKey is a BLS public key of a validator or of one share: a point of G1 in
// the prime-order subgroup, not infinity. It is comparable and may be a map key.
// Only parsing and key generation make one; the zero value names no key and is
// refused everywhere.
type PublicKey struct{ p bls.PublicKey }

// ErrPublicKey is returned for bytes that are no public key: a wrong length, or
// a point that is not on the curve, not in the subgroup or at infinity.
var ErrPublicKey = errors.New("keyshare: not a BLS public key")

// ParsePublicKey decodes 48 bytes.
func ParsePublicKey(b []byte) (PublicKey, error) {
	p, err := bls.ParsePublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	return PublicKey{p}, nil
}

// Bytes returns the 48-byte encoding; of the zero value, 48 zero bytes, which
// parse as no key.
func (k PublicKey) Bytes() [PublicKeySize]byte {
	if k.IsZero() {
		return [PublicKeySize]byte{}
	}
	return k.p.Bytes()
}

// IsZero reports whether k is the zero value, which is no key.
func (k PublicKey) IsZero() bool { return k.p.IsZero() }

// String returns 0x and 96 lower-case hex digits.
func (k PublicKey) String() string {
	b := k.Bytes()
	return "0x" + hex.EncodeToString(b[:])
}

// MarshalText is String. The zero value is an error.
func (k PublicKey) MarshalText() ([]byte, error) {
	if k.IsZero() {
		return nil, fmt.Errorf("%w: the zero value", ErrPublicKey)
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads 96 hex digits of either case, with or without 0x.
func (k *PublicKey) UnmarshalText(text []byte) error {
	b, err := decodeHex(text, PublicKeySize)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	parsed, err := ParsePublicKey(b)
	if err == nil {
		*k = parsed
	}
	return err
}

// Verify reports whether s is this key's signature of the root.
func (k PublicKey) Verify(root Root, s Signature) bool {
	return bls.Verify(k.p, bls.HashRoot(root), s.p)
}

// VerifyIndependent is Verify by a second BLS library, which shares no code with
// the one that signs. Signatures that can not be taken back (deposits, exits,
// credential changes, owner nonces) are checked by it before they leave.
func (k PublicKey) VerifyIndependent(root Root, s Signature) bool {
	return bls.VerifyIndependent(k.p, root, s.p)
}

// decodeHex decodes size bytes from hex digits with or without 0x.
func decodeHex(text []byte, size int) ([]byte, error) {
	digits := strings.TrimPrefix(string(text), "0x")
	if len(digits) != 2*size {
		return nil, fmt.Errorf("%d hex digits, expected %d", len(digits), 2*size)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("not hexadecimal, expected %d digits", 2*size)
	}
	return b, nil
}
