package software_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/internal/killtest"
)

// killedBefore runs a task and kills its process (SIGKILL) just before its n-th system call that changes the file or the
// folder, counted from 1. It returns what the process printed, and whether it came to the n-th call.
func killedBefore(t *testing.T, n int, task, path string) (printed string, killed bool) {
	t.Helper()
	return killtest.Before(t, n, command(t, task, path))
}

// TestKilledAtEachWrite makes a file and three keys in it, and kills the process before each write, fsync, link and so on.
func TestKilledAtEachWrite(t *testing.T) {
	dir := t.TempDir()
	n := 1
	for ; ; n++ {
		require.Less(t, n, 1000)
		path := filepath.Join(dir, "keys.db")
		printed, killed := killedBefore(t, n, "generate", path)
		requireNothingLost(t, path, printed, 3)
		require.NoError(t, os.Remove(path))
		if !killed {
			break
		}
	}
	t.Logf("killed at %d places", n-1)
	require.Greater(t, n, 30, "more places than that change the file")
}

// TestKilledChangingPassphrase kills the process before each write of a change of passphrase. Then the file opens with one of
// the two, and with the new one if the caller was told so.
func TestKilledChangingPassphrase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.db")
	b := open(t, path)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	original, err := os.ReadFile(path)
	require.NoError(t, err)

	opened := map[string]int{}
	for n := 1; ; n++ {
		require.Less(t, n, 1000)
		require.NoError(t, os.WriteFile(path, original, 0o600))
		printed, killed := killedBefore(t, n, "change passphrase", path)
		with := "another"
		b, err := software.Open(path, pass("another"), nil)
		if errors.Is(err, software.ErrPassphrase) && printed == "" {
			with = "passphrase"
			b, err = software.Open(path, pass("passphrase"), nil)
		}
		require.NoError(t, err)
		opened[with]++
		_, err = b.Open(t.Context(), k.PublicKey())
		require.NoError(t, err)
		require.NoError(t, b.Close())
		if !killed {
			require.Equal(t, "changed\n", printed)
			break
		}
	}
	t.Log("opened with:", opened)
	require.NotZero(t, opened["passphrase"])
	require.Greater(t, opened["another"], 1, "killed after the change, too")
}
