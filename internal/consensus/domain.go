package consensus

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/protolambda/zrnt/eth2/beacon/common"
)

// Version is a fork version.
type Version [4]byte

// String returns the eight hexadecimal digits after 0x.
func (v Version) String() string { return "0x" + hex.EncodeToString(v[:]) }

// DomainType says what kind of object a signature is over.
type DomainType [4]byte

// The domain types of the consensus specifications, and DomainApplicationBuilder of the builder specifications, under
// which validators register with block builders.
var (
	DomainBeaconProposer              = DomainType(common.DOMAIN_BEACON_PROPOSER)
	DomainBeaconAttester              = DomainType(common.DOMAIN_BEACON_ATTESTER)
	DomainRandao                      = DomainType(common.DOMAIN_RANDAO)
	DomainDeposit                     = DomainType(common.DOMAIN_DEPOSIT)
	DomainVoluntaryExit               = DomainType(common.DOMAIN_VOLUNTARY_EXIT)
	DomainSelectionProof              = DomainType(common.DOMAIN_SELECTION_PROOF)
	DomainAggregateAndProof           = DomainType(common.DOMAIN_AGGREGATE_AND_PROOF)
	DomainSyncCommittee               = DomainType(common.DOMAIN_SYNC_COMMITTEE)
	DomainSyncCommitteeSelectionProof = DomainType(common.DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF)
	DomainContributionAndProof        = DomainType(common.DOMAIN_CONTRIBUTION_AND_PROOF)
	DomainBLSToExecutionChange        = DomainType(common.DOMAIN_BLS_TO_EXECUTION_CHANGE)
	DomainApplicationBuilder          = DomainType{3: 1}
)

// Domain is compute_domain: the type, then the first 28 bytes of the hash of fork version and validators root.
func Domain(t DomainType, v Version, genesisValidatorsRoot [32]byte) [32]byte {
	return common.ComputeDomain(common.BLSDomainType(t), common.Version(v), genesisValidatorsRoot)
}

// SigningRoot is compute_signing_root: what is signed, of an object's root under a domain.
func SigningRoot(object, domain [32]byte) [32]byte { return common.ComputeSigningRoot(object, domain) }

// DepositDomain is the domain of deposits: the genesis fork version, whatever fork is in force, and a zero root.
func (n *Network) DepositDomain() [32]byte {
	return Domain(DomainDeposit, n.GenesisForkVersion(), [32]byte{})
}

// VoluntaryExitDomain is the domain of exits: the Capella fork version, whatever fork is in force (EIP-7044). It is an
// error on a network that has no Capella fork, or whose genesis validators root is unknown.
func (n *Network) VoluntaryExitDomain() ([32]byte, error) {
	capella, ok := n.fork(Capella)
	if !ok {
		return [32]byte{}, fmt.Errorf("consensus: %s has no Capella fork, so exits cannot be signed for it", n.Name)
	}
	if err := n.needsRoot(); err != nil {
		return [32]byte{}, err
	}
	return Domain(DomainVoluntaryExit, capella.Version, n.GenesisValidatorsRoot), nil
}

// BLSToExecutionChangeDomain is the domain of changes to execution credentials: the genesis fork version and the
// network's validators root. It is an error when that root is unknown.
func (n *Network) BLSToExecutionChangeDomain() ([32]byte, error) {
	if err := n.needsRoot(); err != nil {
		return [32]byte{}, err
	}
	return Domain(DomainBLSToExecutionChange, n.GenesisForkVersion(), n.GenesisValidatorsRoot), nil
}

// RegistrationDomain is the domain of validator registrations (builder specifications): like that of deposits, it has
// the genesis fork version and a zero root.
func (n *Network) RegistrationDomain() [32]byte {
	return Domain(DomainApplicationBuilder, n.GenesisForkVersion(), [32]byte{})
}

// DomainAt is the domain of a duty at an epoch, and the fork that is in force then. It is an error when the fork or
// the genesis validators root is unknown.
func (n *Network) DomainAt(t DomainType, epoch uint64) ([32]byte, Fork, error) {
	f, err := n.ForkAt(epoch)
	if err == nil {
		err = n.needsRoot()
	}
	if err != nil {
		return [32]byte{}, 0, err
	}
	return Domain(t, f.Version, n.GenesisValidatorsRoot), f.Fork, nil
}

func (n *Network) needsRoot() error {
	if n.GenesisValidatorsRoot == [32]byte{} {
		return errors.New("consensus: the genesis validators root of " + n.Name + " is unknown")
	}
	return nil
}
