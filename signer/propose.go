package signer

import (
	"errors"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// Block is the duty of proposing a block, by its header (BeaconBlockHeader): a full
// and a blinded block have the same root as their header. It is slashable, and
// signed under the fork in force at the slot.
type Block struct {
	Slot          uint64
	ProposerIndex uint64 // the validator's
	ParentRoot    keyshare.Root
	StateRoot     keyshare.Root
	BodyRoot      keyshare.Root
}

func (Block) traits() traits { return traits{name: "block", slashable: true} }

func (b Block) signingRoot(n *Network) (keyshare.Root, error) {
	domain, _, err := n.net.DomainAt(consensus.DomainBeaconProposer, n.EpochOf(b.Slot))
	if err != nil {
		return keyshare.Root{}, err
	}
	h := consensus.BlockHeader{
		Slot: b.Slot, ProposerIndex: b.ProposerIndex,
		ParentRoot: b.ParentRoot, StateRoot: b.StateRoot, BodyRoot: b.BodyRoot,
	}
	return consensus.SigningRoot(h.Root(), domain), nil
}

// Randao is the duty of signing an epoch: the signature is what a proposer adds to
// the chain's randomness.
type Randao struct{ Epoch uint64 }

func (Randao) traits() traits { return traits{name: "randao"} }

func (r Randao) signingRoot(n *Network) (keyshare.Root, error) {
	domain, _, err := n.net.DomainAt(consensus.DomainRandao, r.Epoch)
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(consensus.Uint64Root(r.Epoch), domain), nil
}

// ValidatorRegistration tells block builders where a validator's fees go and how
// large its blocks shall be (builder specifications). Like a deposit's, its domain
// has the genesis fork version and no genesis validators root.
type ValidatorRegistration struct {
	FeeRecipient keyshare.Address
	GasLimit     uint64
	Timestamp    uint64             // seconds since 1970; the latest registration counts
	PublicKey    keyshare.PublicKey // the validator's
}

func (r ValidatorRegistration) traits() traits {
	return traits{name: "registration", irrevocable: true, key: r.PublicKey}
}

func (r ValidatorRegistration) signingRoot(n *Network) (keyshare.Root, error) {
	switch {
	case r.PublicKey.IsZero():
		return keyshare.Root{}, errors.New("signer: registration: the public key is missing")
	case r.FeeRecipient.IsZero():
		return keyshare.Root{}, errors.New("signer: registration: the fee recipient is the zero address, which burns the fees")
	}
	root := consensus.ValidatorRegistrationRoot(r.FeeRecipient, r.GasLimit, r.Timestamp, r.PublicKey.Bytes())
	return consensus.SigningRoot(root, n.net.RegistrationDomain()), nil
}
