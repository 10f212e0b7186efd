//go:build cgo

package bls

import (
	"errors"
	"fmt"

	blst "github.com/supranational/blst/bindings/go"
)

// Sizes of compressed points in bytes.
const (
	PublicKeySize = 48 // G1
	SignatureSize = 96 // G2
)

// Faults of an encoded point.
var (
	ErrPublicKey = errors.New("bls: not a compressed point of G1 in the prime-order subgroup other than infinity")
	ErrSignature = errors.New("bls: not a compressed point of G2 in the prime-order subgroup other than infinity")
)

// PublicKey is a point of G1 in the prime-order subgroup, not infinity. It is
// comparable. The zero value is no key.
type PublicKey struct{ p blst.P1Affine }

// Signature is a point of G2 in the prime-order subgroup, not infinity. It is
// comparable. The zero value is no signature.
type Signature struct{ p blst.P2Affine }

// ParsePublicKey decodes 48 bytes in the compressed form of the ZCash
// specification, and checks curve, subgroup and infinity.
func ParsePublicKey(b []byte) (PublicKey, error) {
	var k PublicKey
	if len(b) != PublicKeySize {
		return PublicKey{}, fmt.Errorf("bls: public key has %d bytes, expected %d", len(b), PublicKeySize)
	}
	in := [PublicKeySize]byte(b)
	if k.p.Uncompress(in[:]) == nil || !k.p.KeyValidate() {
		return PublicKey{}, ErrPublicKey
	}
	return k, nil
}

// ParseSignature decodes 96 bytes in the compressed form of the ZCash
// specification, and checks curve, subgroup and infinity.
func ParseSignature(b []byte) (Signature, error) {
	s, err := parseUnchecked(b)
	if err != nil {
		return Signature{}, err
	}
	if !s.p.SigValidate(true) {
		return Signature{}, ErrSignature
	}
	return s, nil
}

// parseUnchecked decodes a signature without the subgroup check, which is two
// thirds of the cost. The caller checks the sum that it goes into instead.
func parseUnchecked(b []byte) (Signature, error) {
	var s Signature
	if len(b) != SignatureSize {
		return Signature{}, fmt.Errorf("bls: signature has %d bytes, expected %d", len(b), SignatureSize)
	}
	in := [SignatureSize]byte(b)
	if s.p.Uncompress(in[:]) == nil || s == (Signature{}) {
		return Signature{}, ErrSignature
	}
	return s, nil
}

// Bytes returns the compressed form.
func (k PublicKey) Bytes() [PublicKeySize]byte { return [PublicKeySize]byte(k.p.Compress()) }

// IsZero reports whether k is the zero value, which is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Bytes returns the compressed form.
func (s Signature) Bytes() [SignatureSize]byte { return [SignatureSize]byte(s.p.Compress()) }

// IsZero reports whether s is the zero value, which is no signature.
func (s Signature) IsZero() bool { return s == Signature{} }
