package signer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
)

// ErrDenied is wrapped by the error of a duty that the policy of a guard does not
// allow.
var ErrDenied = errors.New("signer: denied by policy")

// policy is what a guard's options allow.
type policy struct {
	recipients []keyshare.Address
	gasLimits  []uint64
	minEpoch   uint64
	allowed    map[string]bool // of duties that can not be taken back, by name
}

func newPolicy(o *GuardOptions) policy {
	return policy{
		recipients: slices.Clone(o.FeeRecipients),
		gasLimits:  slices.Clone(o.GasLimits),
		minEpoch:   o.MinEpoch,
		allowed: map[string]bool{
			VoluntaryExit{}.traits().name:         o.AllowExits,
			Deposit{}.traits().name:               o.AllowDeposits,
			BLSToExecutionChange{}.traits().name:  o.AllowCredentialChanges,
			OwnerNonce{}.traits().name:            o.AllowOwnerNonces,
			ValidatorRegistration{}.traits().name: true, // by its own rules
		},
	}
}

// check returns an error that wraps ErrDenied for a duty that is not allowed.
func (p policy) check(n *Network, validator keyshare.PublicKey, d Duty) error {
	deny := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrDenied, d.traits().name, fmt.Sprintf(format, args...))
	}
	t := d.traits()
	if !t.key.IsZero() && t.key != validator {
		return deny("it is of the key %v, this guard is of %v", t.key, validator)
	}
	if t.irrevocable && !p.allowed[t.name] {
		return deny("not enabled for this guard")
	}
	switch d := d.(type) {
	case Attestation:
		if d.Target.Epoch < p.minEpoch {
			return deny("its target's epoch is %d, at least %d expected", d.Target.Epoch, p.minEpoch)
		}
	case Block:
		if epoch := n.EpochOf(d.Slot); epoch < p.minEpoch {
			return deny("its epoch is %d, at least %d expected", epoch, p.minEpoch)
		}
	case ValidatorRegistration:
		switch {
		case len(p.recipients) == 0:
			return deny("no fee recipient is allowed for this guard")
		case !slices.Contains(p.recipients, d.FeeRecipient):
			return deny("the fee recipient %v is not on the list", d.FeeRecipient)
		case len(p.gasLimits) > 0 && !slices.Contains(p.gasLimits, d.GasLimit):
			return deny("the gas limit %d is not on the list", d.GasLimit)
		}
	}
	return nil
}
