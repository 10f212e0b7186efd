package consensus

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Domains computed with independent implementations.
var domainVectors = []struct{ network, deposit, builder, exit, change string }{
	{
		network: "mainnet",
		deposit: "03000000f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a9",
		builder: "00000001f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a9",
		exit:    "04000000bba4da96354c9f25476cf1bc69bf583a7f9e0af049305b62de676640",
		change:  "0a000000b5303f2ad2010d699a76c8e62350947421a3e4a979779642cfdb0f66",
	},
	{
		network: "sepolia",
		deposit: "03000000d3010778cd08ee514b08fe67b6c503b510987a4ce43f42306d97c67c",
		builder: "00000001d3010778cd08ee514b08fe67b6c503b510987a4ce43f42306d97c67c",
		exit:    "0400000047eb72b3be36f08feffcaba760f0a2ed78c1a85f0654941a0d19d0fa",
		change:  "0a000000a8fee8ee9978418b64f1140b05f699a49ccd9b3fd666c35d4ae5f79e",
	},
	{
		network: "holesky",
		deposit: "030000005b83a23759c560b2d0c64576e1dcfc34ea94c4988f3e0d9f77f05387",
		builder: "000000015b83a23759c560b2d0c64576e1dcfc34ea94c4988f3e0d9f77f05387",
		exit:    "0400000017e2dad36f1d3595152042a9ad23430197557e2e7e82bc7f7fc72972",
		change:  "0a000000219d34fee03d4513e55e0d6186071458a1bf5fd6ff3c59aa9a6fc45b",
	},
	{
		network: "hoodi",
		deposit: "03000000719103511efa4f1362ff2a50996cccf329cc84cb410c5e5c7d351d03",
		builder: "00000001719103511efa4f1362ff2a50996cccf329cc84cb410c5e5c7d351d03",
		exit:    "0400000072bbc3705de0766b1ea9cfd60f0a5cc5f2dca3b942b222e8320b035b",
		change:  "0a0000005df5c106c7012ba11eb22b4aeff26718b26c8ccba50eb27260f7d1ca",
	},
	{
		network: "gnosis",
		deposit: "03000000f925ddc5e2ae63752ccc93b8e3ecbc14259c1b3447464e8d4940230c",
		builder: "00000001f925ddc5e2ae63752ccc93b8e3ecbc14259c1b3447464e8d4940230c",
		exit:    "0400000021a6f8369eb56db8f1a760b00b3f5a4261f3681424d6345c1a19db95",
		change:  "0a000000bc9a6864061a36279ebe161b8b7a57068b17d09da25617d87cbfd3cf",
	},
	{
		network: "chiado",
		deposit: "030000000dcd4496472eed03785d00b1d8b52a3bc8a2818ba3929b39ba033c61",
		builder: "000000010dcd4496472eed03785d00b1d8b52a3bc8a2818ba3929b39ba033c61",
		exit:    "04000000e3f199ec57c5e4a0c0c34c552b0ade795d4a82ffec8b3bb933b15398",
		change:  "0a00000048ea167c5ad1fee9218a64ab4fc9d5adc935ee915651a14a3ca54200",
	},
	{
		network: "ephemery",
		deposit: "030000009167ef40e3575b9d6a63861034db868cbbc90a7616d6e56bdf0284b8",
		builder: "000000019167ef40e3575b9d6a63861034db868cbbc90a7616d6e56bdf0284b8",
	},
}

func network(t *testing.T, name string) *Network {
	t.Helper()
	if name == ephemeryName {
		n, err := Ephemery(135, [32]byte{1}, nil)
		require.NoError(t, err)
		return n
	}
	for _, n := range known {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no network %s", name)
	return nil
}

func digits(b [32]byte) string { return hex.EncodeToString(b[:]) }

func TestDomains(t *testing.T) {
	require.Len(t, domainVectors, len(known)+1)
	for _, v := range domainVectors {
		n := network(t, v.network)
		require.Equal(t, v.deposit, digits(n.DepositDomain()), v.network)
		require.Equal(t, v.builder, digits(Domain(DomainApplicationBuilder, n.GenesisForkVersion(), [32]byte{})), v.network)
		if v.exit == "" {
			continue
		}
		exit, err := n.VoluntaryExitDomain()
		require.NoError(t, err)
		require.Equal(t, v.exit, digits(exit), v.network)
		change, err := n.BLSToExecutionChangeDomain()
		require.NoError(t, err)
		require.Equal(t, v.change, digits(change), v.network)
	}
}

// Plataberget is reserved, not offered: what is on record of it is checked by its domains too.
func TestReservedVersions(t *testing.T) {
	for _, r := range reserved {
		if r.names[0] != "plataberget" {
			continue
		}
		require.Equal(t, "03000000bef2469c3c0d0d50937c17bb14bc7da00b2e1e84092e29ad66e95a84",
			digits(Domain(DomainDeposit, r.genesis, [32]byte{})))
		require.Equal(t, "0a00000045caa722c1d11f7064c23f061125c6d456ca177278a761c8627564fc",
			digits(Domain(DomainBLSToExecutionChange, r.genesis, r.genesisValidatorsRoot)))
		return
	}
	t.Fatal("plataberget is not reserved")
}

func TestDomainsOfUnfinishedNetworks(t *testing.T) {
	c := devnet()
	c.GenesisValidatorsRoot = [32]byte{}
	n, err := New(c)
	require.NoError(t, err)
	_, err = n.VoluntaryExitDomain()
	require.EqualError(t, err, "consensus: the genesis validators root of devnet-1 is unknown")
	_, err = n.BLSToExecutionChangeDomain()
	require.EqualError(t, err, "consensus: the genesis validators root of devnet-1 is unknown")

	c = devnet()
	c.Forks = c.Forks[:Capella]
	n, err = New(c)
	require.NoError(t, err)
	_, err = n.VoluntaryExitDomain()
	require.EqualError(t, err, "consensus: devnet-1 has no Capella fork, so exits cannot be signed for it")
}

// The signing root by the formulas of the consensus specifications, with nothing of zrnt.
func TestSigningRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "object"))
		root := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "validators root"))
		version := Version(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "version"))
		forkData := hash(append(version[:], make([]byte, 28)...), root[:])
		domain := append([]byte{4, 0, 0, 0}, forkData[:28]...)

		got := Domain(DomainVoluntaryExit, version, root)
		require.Equal(t, domain, got[:])
		require.Equal(t, hash(object[:], domain), SigningRoot(object, got))
	})
}

func hash(parts ...[]byte) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}
