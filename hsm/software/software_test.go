package software_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/claystack/dvkeys/hsm/software"
)

func TestMain(m *testing.M) {
	software.CheapPassphrases()
	if task := os.Getenv(taskVariable); task != "" {
		os.Exit(child(task, os.Getenv(pathVariable)))
	}
	os.Exit(m.Run())
}

// pass returns a passphrase function.
func pass(passphrase string) software.Passphrase {
	return func() ([]byte, error) { return []byte(passphrase), nil }
}

func open(t testing.TB, path string) *software.Backend {
	t.Helper()
	b, err := software.Open(path, pass("passphrase"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestBackend(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) hsm.Backend { return open(t, filepath.Join(t.TempDir(), "keys.db")) },
		&hsmtest.Options{Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
			require.NoError(t, b.Close())
			return open(t, b.Info().Device)
		}})
}
