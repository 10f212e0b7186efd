package history

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// Key is a validator's public key as it is stored.
type Key = [keyshare.PublicKeySize]byte

// Claim is a claim in the terms of a history.
type Claim struct {
	Key    Key
	Block  bool
	At     uint64 // a block's slot, an attestation's target
	Source uint64 // of an attestation
	Root   [32]byte
}

// ParseClaim refuses what is neither a block nor an attestation, names no validator, or has numbers above Limit.
func ParseClaim(c signer.Claim) (Claim, error) {
	if c.Validator.IsZero() {
		return Claim{}, errors.New("the claim names no validator")
	}
	claim := Claim{Key: c.Validator.Bytes(), Root: c.Root}
	switch d := c.Duty.(type) {
	case signer.Block:
		claim.Block, claim.At = true, d.Slot
	case signer.Attestation:
		claim.At, claim.Source = d.Target.Epoch, d.Source.Epoch
	default:
		return Claim{}, fmt.Errorf("a claim of %T, an attestation or a block expected", c.Duty)
	}
	if claim.At > Limit || claim.Source > Limit {
		return Claim{}, fmt.Errorf("the claim has the slot or epoch %d, less than 2^63 expected", max(claim.At, claim.Source))
	}
	return claim, nil
}
