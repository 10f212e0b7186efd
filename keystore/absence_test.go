package keystore_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keystore"
)

// TestNothingLeft makes a mnemonic, derives keys and encrypts and opens one, and then looks for all of them in the memory
// of the process. It is in this file to run before tests that use hundreds of megabytes, which would have to be searched.
func TestNothingLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory can be searched on Linux only")
	}
	patterns := map[string]memscan.Pattern{}
	mask := func(name string) func([]byte) error {
		return func(b []byte) error {
			p, err := memscan.Mask(b)
			patterns[name] = p
			return err
		}
	}
	m, err := keystore.NewMnemonic(24, keystore.English)
	require.NoError(t, err)
	require.NoError(t, m.Use(mask("mnemonic")))
	require.NoError(t, m.Use(func(text []byte) error {
		again, err := keystore.ParseMnemonic(text)
		if err == nil {
			again.Destroy()
		}
		return err
	}))
	passphrase, err := secret.Random(16)
	require.NoError(t, err)
	for i, b := range passphrase.Bytes() {
		passphrase.Bytes()[i] = 'a' + b%26
	}
	require.NoError(t, mask("passphrase")(passphrase.Bytes()))
	seed, err := m.Seed(passphrase.Bytes())
	require.NoError(t, err)
	m.Destroy()
	passphrase.Destroy()
	require.NoError(t, keystore.UseSeed(seed, mask("seed")))

	withdrawal, err := seed.Derive(keystore.WithdrawalPath(0))
	require.NoError(t, err)
	require.NoError(t, withdrawal.Use(mask("parent key")))
	withdrawal.Destroy()
	key, err := seed.Derive(keystore.SigningPath(0))
	require.NoError(t, err)
	require.NoError(t, key.Use(mask("key")))
	seed.Destroy()

	store, err := keystore.Encrypt(key, []byte(strings.Repeat("password", 2)), keystore.Cheap(keystore.Options{}))
	require.NoError(t, err)
	key.Destroy()
	opened, err := store.Decrypt([]byte(strings.Repeat("password", 2)))
	require.NoError(t, err)
	opened.Destroy()
	for name, p := range patterns {
		hits, err := memscan.Find(p)
		require.NoError(t, err)
		require.Empty(t, hits, name)
	}
}
