package signer

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// Duty is an object that a validator's key signs. The set is closed, so that no
// importer can add a type whose root is something else than it says.
type Duty interface {
	// signingRoot checks the duty and returns what is signed for it on n.
	signingRoot(n *Network) (keyshare.Root, error)
	// traits says what a Guard has to know of it.
	traits() traits
}

// traits are what sets duties apart for a Guard.
type traits struct {
	name        string             // for errors, logs and metrics
	slashable   bool               // recorded by the protector before it is signed
	irrevocable bool               // a signature that leaves can not be taken back
	key         keyshare.PublicKey // the key that must sign, if the duty names it
}

// ErrFork is wrapped by the errors of [SigningRoot] for a duty under a fork whose
// rules are not known here: the root is not guessed.
var ErrFork = consensus.ErrFork

// SigningRoot returns the 32 bytes that a duty's signature is over on a network:
// the hash of the object's root and the domain. It refuses a duty that the
// network would not honour, or that could only be a mistake.
func SigningRoot(n *Network, d Duty) (keyshare.Root, error) {
	if err := n.check(); err != nil {
		return keyshare.Root{}, err
	}
	if err := checkDuty(d); err != nil {
		return keyshare.Root{}, err
	}
	return d.signingRoot(n)
}

// checkDuty refuses whatever is not one of this package's duties by value. The
// unexported methods alone do not keep others out: a pointer to a duty has them, and
// so has a struct in which one is embedded.
func checkDuty(d Duty) error {
	switch d.(type) {
	case Attestation, Block, Randao, SelectionProof, AggregateAndProof, AggregateRoot,
		SyncCommitteeMessage, SyncSelectionProof, SyncContribution,
		ValidatorRegistration, VoluntaryExit, BLSToExecutionChange, Deposit, OwnerNonce:
		return nil
	case nil:
		return errors.New("signer: the duty is missing")
	}
	return fmt.Errorf("signer: a %T is no duty; one of this package's types expected, by value", d)
}

// VoluntaryExit asks the network to let a validator go, for good. It is signed by
// the validator's key under the Capella fork version, whatever fork is in force
// (EIP-7044), so an exit that is signed ahead stays valid.
type VoluntaryExit struct {
	Epoch          uint64 // the exit is valid from this epoch on; 0 is at once
	ValidatorIndex uint64 // known once the deposit has been processed
}

func (e VoluntaryExit) signingRoot(n *Network) (keyshare.Root, error) {
	domain, err := n.net.VoluntaryExitDomain()
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(consensus.VoluntaryExitRoot(e.Epoch, e.ValidatorIndex), domain), nil
}

func (VoluntaryExit) traits() traits { return traits{name: "voluntary exit", irrevocable: true} }

// BLSToExecutionChange replaces a validator's 0x00 credentials, once and for good,
// by 0x01 credentials. It is signed by the withdrawal key From, not by the
// validator's, under the genesis fork version.
type BLSToExecutionChange struct {
	ValidatorIndex uint64
	From           keyshare.PublicKey // the key whose hash the credentials hold
	To             keyshare.Address
}

func (c BLSToExecutionChange) signingRoot(n *Network) (keyshare.Root, error) {
	if c.From.IsZero() {
		return keyshare.Root{}, errors.New("signer: credential change: the withdrawal public key is missing")
	}
	if c.To.IsZero() {
		return keyshare.Root{}, errors.New("signer: credential change: the new address is zero")
	}
	domain, err := n.net.BLSToExecutionChangeDomain()
	if err != nil {
		return keyshare.Root{}, err
	}
	root := consensus.BLSToExecutionChangeRoot(c.ValidatorIndex, c.From.Bytes(), c.To)
	return consensus.SigningRoot(root, domain), nil
}

func (c BLSToExecutionChange) traits() traits {
	return traits{name: "credential change", irrevocable: true, key: c.From}
}
