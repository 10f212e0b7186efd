package keyshare

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

// Signature is a BLS signature, whole or partial: a point of G2 in the prime-order
// subgroup, not infinity. It is comparable. Only parsing and signing make one; the
// zero value is no signature and verifies nothing.
type Signature struct{ p bls.Signature }

// ErrSignature is returned for bytes that are no signature: a wrong length, or a
// point that is not on the curve, not in the subgroup or at infinity.
var ErrSignature = errors.New("keyshare: not a BLS signature")

// ParseSignature decodes 96 bytes.
func ParseSignature(b []byte) (Signature, error) {
	p, err := bls.ParseSignature(b)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return Signature{p}, nil
}

// Bytes returns the 96-byte encoding; of the zero value, 96 zero bytes, which
// parse as no signature.
func (s Signature) Bytes() [SignatureSize]byte {
	if s.IsZero() {
		return [SignatureSize]byte{}
	}
	return s.p.Bytes()
}

// IsZero reports whether s is the zero value, which is no signature.
func (s Signature) IsZero() bool { return s.p.IsZero() }

// String returns 0x and 192 lower-case hex digits.
func (s Signature) String() string {
	b := s.Bytes()
	return "0x" + hex.EncodeToString(b[:])
}

// MarshalText is String. The zero value is an error.
func (s Signature) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, fmt.Errorf("%w: the zero value", ErrSignature)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads 192 hex digits of either case, with or without 0x.
func (s *Signature) UnmarshalText(text []byte) error {
	b, err := decodeHex(text, SignatureSize)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	parsed, err := ParseSignature(b)
	if err == nil {
		*s = parsed
	}
	return err
}
