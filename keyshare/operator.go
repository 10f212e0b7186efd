package keyshare

import (
	"crypto/rsa"
	"errors"
	"fmt"
)

// Operator is one holder of a share: his index, which in the SSV network is his
// id on chain, and the RSA key that shares are sealed to.
type Operator struct {
	ID        Index
	PublicKey *rsa.PublicKey
}

// SealedSize is the length of a sealed share in bytes, that of an RSA-2048
// modulus.
const SealedSize = 256

// ErrOperator is returned for an operator that nothing may be sealed to.
var ErrOperator = errors.New("keyshare: operator can not be used")

// Check returns an error that wraps ErrOperator unless the id is not 0 and the
// key is RSA with a modulus of 256 bytes and exponent 65537: what the SSV network
// takes.
func (o Operator) Check() error {
	switch k := o.PublicKey; {
	case o.ID == 0:
		return fmt.Errorf("%w: id 0, whose share would be the whole key; expected 1 to 2^64-1", ErrOperator)
	case k == nil || k.N == nil:
		return fmt.Errorf("%w: operator %d has no RSA key", ErrOperator, o.ID)
	case k.N.Sign() <= 0 || k.Size() != SealedSize:
		return fmt.Errorf("%w: operator %d has an RSA key of %d bits, expected 2048", ErrOperator, o.ID, k.N.BitLen())
	case k.N.Bit(0) == 0:
		return fmt.Errorf("%w: operator %d has an RSA key with an even modulus", ErrOperator, o.ID)
	case k.E != rsaExponent:
		return fmt.Errorf("%w: operator %d has an RSA key with exponent %d, expected %d", ErrOperator, o.ID, k.E, rsaExponent)
	}
	return nil
}

// CheckOperators checks each operator, and that no id and no key stands twice.
func CheckOperators(operators []Operator) error {
	for i, o := range operators {
		if err := o.Check(); err != nil {
			return err
		}
		for _, p := range operators[:i] {
			if p.ID == o.ID {
				return fmt.Errorf("%w: id %d stands twice", ErrOperator, o.ID)
			}
			if p.PublicKey.Equal(o.PublicKey) {
				return fmt.Errorf("%w: operators %d and %d have the same RSA key", ErrOperator, p.ID, o.ID)
			}
		}
	}
	return nil
}
