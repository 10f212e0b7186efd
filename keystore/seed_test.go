package keystore_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

func secretHex(t require.TestingT, k keyshare.Secret) (s string) {
	require.NoError(t, k.Use(func(b []byte) error {
		s = hex.EncodeToString(b)
		return nil
	}))
	return s
}

func seedHex(t require.TestingT, seed *keystore.Seed) (s string) {
	require.NoError(t, keystore.UseSeed(seed, func(b []byte) error {
		s = hex.EncodeToString(b)
		return nil
	}))
	return s
}

// TestDerivedKeys derives keys whose values an independent implementation gave.
func TestDerivedKeys(t *testing.T) {
	var v struct {
		Mnemonic, Passphrase, Seed string
		Keys                       []struct {
			Index            uint32
			SigningPath      string `json:"signing_path"`
			SigningKey       string `json:"signing_sk"`
			SigningPublic    string `json:"signing_pk"`
			WithdrawalPath   string `json:"withdrawal_path"`
			WithdrawalKey    string `json:"withdrawal_sk"`
			WithdrawalPublic string `json:"withdrawal_pk"`
		}
	}
	vectors.JSON(t, "deposit/derived_keys_abandon_about.json", &v)
	m, err := keystore.ParseMnemonic([]byte(v.Mnemonic))
	require.NoError(t, err)
	seed, err := m.Seed([]byte(v.Passphrase))
	require.NoError(t, err)
	require.Equal(t, v.Seed, seedHex(t, seed))
	require.NotEmpty(t, v.Keys)
	for _, c := range v.Keys {
		path, err := keystore.ParsePath(c.SigningPath)
		require.NoError(t, err)
		require.Equal(t, keystore.SigningPath(c.Index), path)
		k, err := seed.Derive(path)
		require.NoError(t, err)
		require.Equal(t, c.SigningKey, secretHex(t, k))
		require.Equal(t, "0x"+c.SigningPublic, k.PublicKey().String())

		path, err = keystore.ParsePath(c.WithdrawalPath)
		require.NoError(t, err)
		require.Equal(t, keystore.WithdrawalPath(c.Index), path)
		k, err = seed.Derive(path)
		require.NoError(t, err)
		require.Equal(t, c.WithdrawalKey, secretHex(t, k))
		require.Equal(t, "0x"+c.WithdrawalPublic, k.PublicKey().String())
	}
}

func TestDeriveRefuses(t *testing.T) {
	_, err := keystore.NewSeed(make([]byte, 31))
	require.EqualError(t, err, "keystore: seed has 31 bytes, expected at least 32")
	seed, err := keystore.NewSeed(make([]byte, 32))
	require.NoError(t, err)
	_, err = seed.Derive(keystore.Path{})
	require.EqualError(t, err, "keystore: no path to derive a key at")
	seed.Destroy()
	_, err = seed.Derive(keystore.SigningPath(0))
	require.ErrorContains(t, err, "used after Destroy")
}
