package signer

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// Checkpoint is an epoch and the root of the block that it starts with.
type Checkpoint struct {
	Epoch uint64
	Root  keyshare.Root
}

// Attestation is the duty of voting for a block and for a link between two
// checkpoints (AttestationData). It is slashable, and signed under the fork in
// force at the target's epoch.
type Attestation struct {
	Slot uint64

	// Index is the committee's before Electra; 0 in Electra and Fulu (EIP-7549);
	// 0 or 1 from Gloas on, where it says whether the payload is there.
	Index uint64

	BeaconBlockRoot keyshare.Root
	Source, Target  Checkpoint
}

func (a Attestation) traits() traits { return traits{name: "attestation", slashable: true} }

func (a Attestation) signingRoot(n *Network) (keyshare.Root, error) {
	domain, fork, err := n.net.DomainAt(consensus.DomainBeaconAttester, a.Target.Epoch)
	if err != nil {
		return keyshare.Root{}, err
	}
	if err := a.check(n, fork); err != nil {
		return keyshare.Root{}, fmt.Errorf("signer: attestation: %w", err)
	}
	return consensus.SigningRoot(a.data().Root(), domain), nil
}

func (a Attestation) data() consensus.AttestationData {
	return consensus.AttestationData{
		Slot: a.Slot, Index: a.Index, BeaconBlockRoot: a.BeaconBlockRoot,
		Source: consensus.Checkpoint{Epoch: a.Source.Epoch, Root: a.Source.Root},
		Target: consensus.Checkpoint{Epoch: a.Target.Epoch, Root: a.Target.Root},
	}
}

// check refuses what no block may hold at the fork.
func (a Attestation) check(n *Network, fork consensus.Fork) error {
	committees := n.net.MaxCommitteesPerSlot
	switch {
	case fork >= consensus.Gloas:
		committees = 2
	case fork >= consensus.Electra:
		committees = 1
	}
	switch epoch := n.EpochOf(a.Slot); {
	case epoch != a.Target.Epoch:
		return fmt.Errorf("slot %d is of epoch %d, but the target's epoch is %d", a.Slot, epoch, a.Target.Epoch)
	case a.Source.Epoch > a.Target.Epoch:
		return fmt.Errorf("the source's epoch is %d, at most %d of the target expected", a.Source.Epoch, a.Target.Epoch)
	case a.Index >= committees:
		return fmt.Errorf("the index is %d, at most %d expected under %v", a.Index, committees-1, fork)
	}
	return nil
}

// SelectionProof is the duty of signing a slot: the signature decides whether the
// validator aggregates the attestations of its committee.
type SelectionProof struct{ Slot uint64 }

func (SelectionProof) traits() traits { return traits{name: "selection proof"} }

func (p SelectionProof) signingRoot(n *Network) (keyshare.Root, error) {
	domain, _, err := n.net.DomainAt(consensus.DomainSelectionProof, n.EpochOf(p.Slot))
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(consensus.Uint64Root(p.Slot), domain), nil
}

// Aggregate is the sum of attestations with the same data.
type Aggregate struct {
	// Bits says whose attestations are in it: an SSZ bitlist with its delimiting
	// bit, one bit for each member of the committee, or from Electra on for each
	// member of each of the CommitteeBits.
	Bits []byte

	Data Attestation

	// CommitteeBits is an SSZ bitvector of the committees that take part, from
	// Electra on; all zero before.
	CommitteeBits [8]byte

	// Signature is the aggregate signature. It is signed as it stands and not
	// verified.
	Signature [keyshare.SignatureSize]byte
}

// AggregateAndProof is the duty of vouching for an aggregate as its chosen
// aggregator. Which form it is signed in, that of phase0 or that of Electra,
// depends on the fork in force at the slot. Under Gloas the form is not settled: the
// error wraps [ErrFork], and [AggregateRoot] stands in.
type AggregateAndProof struct {
	AggregatorIndex uint64 // the validator's
	Aggregate       Aggregate
	SelectionProof  [keyshare.SignatureSize]byte // the signature of a SelectionProof; not verified
}

func (AggregateAndProof) traits() traits { return traits{name: "aggregate and proof"} }

func (p AggregateAndProof) signingRoot(n *Network) (keyshare.Root, error) {
	domain, fork, err := n.net.DomainAt(consensus.DomainAggregateAndProof, n.EpochOf(p.Aggregate.Data.Slot))
	if err != nil {
		return keyshare.Root{}, err
	}
	if err := p.Aggregate.check(n, fork); err != nil {
		return keyshare.Root{}, fmt.Errorf("signer: aggregate: %w", err)
	}
	root, err := n.net.AggregateAndProofRoot(fork, consensus.AggregateAndProof{
		AggregatorIndex: p.AggregatorIndex,
		Bits:            p.Aggregate.Bits,
		Data:            p.Aggregate.Data.data(),
		Signature:       p.Aggregate.Signature,
		CommitteeBits:   p.Aggregate.CommitteeBits,
		SelectionProof:  p.SelectionProof,
	})
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(root, domain), nil
}

// AggregateRoot is the duty of AggregateAndProof under a fork whose form of it this
// package does not know, which is Gloas: the caller computes the object's root. It is
// no signing root: the domain is that of aggregates at the slot, so that it can stand
// for no other kind of duty. Where the form is known it is refused.
type AggregateRoot struct {
	Slot uint64        // of the aggregate's data
	Root keyshare.Root // the hash tree root of the AggregateAndProof
}

func (AggregateRoot) traits() traits { return traits{name: "aggregate by root"} }

func (r AggregateRoot) signingRoot(n *Network) (keyshare.Root, error) {
	domain, fork, err := n.net.DomainAt(consensus.DomainAggregateAndProof, n.EpochOf(r.Slot))
	switch {
	case err != nil:
		return keyshare.Root{}, err
	case fork.AggregatesSettled():
		return keyshare.Root{}, fmt.Errorf("signer: aggregate by root: slot %d is of %v, whose form is known: an AggregateAndProof expected", r.Slot, fork)
	case r.Root == keyshare.Root{}:
		return keyshare.Root{}, errors.New("signer: aggregate by root: the root is zero")
	}
	return consensus.SigningRoot(r.Root, domain), nil
}

func (a Aggregate) check(n *Network, fork consensus.Fork) error {
	if err := a.Data.check(n, fork); err != nil {
		return err
	}
	if len(a.Bits) == 0 || a.Bits[len(a.Bits)-1] == 0 {
		return errors.New("the aggregation bits are no SSZ bitlist: the delimiting bit is missing")
	}
	last := a.Bits[len(a.Bits)-1]
	length := 8*uint64(len(a.Bits)-1) + uint64(bits.Len8(last)) - 1
	if most := n.net.MaxAggregateBits(fork); length > most {
		return fmt.Errorf("there are %d aggregation bits, at most %d expected under %v", length, most, fork)
	}
	switch none := a.CommitteeBits == [8]byte{}; {
	case fork < consensus.Electra && !none:
		return fmt.Errorf("there are committee bits, none expected under %v", fork)
	case fork >= consensus.Electra && none:
		return fmt.Errorf("there are no committee bits, at least one expected under %v", fork)
	}
	for i, b := range a.CommitteeBits {
		if b != 0 && uint64(8*i+bits.Len8(b)) > n.net.MaxCommitteesPerSlot {
			return fmt.Errorf("a committee bit from %d on is set, committees below %d expected", 8*i, n.net.MaxCommitteesPerSlot)
		}
	}
	return nil
}
