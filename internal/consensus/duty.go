package consensus

import (
	"encoding/binary"

	"github.com/protolambda/zrnt/eth2/beacon/altair"
	"github.com/protolambda/zrnt/eth2/beacon/common"
	"github.com/protolambda/zrnt/eth2/beacon/electra"
	"github.com/protolambda/zrnt/eth2/beacon/phase0"
	"github.com/protolambda/ztyp/tree"
	"github.com/protolambda/ztyp/view"
)

// mainnetCommittees is MAX_COMMITTEES_PER_SLOT of the mainnet preset, which the networks known by name have, and
// committeeMembers is MAX_VALIDATORS_PER_COMMITTEE, the same in every preset.
const (
	mainnetCommittees = 64
	committeeMembers  = 2048
)

// Checkpoint is an epoch and the block root that it starts with.
type Checkpoint struct {
	Epoch uint64
	Root  [32]byte
}

// AttestationData is what an attester votes for.
type AttestationData struct {
	Slot, Index     uint64
	BeaconBlockRoot [32]byte
	Source, Target  Checkpoint
}

func (d AttestationData) zrnt() phase0.AttestationData {
	return phase0.AttestationData{
		Slot:            common.Slot(d.Slot),
		Index:           common.CommitteeIndex(d.Index),
		BeaconBlockRoot: d.BeaconBlockRoot,
		Source:          common.Checkpoint{Epoch: common.Epoch(d.Source.Epoch), Root: d.Source.Root},
		Target:          common.Checkpoint{Epoch: common.Epoch(d.Target.Epoch), Root: d.Target.Root},
	}
}

// Root is the hash tree root of AttestationData.
func (d AttestationData) Root() [32]byte {
	z := d.zrnt()
	return z.HashTreeRoot(tree.GetHashFn())
}

// BlockHeader stands for a block, full or blinded: all three have the same root.
type BlockHeader struct {
	Slot, ProposerIndex             uint64
	ParentRoot, StateRoot, BodyRoot [32]byte
}

// Root is the hash tree root of BeaconBlockHeader.
func (h BlockHeader) Root() [32]byte {
	z := common.BeaconBlockHeader{
		Slot:          common.Slot(h.Slot),
		ProposerIndex: common.ValidatorIndex(h.ProposerIndex),
		ParentRoot:    h.ParentRoot,
		StateRoot:     h.StateRoot,
		BodyRoot:      h.BodyRoot,
	}
	return z.HashTreeRoot(tree.GetHashFn())
}

// Uint64Root is the hash tree root of a uint64: an epoch or a slot that is signed by itself.
func Uint64Root(v uint64) (r [32]byte) {
	binary.LittleEndian.PutUint64(r[:], v)
	return r
}

// AggregateAndProof is an aggregate with its aggregator's proof of selection. Bits is an SSZ bitlist with its
// delimiting bit. CommitteeBits is for the form that Electra brought.
type AggregateAndProof struct {
	AggregatorIndex uint64
	Bits            []byte
	Data            AttestationData
	Signature       [96]byte
	CommitteeBits   [8]byte
	SelectionProof  [96]byte
}

// spec has the two constants that the roots of aggregates depend on.
func (n *Network) spec() *common.Spec {
	s := new(common.Spec)
	s.MAX_VALIDATORS_PER_COMMITTEE = committeeMembers
	s.MAX_COMMITTEES_PER_SLOT = view.Uint64View(n.MaxCommitteesPerSlot)
	return s
}

// MaxAggregateBits is how many bits an aggregate may have on the network at a fork.
func (n *Network) MaxAggregateBits(f Fork) uint64 {
	if f < Electra {
		return committeeMembers
	}
	return committeeMembers * n.MaxCommitteesPerSlot
}

// AggregatesSettled reports whether AggregateAndProofRoot knows the form that aggregates have under a fork.
func (f Fork) AggregatesSettled() bool { return f < Gloas }

// AggregateAndProofRoot is the hash tree root of AggregateAndProof in the form of a fork: without committee bits before
// Electra, with them in Electra and Fulu. Gloas makes attestations progressive containers, of which the root is not
// settled, so from there on it is an error. The caller has checked that the bits are a bitlist.
func (n *Network) AggregateAndProofRoot(f Fork, a AggregateAndProof) ([32]byte, error) {
	if !f.AggregatesSettled() {
		return [32]byte{}, forkError("consensus: the root of an aggregate is not settled for " + f.String())
	}
	if f < Electra {
		z := phase0.AggregateAndProof{
			AggregatorIndex: common.ValidatorIndex(a.AggregatorIndex),
			Aggregate:       phase0.Attestation{AggregationBits: a.Bits, Data: a.Data.zrnt(), Signature: a.Signature},
			SelectionProof:  a.SelectionProof,
		}
		return z.HashTreeRoot(n.spec(), tree.GetHashFn()), nil
	}
	z := electra.AggregateAndProof{
		AggregatorIndex: common.ValidatorIndex(a.AggregatorIndex),
		Aggregate: electra.Attestation{
			AggregationBits: a.Bits, Data: a.Data.zrnt(), Signature: a.Signature,
			CommitteeBits: a.CommitteeBits[:], // a smaller vector has the same root, its chunk being padded with zeros
		},
		SelectionProof: a.SelectionProof,
	}
	return z.HashTreeRoot(n.spec(), tree.GetHashFn()), nil
}

// SyncSelectionRoot is the hash tree root of SyncAggregatorSelectionData.
func SyncSelectionRoot(slot, subcommittee uint64) [32]byte {
	z := altair.SyncAggregatorSelectionData{Slot: common.Slot(slot), SubcommitteeIndex: view.Uint64View(subcommittee)}
	return z.HashTreeRoot(tree.GetHashFn())
}

// SyncContribution is a contribution to the sync committee's aggregate with its aggregator's proof of selection.
type SyncContribution struct {
	AggregatorIndex   uint64
	Slot              uint64
	BeaconBlockRoot   [32]byte
	SubcommitteeIndex uint64
	Bits              [16]byte
	Signature         [96]byte
	SelectionProof    [96]byte
}

// Root is the hash tree root of ContributionAndProof.
func (c SyncContribution) Root() [32]byte {
	z := altair.ContributionAndProof{
		AggregatorIndex: common.ValidatorIndex(c.AggregatorIndex),
		Contribution: altair.SyncCommitteeContribution{
			Slot:              common.Slot(c.Slot),
			BeaconBlockRoot:   c.BeaconBlockRoot,
			SubcommitteeIndex: view.Uint64View(c.SubcommitteeIndex),
			AggregationBits:   c.Bits[:],
			Signature:         c.Signature,
		},
		SelectionProof: c.SelectionProof,
	}
	return z.HashTreeRoot(new(common.Spec), tree.GetHashFn())
}

// ValidatorRegistrationRoot is the hash tree root of the builder specifications' ValidatorRegistrationV1, which zrnt
// does not have: four leaves.
func ValidatorRegistrationRoot(feeRecipient [20]byte, gasLimit, timestamp uint64, pubkey [48]byte) [32]byte {
	hash := tree.GetHashFn()
	var recipient [32]byte
	copy(recipient[:], feeRecipient[:])
	key := common.BLSPubkey(pubkey)
	return hash(
		hash(recipient, Uint64Root(gasLimit)),
		hash(Uint64Root(timestamp), key.HashTreeRoot(hash)),
	)
}
