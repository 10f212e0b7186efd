package signer

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// OwnerNonce is the duty of letting an owner register a validator with the SSV
// network. What is signed is the hash of [ssv.OwnerNonceRoot], without a domain:
// the same on every network.
type OwnerNonce struct {
	Owner keyshare.Address
	Nonce uint64 // the owner's registrations before this one, at most ssv.MaxNonce
}

func (OwnerNonce) traits() traits { return traits{name: "owner nonce", irrevocable: true} }

func (o OwnerNonce) signingRoot(*Network) (keyshare.Root, error) {
	switch {
	case o.Owner.IsZero():
		return keyshare.Root{}, errors.New("signer: owner nonce: the owner is the zero address")
	case o.Nonce > ssv.MaxNonce:
		return keyshare.Root{}, fmt.Errorf("signer: owner nonce: the nonce is %d, at most %d expected", o.Nonce, ssv.MaxNonce)
	}
	return ssv.OwnerNonceRoot(o.Owner, o.Nonce), nil
}

// SignOwnerNonce signs the owner's nonce with the validator's key, for [ssv.NewItem],
// which verifies the signature by the BLS library that did not make it. The network
// matters only to a [DutyKey], which is told for which one the registration is meant.
func SignOwnerNonce(ctx context.Context, n *Network, k keyshare.Key, owner keyshare.Address, nonce uint64) (keyshare.Signature, error) {
	if k == nil {
		return keyshare.Signature{}, errors.New("signer: owner nonce: the key is missing")
	}
	d := OwnerNonce{Owner: owner, Nonce: nonce}
	root, err := SigningRoot(n, d)
	if err != nil {
		return keyshare.Signature{}, err
	}
	result := signAs(ctx, n, k, []Duty{d}, []keyshare.Root{root})[0]
	if result.Err != nil {
		return keyshare.Signature{}, fmt.Errorf("signer: owner nonce: %w", result.Err)
	}
	return result.Signature, nil
}
