package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func devnet() Custom {
	return Custom{
		Name:                  "devnet-1",
		ChainID:               7011893,
		GenesisValidatorsRoot: [32]byte{9},
		DepositContract:       [20]byte{0x42},
		Forks:                 schedule(0x10000038, 0, 0x20000038, 0, 0x30000038, 0, 0x40000038, 1, 0x50000038, FarFuture),
	}
}

func TestCustom(t *testing.T) {
	c := devnet()
	n, err := New(c)
	require.NoError(t, err)
	require.Equal(t, uint64(32), n.SlotsPerEpoch)
	require.Equal(t, Version{0x10, 0, 0, 0x38}, n.GenesisForkVersion())
	f, err := n.ForkAt(1 << 40)
	require.NoError(t, err)
	require.Equal(t, Capella, f.Fork)

	c.Forks[0].Version = Version{} // what the caller does to its slice later changes nothing
	require.Equal(t, Version{0x10, 0, 0, 0x38}, n.GenesisForkVersion())
}

func TestCustomRefused(t *testing.T) {
	genesis := func(v Version) func(*Custom) { return func(c *Custom) { c.Forks[0].Version = v } }
	replay := func(v, of string) string {
		return "consensus: genesis fork version " + v + " is that of " + of + ": a deposit signed for it could be replayed there"
	}
	for _, c := range []struct {
		change func(*Custom)
		want   string
	}{
		{genesis(Version{}), replay("0x00000000", "mainnet")},
		{genesis(Version{0x10, 0x00, 0x09, 0x10}), replay("0x10000910", "hoodi")},
		{genesis(Version{0x90, 0x00, 0x00, 0x69}), replay("0x90000069", "sepolia")},
		{genesis(Version{0x01, 0x01, 0x70, 0x00}), replay("0x01017000", "holesky")},
		{genesis(Version{0x00, 0x00, 0x00, 0x64}), replay("0x00000064", "gnosis")},
		{genesis(Version{0x00, 0x00, 0x00, 0x6f}), replay("0x0000006f", "chiado")},
		{genesis(Version{0x10, 0x00, 0x10, 0x1b}), replay("0x1000101b", "ephemery")},
		{genesis(Version{0x00, 0x00, 0x10, 0x20}), replay("0x00001020", "prater")},
		{genesis(Version{0x10, 0x73, 0x31, 0x83}), replay("0x10733183", "plataberget")},

		{func(c *Custom) { c.Name = "mainnet" }, `consensus: network name "mainnet" belongs to a known network`},
		{func(c *Custom) { c.Name = "goerli" }, `consensus: network name "goerli" belongs to a known network`},
		{func(c *Custom) { c.Name = "Devnet" }, `consensus: network name "Devnet" is malformed, 1 to 64 of a-z 0-9 . _ - expected`},
		{func(c *Custom) { c.Name = "" }, `consensus: network name "" is malformed, 1 to 64 of a-z 0-9 . _ - expected`},

		{func(c *Custom) { c.ChainID = 1 }, "consensus: chain id 1 belongs to mainnet"},
		{func(c *Custom) { c.ChainID = 39438200 }, "consensus: chain id 39438200 belongs to ephemery"},
		{func(c *Custom) { c.ChainID = 0 }, "consensus: network devnet-1 has chain id 0"},
		{func(c *Custom) { c.DepositContract = [20]byte{} }, "consensus: network devnet-1 has the zero address as its deposit contract"},
		{func(c *Custom) { c.GenesisValidatorsRoot = Mainnet.GenesisValidatorsRoot }, "consensus: genesis validators root is that of mainnet"},
		{
			func(c *Custom) {
				c.GenesisValidatorsRoot = root("bb4a1a9e3f7f4e10edcd734e4acc3b5ffd4f830efe0af2748fa458cfee5d2658")
			},
			"consensus: genesis validators root is that of plataberget",
		},

		{func(c *Custom) { c.Forks = nil }, "consensus: the fork schedule is empty, phase0 at epoch 0 expected"},
		{func(c *Custom) { c.Forks[0].Epoch = 1 }, "consensus: phase0 starts at epoch 1, 0 expected"},
		{func(c *Custom) { c.Forks = c.Forks[1:] }, "consensus: fork schedule has altair at position 0, the forks from phase0 on without gaps expected"},
		{func(c *Custom) { c.Forks[4].Epoch = 0 }, "consensus: deneb starts at epoch 0, before capella at 1"},
		{func(c *Custom) { c.Forks[3].Version = c.Forks[0].Version }, "consensus: phase0 and capella have the same version 0x10000038"},
		{
			func(c *Custom) {
				c.Forks = schedule(1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0)
			},
			"consensus: fork schedule has fork 8 at position 8, the forks from phase0 on without gaps expected",
		},
	} {
		d := devnet()
		c.change(&d)
		_, err := New(d)
		require.EqualError(t, err, c.want)
	}
}
