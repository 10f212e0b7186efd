package signer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func TestSigningRootRefused(t *testing.T) {
	key := testKey(t, 1).PublicKey()
	deposit := signer.Deposit{PublicKey: key, WithdrawalCredentials: signer.ExecutionCredentials(pod), Amount: 32 * signer.Ether}
	c := devnet()
	c.GenesisValidatorsRoot = keyshare.Root{}
	unborn, err := signer.NewNetwork(c)
	require.NoError(t, err)
	c = devnet()
	c.Forks = c.Forks[:3]
	old, err := signer.NewNetwork(c)
	require.NoError(t, err)

	for _, c := range []struct {
		network *signer.Network
		duty    signer.Duty
		want    string
	}{
		{nil, deposit, "signer: the network is missing; use one of this package's networks or NewNetwork"},
		{new(signer.Network), deposit, "signer: the network is missing; use one of this package's networks or NewNetwork"},
		{signer.Hoodi, nil, "signer: the duty is missing"},
		{signer.Hoodi, signer.Deposit{}, "signer: deposit: pubkey: is missing\n" +
			"signer: deposit: withdrawal_credentials: are all zero\n" +
			"signer: deposit: amount: is 0 ETH, at least 1 ETH expected"},
		{unborn, signer.VoluntaryExit{}, "consensus: the genesis validators root of devnet-1 is unknown"},
		{old, signer.VoluntaryExit{}, "consensus: devnet-1 has no Capella fork, so exits cannot be signed for it"},
		{unborn, signer.BLSToExecutionChange{From: key, To: pod}, "consensus: the genesis validators root of devnet-1 is unknown"},
		{signer.Hoodi, signer.BLSToExecutionChange{To: pod}, "signer: credential change: the withdrawal public key is missing"},
		{signer.Hoodi, signer.BLSToExecutionChange{From: key}, "signer: credential change: the new address is zero"},
	} {
		root, err := signer.SigningRoot(c.network, c.duty)
		require.EqualError(t, err, c.want)
		require.Zero(t, root)
	}
	_, err = signer.SigningRoot(unborn, deposit)
	require.NoError(t, err, "a deposit does not need the genesis validators root")
}

// A duty's root is different on every network, and so is that of every duty.
func TestSigningRootsDiffer(t *testing.T) {
	key := testKey(t, 1).PublicKey()
	wc := signer.ExecutionCredentials(pod)
	custom, err := signer.NewNetwork(devnet())
	require.NoError(t, err)
	seen := map[keyshare.Root]bool{}
	count := 0
	for _, n := range []*signer.Network{signer.Mainnet, signer.Hoodi, signer.Sepolia, signer.Holesky, signer.Gnosis, signer.Chiado, custom} {
		for _, d := range []signer.Duty{
			signer.Deposit{key, wc, 32 * signer.Ether},
			signer.Deposit{key, wc, 31 * signer.Ether},
			signer.Deposit{key, signer.CompoundingCredentials(pod), 32 * signer.Ether},
			signer.VoluntaryExit{},
			signer.VoluntaryExit{Epoch: 1},
			signer.VoluntaryExit{ValidatorIndex: 1},
			signer.BLSToExecutionChange{From: key, To: pod},
			signer.BLSToExecutionChange{ValidatorIndex: 1, From: key, To: pod},
		} {
			root, err := signer.SigningRoot(n, d)
			require.NoError(t, err)
			seen[root] = true
			count++
		}
	}
	require.Len(t, seen, count)
}
