package signer

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// subcommittees is how many subnets a sync committee is spread over
// (SYNC_COMMITTEE_SUBNET_COUNT).
const subcommittees = 4

// SyncCommitteeMessage is the duty of a member of the sync committee: to sign the
// root of the head block.
type SyncCommitteeMessage struct {
	Slot            uint64
	BeaconBlockRoot keyshare.Root
}

func (SyncCommitteeMessage) traits() traits { return traits{name: "sync committee message"} }

func (m SyncCommitteeMessage) signingRoot(n *Network) (keyshare.Root, error) {
	domain, err := syncDomain(n, consensus.DomainSyncCommittee, m.Slot, 0)
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(m.BeaconBlockRoot, domain), nil
}

// SyncSelectionProof is the duty of signing a slot and a subcommittee
// (SyncAggregatorSelectionData): the signature decides whether the validator
// aggregates that subcommittee's messages.
type SyncSelectionProof struct {
	Slot              uint64
	SubcommitteeIndex uint64 // 0 to 3
}

func (SyncSelectionProof) traits() traits { return traits{name: "sync selection proof"} }

func (p SyncSelectionProof) signingRoot(n *Network) (keyshare.Root, error) {
	domain, err := syncDomain(n, consensus.DomainSyncCommitteeSelectionProof, p.Slot, p.SubcommitteeIndex)
	if err != nil {
		return keyshare.Root{}, err
	}
	return consensus.SigningRoot(consensus.SyncSelectionRoot(p.Slot, p.SubcommitteeIndex), domain), nil
}

// SyncContribution is the duty of vouching for the messages of one subcommittee as
// its chosen aggregator (ContributionAndProof).
type SyncContribution struct {
	AggregatorIndex   uint64 // the validator's
	Slot              uint64
	BeaconBlockRoot   keyshare.Root
	SubcommitteeIndex uint64                       // 0 to 3
	Bits              [16]byte                     // an SSZ bitvector: whose messages are in it
	Signature         [keyshare.SignatureSize]byte // the aggregate signature; not verified
	SelectionProof    [keyshare.SignatureSize]byte // the signature of a SyncSelectionProof; not verified
}

func (SyncContribution) traits() traits { return traits{name: "sync contribution"} }

func (c SyncContribution) signingRoot(n *Network) (keyshare.Root, error) {
	domain, err := syncDomain(n, consensus.DomainContributionAndProof, c.Slot, c.SubcommitteeIndex)
	if err != nil {
		return keyshare.Root{}, err
	}
	root := consensus.SyncContribution{
		AggregatorIndex: c.AggregatorIndex, Slot: c.Slot, BeaconBlockRoot: c.BeaconBlockRoot,
		SubcommitteeIndex: c.SubcommitteeIndex, Bits: c.Bits, Signature: c.Signature, SelectionProof: c.SelectionProof,
	}.Root()
	return consensus.SigningRoot(root, domain), nil
}

// syncDomain is the domain of a duty that only exists from Altair on.
func syncDomain(n *Network, t consensus.DomainType, slot, subcommittee uint64) ([32]byte, error) {
	if subcommittee >= subcommittees {
		return [32]byte{}, fmt.Errorf("signer: sync committee: the subcommittee is %d, at most %d expected", subcommittee, subcommittees-1)
	}
	domain, fork, err := n.net.DomainAt(t, n.EpochOf(slot))
	if err == nil && fork < consensus.Altair {
		err = fmt.Errorf("signer: sync committee: slot %d is of %v, there are no sync committees before %v", slot, fork, consensus.Altair)
	}
	return domain, err
}
