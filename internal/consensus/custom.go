package consensus

import (
	"fmt"
	"regexp"
	"slices"
)

// Custom describes a network that is not known by name, such as a devnet.
type Custom struct {
	// Name is lower-case letters, digits, '-', '_' and '.', at most 64, and not the name of a known network.
	Name    string
	ChainID uint64
	// GenesisValidatorsRoot may be zero while it is unknown; then only deposits can be signed.
	GenesisValidatorsRoot [32]byte
	DepositContract       [20]byte
	// EigenPodManager is zero where there is none.
	EigenPodManager [20]byte
	// SlotsPerEpoch is 32 if zero.
	SlotsPerEpoch uint64
	// MaxCommitteesPerSlot is 64 if zero; 4 in the minimal preset.
	MaxCommitteesPerSlot uint64
	// Forks is the whole schedule from Phase0 on, without gaps; a fork with no date has the epoch FarFuture.
	Forks []ScheduledFork
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// New makes a custom network. It refuses one that could be taken for a known network, by name, chain id or genesis
// validators root, or by the genesis fork version: a deposit's signature is bound to nothing else, so one made for
// such a network could be replayed on the known one.
func New(c Custom) (*Network, error) {
	if !networkName.MatchString(c.Name) {
		return nil, fmt.Errorf("consensus: network name %.80q is malformed, 1 to 64 of a-z 0-9 . _ - expected", c.Name)
	}
	if err := checkSchedule(c.Forks); err != nil {
		return nil, err
	}
	if err := checkDistinct(c); err != nil {
		return nil, err
	}
	if c.ChainID == 0 {
		return nil, fmt.Errorf("consensus: network %s has chain id 0", c.Name)
	}
	if c.DepositContract == [20]byte{} {
		return nil, fmt.Errorf("consensus: network %s has the zero address as its deposit contract", c.Name)
	}
	if c.SlotsPerEpoch == 0 {
		c.SlotsPerEpoch = 32
	}
	if c.MaxCommitteesPerSlot == 0 {
		c.MaxCommitteesPerSlot = mainnetCommittees
	}
	if c.MaxCommitteesPerSlot > mainnetCommittees {
		return nil, fmt.Errorf("consensus: network %s has up to %d committees a slot, at most %d expected", c.Name, c.MaxCommitteesPerSlot, mainnetCommittees)
	}
	return &Network{
		Name:                  c.Name,
		ChainID:               c.ChainID,
		GenesisValidatorsRoot: c.GenesisValidatorsRoot,
		DepositContract:       c.DepositContract,
		EigenPodManager:       c.EigenPodManager,
		SlotsPerEpoch:         c.SlotsPerEpoch,
		MaxCommitteesPerSlot:  c.MaxCommitteesPerSlot,
		Token:                 "ETH",
		Multiplier:            1,
		Forks:                 slices.Clone(c.Forks),
	}, nil
}

func checkDistinct(c Custom) error {
	genesis := c.Forks[0].Version
	for _, k := range known {
		switch {
		case c.Name == k.Name:
			return fmt.Errorf("consensus: network name %q belongs to a known network", c.Name)
		case genesis == k.GenesisForkVersion():
			return reusedVersion(genesis, k.Name)
		case c.ChainID == k.ChainID:
			return fmt.Errorf("consensus: chain id %d belongs to %s", c.ChainID, k.Name)
		}
	}
	for _, r := range reserved {
		switch {
		case slices.Contains(r.names, c.Name):
			return fmt.Errorf("consensus: network name %q belongs to a known network", c.Name)
		case genesis == r.genesis:
			return reusedVersion(genesis, r.names[0])
		}
	}
	if c.ChainID >= ephemeryChain && c.ChainID < ephemeryChain+ephemeryIterations {
		return fmt.Errorf("consensus: chain id %d belongs to %s", c.ChainID, ephemeryName)
	}
	return checkRoot(c.GenesisValidatorsRoot)
}

func reusedVersion(v Version, owner string) error {
	return fmt.Errorf("consensus: genesis fork version %v is that of %s: a deposit signed for it could be replayed there", v, owner)
}

// checkRoot refuses a known network's validators root, under which exits could be replayed.
func checkRoot(root [32]byte) error {
	if root == [32]byte{} {
		return nil
	}
	owner := ""
	for _, k := range known {
		if root == k.GenesisValidatorsRoot {
			owner = k.Name
		}
	}
	for _, r := range reserved {
		if root == r.genesisValidatorsRoot {
			owner = r.names[0]
		}
	}
	if owner != "" {
		return fmt.Errorf("consensus: genesis validators root is that of %s", owner)
	}
	return nil
}

func checkSchedule(forks []ScheduledFork) error {
	if len(forks) == 0 {
		return fmt.Errorf("consensus: the fork schedule is empty, %v at epoch 0 expected", Phase0)
	}
	if forks[0].Epoch != 0 {
		return fmt.Errorf("consensus: %v starts at epoch %d, 0 expected", forks[0].Fork, forks[0].Epoch)
	}
	for i, f := range forks {
		switch {
		case f.Fork != Fork(i) || i >= len(forkNames):
			return fmt.Errorf("consensus: fork schedule has %v at position %d, the forks from %v on without gaps expected", f.Fork, i, Phase0)
		case i > 0 && f.Epoch < forks[i-1].Epoch:
			return fmt.Errorf("consensus: %v starts at epoch %d, before %v at %d", f.Fork, f.Epoch, forks[i-1].Fork, forks[i-1].Epoch)
		}
		for _, earlier := range forks[:i] {
			if f.Version == earlier.Version {
				return fmt.Errorf("consensus: %v and %v have the same version %v", earlier.Fork, f.Fork, f.Version)
			}
		}
	}
	return nil
}
