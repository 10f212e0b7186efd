package consensus

import (
	"errors"
	"fmt"
	"math"
)

// Fork is a fork of the consensus layer, in the order in which they come.
type Fork int

// The forks whose versions this package knows.
const (
	Phase0 Fork = iota
	Altair
	Bellatrix
	Capella
	Deneb
	Electra
	Fulu
	Gloas
)

var forkNames = [...]string{"phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"}

// String returns the fork's name as the specifications write it, in lower case.
func (f Fork) String() string {
	if f < 0 || int(f) >= len(forkNames) {
		return fmt.Sprintf("fork %d", int(f))
	}
	return forkNames[f]
}

// ParseFork reads a name that String returned.
func ParseFork(name string) (Fork, error) {
	for f, known := range forkNames {
		if name == known {
			return Fork(f), nil
		}
	}
	return 0, fmt.Errorf("consensus: fork %q is unknown, one of %v expected", name, forkNames)
}

// FarFuture is the epoch of a fork that has a version but no date.
const FarFuture = math.MaxUint64

// ScheduledFork is a fork of one network: its version and its first epoch.
type ScheduledFork struct {
	Fork    Fork
	Version Version
	Epoch   uint64
}

// Network is a chain and what signatures and deposits on it depend on. It is not changed after it was made, and two
// networks are the same if their pointers are.
type Network struct {
	// Name is lower case, as deposit files write it.
	Name    string
	ChainID uint64
	// GenesisValidatorsRoot is zero where it is unknown, as before the genesis of a new chain.
	GenesisValidatorsRoot [32]byte
	DepositContract       [20]byte
	// EigenPodManager is EigenLayer's contract, the zero address where there is none.
	EigenPodManager [20]byte
	SlotsPerEpoch   uint64
	// MaxCommitteesPerSlot is the constant of that name of the network's preset, on which the roots of aggregates
	// depend from Electra on.
	MaxCommitteesPerSlot uint64
	// Token is the staking token's symbol, and Multiplier how many coins of a deposit's amount make one token: 1 for
	// ETH; 32 where a token that is not the chain's own currency is staked (GNO).
	Token      string
	Multiplier uint64
	// Forks is the schedule, without gaps from Phase0 on.
	Forks []ScheduledFork
	// OpenEnded says that the last forks are missing in Forks, so that the fork at an epoch cannot be told.
	OpenEnded bool
}

// GenesisForkVersion is the version that deposits are bound to.
func (n *Network) GenesisForkVersion() Version { return n.Forks[0].Version }

// EpochOf returns the epoch of a slot.
func (n *Network) EpochOf(slot uint64) uint64 { return slot / n.SlotsPerEpoch }

// ErrFork is what errors wrap that say that the rules of a fork are not known here.
var ErrFork = errors.New("the rules of the fork are not known")

// forkError is an ErrFork with a text of its own.
type forkError string

func (e forkError) Error() string        { return string(e) }
func (e forkError) Is(target error) bool { return target == ErrFork }

// ForkAt returns the fork in force at the epoch: where several start at once, the last of them.
func (n *Network) ForkAt(epoch uint64) (ScheduledFork, error) {
	if n.OpenEnded {
		return ScheduledFork{}, forkError(fmt.Sprintf("consensus: the fork schedule of %s after %v is unknown", n.Name, n.Forks[len(n.Forks)-1].Fork))
	}
	at := n.Forks[0]
	for _, f := range n.Forks[1:] {
		if f.Epoch <= epoch && f.Epoch != FarFuture {
			at = f
		}
	}
	return at, nil
}

func (n *Network) fork(f Fork) (ScheduledFork, bool) {
	if int(f) >= len(n.Forks) {
		return ScheduledFork{}, false
	}
	return n.Forks[f], true
}
