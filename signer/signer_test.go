package signer_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// testKey is the key whose scalar is 31 times the byte 1, then b.
func testKey(tb testing.TB, b byte) *keyshare.SecretKey {
	tb.Helper()
	k, err := keyshare.ParseSecretKey(append(bytes.Repeat([]byte{1}, 31), b))
	require.NoError(tb, err)
	tb.Cleanup(k.Destroy)
	return k
}

// pod is an address with an EIP-55 checksum, from that standard.
var pod = keyshare.Address{0x5a, 0xae, 0xb6, 0x05, 0x3f, 0x3e, 0x94, 0xc9, 0xb9, 0xa0,
	0x9f, 0x33, 0x66, 0x94, 0x35, 0xe7, 0xef, 0x1b, 0xea, 0xed}

func signed(tb testing.TB, n *signer.Network, b byte, wc signer.WithdrawalCredentials, amount signer.Gwei) *signer.DepositData {
	tb.Helper()
	d, err := signer.SignDeposit(context.Background(), n, testKey(tb, b), wc, amount, &signer.DepositOptions{AllowOverMax: true})
	require.NoError(tb, err)
	return d
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	require.NoError(tb, err)
	return b
}

func publicKey(tb testing.TB, s string) keyshare.PublicKey {
	tb.Helper()
	k, err := keyshare.ParsePublicKey(unhex(tb, s))
	require.NoError(tb, err)
	return k
}

func signature(tb testing.TB, s string) keyshare.Signature {
	tb.Helper()
	sig, err := keyshare.ParseSignature(unhex(tb, s))
	require.NoError(tb, err)
	return sig
}

// network returns the network of a name in a vector.
func network(tb testing.TB, name string) *signer.Network {
	tb.Helper()
	n, err := signer.NetworkByName(name)
	require.NoError(tb, err)
	return n
}

// devnet describes a valid custom network.
func devnet() signer.NetworkConfig {
	return signer.NetworkConfig{
		Name:            "devnet-1",
		ChainID:         7011893,
		DepositContract: keyshare.Address{0x42},
		Forks: []signer.Fork{
			{Name: "phase0", Version: signer.ForkVersion{0x10, 0, 0, 0x38}},
			{Name: "altair", Version: signer.ForkVersion{0x20, 0, 0, 0x38}},
			{Name: "bellatrix", Version: signer.ForkVersion{0x30, 0, 0, 0x38}},
			{Name: "capella", Version: signer.ForkVersion{0x40, 0, 0, 0x38}},
			{Name: "deneb", Version: signer.ForkVersion{0x50, 0, 0, 0x38}, Epoch: signer.FarFuture},
		},
		GenesisValidatorsRoot: keyshare.Root{9},
	}
}
