package consensus

import (
	"encoding/hex"
	"fmt"
)

// The networks that are known by name. Versions and epochs are those of the configurations that each network's
// maintainers publish; the Electra and Fulu epochs of Gnosis are from clients' configurations.
var (
	Mainnet = &Network{
		Name:                  "mainnet",
		ChainID:               1,
		GenesisValidatorsRoot: root("4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"),
		DepositContract:       address("00000000219ab540356cbb839cbe05303d7705fa"),
		EigenPodManager:       address("91e677b07f7af907ec9a428aafa9fc14a0d3a338"),
		SlotsPerEpoch:         32, MaxCommitteesPerSlot: mainnetCommittees, Token: "ETH", Multiplier: 1,
		Forks: schedule(
			0x00000000, 0, 0x01000000, 74240, 0x02000000, 144896, 0x03000000, 194048, 0x04000000, 269568,
			0x05000000, 364032, 0x06000000, 411392, 0x07000000, FarFuture),
	}
	Hoodi = &Network{
		Name:                  "hoodi",
		ChainID:               560048,
		GenesisValidatorsRoot: root("212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"),
		DepositContract:       address("00000000219ab540356cbb839cbe05303d7705fa"),
		EigenPodManager:       address("cd1442415fc5c29aa848a49d2e232720be07976c"),
		SlotsPerEpoch:         32, MaxCommitteesPerSlot: mainnetCommittees, Token: "ETH", Multiplier: 1,
		Forks: schedule(
			0x10000910, 0, 0x20000910, 0, 0x30000910, 0, 0x40000910, 0, 0x50000910, 0,
			0x60000910, 2048, 0x70000910, 50688, 0x80000910, FarFuture),
	}
	Sepolia = &Network{
		Name:                  "sepolia",
		ChainID:               11155111,
		GenesisValidatorsRoot: root("d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078"),
		DepositContract:       address("7f02c3e3c98b133055b8b348b2ac625669ed295d"),
		SlotsPerEpoch:         32, MaxCommitteesPerSlot: mainnetCommittees, Token: "ETH", Multiplier: 1,
		Forks: schedule(
			0x90000069, 0, 0x90000070, 50, 0x90000071, 100, 0x90000072, 56832, 0x90000073, 132608,
			0x90000074, 222464, 0x90000075, 272640, 0x90000076, 353024),
	}
	Holesky = &Network{
		Name:                  "holesky",
		ChainID:               17000,
		GenesisValidatorsRoot: root("9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1"),
		DepositContract:       address("4242424242424242424242424242424242424242"),
		SlotsPerEpoch:         32, MaxCommitteesPerSlot: mainnetCommittees, Token: "ETH", Multiplier: 1,
		Forks: schedule(
			0x01017000, 0, 0x02017000, 0, 0x03017000, 0, 0x04017000, 256, 0x05017000, 29696,
			0x06017000, 115968, 0x07017000, 165120),
	}
	Gnosis = &Network{
		Name:                  "gnosis",
		ChainID:               100,
		GenesisValidatorsRoot: root("f5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47"),
		DepositContract:       address("0b98057ea310f4d31f2a452b414647007d1645d9"),
		SlotsPerEpoch:         16, MaxCommitteesPerSlot: mainnetCommittees, Token: "GNO", Multiplier: 32,
		Forks: schedule(
			0x00000064, 0, 0x01000064, 512, 0x02000064, 385536, 0x03000064, 648704, 0x04000064, 889856,
			0x05000064, 1337856, 0x06000064, 1714688),
	}
	Chiado = &Network{
		Name:                  "chiado",
		ChainID:               10200,
		GenesisValidatorsRoot: root("9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e"),
		DepositContract:       address("b97036a26259b7147018913bd58a774cf91acf25"),
		SlotsPerEpoch:         16, MaxCommitteesPerSlot: mainnetCommittees, Token: "GNO", Multiplier: 32,
		Forks: schedule(
			0x0000006f, 0, 0x0100006f, 90, 0x0200006f, 180, 0x0300006f, 244224, 0x0400006f, 516608,
			0x0500006f, 948224, 0x0600006f, 1353216),
	}
)

var known = []*Network{Mainnet, Hoodi, Sepolia, Holesky, Gnosis, Chiado}

// ephemeryName and what is the same in each iteration of that network: its chain ids start at ephemeryChain, and its
// forks up to Capella are in force from genesis.
const (
	ephemeryName       = "ephemery"
	ephemeryChain      = 39438000
	ephemeryIterations = 1_000_000 // far more than will be; keeps the chain id within its range
)

var (
	ephemeryContract = address("4242424242424242424242424242424242424242")
	ephemeryForks    = schedule(0x1000101b, 0, 0x2000101b, 0, 0x3000101b, 0, 0x4000101b, 0)
)

// reserved are public networks that are not offered but whose deposits must not be signable under another name.
var reserved = []struct {
	names                 []string
	genesis               Version
	genesisValidatorsRoot [32]byte // zero: not on record
}{
	{names: []string{ephemeryName}, genesis: Version{0x10, 0x00, 0x10, 0x1b}},
	{names: []string{"prater", "goerli"}, genesis: Version{0x00, 0x00, 0x10, 0x20}},
	{
		names:                 []string{"plataberget"},
		genesis:               Version{0x10, 0x73, 0x31, 0x83},
		genesisValidatorsRoot: root("bb4a1a9e3f7f4e10edcd734e4acc3b5ffd4f830efe0af2748fa458cfee5d2658"),
	},
}

// Ephemery returns the test network of that name in one of its iterations: chain id 39438000 + iteration. later are
// its forks from Deneb on with the iteration's epochs; without them the network serves for deposits, exits and changes
// of credentials only. The root must not be zero.
func Ephemery(iteration uint64, genesisValidatorsRoot [32]byte, later []ScheduledFork) (*Network, error) {
	if iteration == 0 || iteration >= ephemeryIterations {
		return nil, fmt.Errorf("consensus: ephemery iteration %d is out of range, 1 to %d expected", iteration, ephemeryIterations-1)
	}
	n := &Network{
		Name:                  ephemeryName,
		ChainID:               ephemeryChain + iteration,
		GenesisValidatorsRoot: genesisValidatorsRoot,
		DepositContract:       ephemeryContract,
		SlotsPerEpoch:         32, MaxCommitteesPerSlot: mainnetCommittees, Token: "ETH", Multiplier: 1,
		Forks:     append(ephemeryForks[:len(ephemeryForks):len(ephemeryForks)], later...),
		OpenEnded: len(later) == 0,
	}
	if err := n.needsRoot(); err != nil {
		return nil, err
	}
	if err := checkRoot(genesisValidatorsRoot); err != nil {
		return nil, err
	}
	if err := checkSchedule(n.Forks); err != nil {
		return nil, err
	}
	return n, nil
}

// schedule makes a schedule of pairs of version and epoch, one a fork from Phase0 on.
func schedule(pairs ...uint64) []ScheduledFork {
	forks := make([]ScheduledFork, len(pairs)/2)
	for i := range forks {
		v := pairs[2*i]
		forks[i] = ScheduledFork{
			Fork:    Fork(i),
			Version: Version{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)},
			Epoch:   pairs[2*i+1],
		}
	}
	return forks
}

// root and address decode the constants of this file, whose length a test checks.
func root(digits string) (r [32]byte) {
	hex.Decode(r[:], []byte(digits))
	return r
}

func address(digits string) (a [20]byte) {
	hex.Decode(a[:], []byte(digits))
	return a
}
