package dvkeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// CeremonyRoots returns what is signed with each key in a ceremony of package dkg that
// makes the validators of a spec: the deposit, and the owner's nonce for the
// registration. It is for dkg.Config.Roots; every operator makes it from the spec, which
// it has checked to be what it agreed to.
func CeremonyRoots(spec Spec) (dkg.RootsFunc, error) {
	spec, err := spec.normal()
	if err != nil {
		return nil, err
	}
	return func(v int, key keyshare.PublicKey) ([]keyshare.Root, error) {
		if v < 0 || v >= spec.Count {
			return nil, fmt.Errorf("dvkeys: validator %d of %d", v+1, spec.Count)
		}
		deposit, err := signer.SigningRoot(spec.Network, signer.Deposit{PublicKey: key, WithdrawalCredentials: spec.credentials(), Amount: spec.Amount})
		if err != nil {
			return nil, err
		}
		return []keyshare.Root{deposit, ssv.OwnerNonceRoot(spec.Owner, spec.Nonce+uint64(v))}, nil
	}, nil
}

// FromCeremony makes the batch of a ceremony's outcome, which was run with
// CeremonyRoots of the same spec: as Onboard does, but from keys that are nowhere
// whole. Every signature is verified. Do not publish the batch before all operators
// have the ceremony's certificate (see dkg.Result).
func FromCeremony(ctx context.Context, spec Spec, o *dkg.Outcome) (*Batch, error) {
	spec, err := spec.normal()
	if err != nil {
		return nil, err
	}
	if o == nil || len(o.Lineages) != spec.Count {
		return nil, errors.New("dvkeys: the ceremony made another number of keys than the spec says")
	}
	if !slices.EqualFunc(spec.Operators, o.Params.Operators, func(a keyshare.Operator, b dkg.Operator) bool {
		return a.ID == b.ID && a.PublicKey.Equal(b.PublicKey)
	}) {
		return nil, errors.New("dvkeys: the ceremony had other operators than the spec says")
	}
	batch := &Batch{Spec: spec, Created: time.Now(), Validators: make([]Validator, spec.Count)}
	for v := range batch.Validators {
		if batch.Validators[v], err = ceremonyValidator(ctx, spec, o, v); err != nil {
			return nil, fmt.Errorf("dvkeys: validator %d of %d, nonce %d: %w", v+1, spec.Count, spec.Nonce+uint64(v), err)
		}
	}
	return batch, batch.checkDistinct()
}

func ceremonyValidator(ctx context.Context, spec Spec, o *dkg.Outcome, v int) (Validator, error) {
	key, group := o.Key(v), o.Lineages[v].Group
	made := Validator{PublicKey: key.PublicKey(), Nonce: spec.Nonce + uint64(v), Group: group}
	var err error
	if made.Deposit, err = signer.SignDeposit(ctx, spec.Network, key, spec.credentials(), spec.Amount, spec.depositOptions()); err != nil {
		return made, err
	}
	sigs, err := key.SignRoots(ctx, ssv.OwnerNonceRoot(spec.Owner, made.Nonce))
	if err != nil {
		return made, err
	}
	made.Item, err = ssv.NewItem(group, o.Sealed[v], spec.Operators, spec.Owner, made.Nonce, sigs[0])
	return made, err
}
