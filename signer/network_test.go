package signer_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		name, version, contract, token string
		chain                          uint64
		want                           *signer.Network
	}{
		{"mainnet", "0x00000000", "0x00000000219ab540356cBB839Cbe05303d7705Fa", "ETH", 1, signer.Mainnet},
		{"hoodi", "0x10000910", "0x00000000219ab540356cBB839Cbe05303d7705Fa", "ETH", 560048, signer.Hoodi},
		{"sepolia", "0x90000069", "0x7f02C3E3c98b133055B8B348B2Ac625669Ed295D", "ETH", 11155111, signer.Sepolia},
		{"holesky", "0x01017000", "0x4242424242424242424242424242424242424242", "ETH", 17000, signer.Holesky},
		{"gnosis", "0x00000064", "0x0B98057eA310F4d31F2a452B414647007d1645d9", "GNO", 100, signer.Gnosis},
		{"chiado", "0x0000006f", "0xb97036A26259B7147018913bD58a774cf91acf25", "GNO", 10200, signer.Chiado},
	} {
		n, err := signer.NetworkByName(c.name)
		require.NoError(t, err)
		require.Same(t, c.want, n)
		require.Equal(t, c.name, n.String())
		require.Equal(t, c.version, n.GenesisForkVersion().String())
		require.Equal(t, c.contract, n.DepositContract().String())
		require.Equal(t, c.chain, n.ChainID())
		require.Equal(t, c.token, n.Token())
		require.NotZero(t, n.GenesisValidatorsRoot())
	}
	_, err := signer.NetworkByName("ephemery")
	require.EqualError(t, err, "signer: network ephemery starts anew at each iteration: its number and genesis validators root are needed")
	_, err = signer.NetworkByName("Hoodi")
	require.EqualError(t, err, `signer: network "Hoodi" is unknown, one of mainnet, hoodi, sepolia, holesky, gnosis, chiado expected`)
}

func TestEigenPodManager(t *testing.T) {
	for n, want := range map[*signer.Network]string{
		signer.Mainnet: "0x91E677b07F7AF907ec9a428aafA9fc14a0d3A338",
		signer.Hoodi:   "0xcd1442415Fc5C29Aa848A49d2e232720BE07976c",
	} {
		a, ok := n.EigenPodManager()
		require.True(t, ok)
		require.Equal(t, want, a.String())
	}
	_, ok := signer.Gnosis.EigenPodManager()
	require.False(t, ok)
}

func TestCustomNetwork(t *testing.T) {
	n, err := signer.NewNetwork(devnet())
	require.NoError(t, err)
	require.Equal(t, "devnet-1", n.Name())
	require.Equal(t, uint64(7011893), n.ChainID())
	require.Equal(t, "0x10000038", n.GenesisForkVersion().String())
	require.Equal(t, keyshare.Root{9}, n.GenesisValidatorsRoot())
	require.Equal(t, keyshare.Address{0x42}, n.DepositContract())
	_, ok := n.EigenPodManager()
	require.False(t, ok)

	c := devnet()
	c.Forks[0].Version = signer.Mainnet.GenesisForkVersion()
	_, err = signer.NewNetwork(c)
	require.EqualError(t, err, "consensus: genesis fork version 0x00000000 is that of mainnet: a deposit signed for it could be replayed there")
	c = devnet()
	c.Forks[0].Name = "Phase0"
	_, err = signer.NewNetwork(c)
	require.EqualError(t, err, `consensus: fork "Phase0" is unknown, one of [phase0 altair bellatrix capella deneb electra fulu gloas] expected`)
	c = devnet()
	c.EigenPodManager = pod
	n, err = signer.NewNetwork(c)
	require.NoError(t, err)
	manager, ok := n.EigenPodManager()
	require.True(t, ok)
	require.Equal(t, pod, manager)
}

func TestEphemeryNetwork(t *testing.T) {
	n, err := signer.Ephemery(135, keyshare.Root{1})
	require.NoError(t, err)
	require.Equal(t, "ephemery", n.Name())
	require.Equal(t, uint64(39438135), n.ChainID())
	require.Equal(t, "0x1000101b", n.GenesisForkVersion().String())
	_, err = signer.Ephemery(135, keyshare.Root{})
	require.EqualError(t, err, "consensus: the genesis validators root of ephemery is unknown")
	_, err = signer.Ephemery(135, keyshare.Root{1}, signer.Fork{Name: "heze"})
	require.ErrorContains(t, err, `consensus: fork "heze" is unknown`)
}

func TestAmountsOfTokens(t *testing.T) {
	g, err := signer.Mainnet.ParseAmount("32")
	require.NoError(t, err)
	require.Equal(t, 32*signer.Ether, g)
	require.Equal(t, "32 ETH", signer.Mainnet.FormatAmount(g))
	require.Equal(t, "32000000000000000000", signer.Mainnet.DepositValue(g).String())

	g, err = signer.Gnosis.ParseAmount("1")
	require.NoError(t, err)
	require.Equal(t, signer.ActivationBalance, g)
	require.Equal(t, "1 GNO", signer.Gnosis.FormatAmount(g))
	require.Zero(t, signer.Gnosis.DepositValue(g).Sign(), "GNO is approved, not sent")
	g, err = signer.Gnosis.ParseAmount("0.03125")
	require.NoError(t, err)
	require.Equal(t, signer.MinDeposit, g)
	require.Equal(t, "0.00000000003125 GNO", signer.Gnosis.FormatAmount(1))

	_, err = signer.Gnosis.ParseAmount("576460752.303423488") // 2^64 / 32 gwei
	require.EqualError(t, err, `signer: amount "576460752.303423488" is too large, less than 2^64 gwei expected`)
	g, err = signer.Gnosis.ParseAmount("576460752.303423487")
	require.NoError(t, err)
	require.Equal(t, signer.Gwei(math.MaxUint64-31), g)
	_, err = signer.Gnosis.ParseAmount("x")
	require.ErrorContains(t, err, "is malformed")
}

func TestDepositValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.Uint64().Draw(t, "gwei")
		want := new(big.Int).Mul(new(big.Int).SetUint64(g), big.NewInt(1e9))
		require.Equal(t, want, signer.Hoodi.DepositValue(signer.Gwei(g)))
	})
}
