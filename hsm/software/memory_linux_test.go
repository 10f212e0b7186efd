package software_test

import (
	"crypto/rand"
	"crypto/rsa"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keyshare"
)

// TestMemory looks for a key in all of this process's memory after it was generated, read back, opened, used on several
// goroutines, split and closed.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	b := open(t, path)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	pk := k.PublicKey()
	var pattern memscan.Pattern
	require.NoError(t, b.DangerouslyExport(t.Context(), pk, func(s keyshare.Secret) error {
		return s.Use(func(secret []byte) error {
			pattern, err = memscan.Mask(secret)
			require.NoError(t, err)
			hits, err := memscan.Find(pattern)
			require.NoError(t, err)
			require.NotEmpty(t, hits, "a key in use is found")
			return nil
		})
	}))
	nowhere := func(when string) {
		t.Helper()
		hits, err := memscan.Find(pattern)
		require.NoError(t, err)
		require.Empty(t, hits, when)
	}
	nowhere("after Generate")

	operator, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	to := []keyshare.Operator{{ID: 1, PublicKey: &operator.PublicKey}, {ID: 2, PublicKey: &another.PublicKey}}
	use := func(k keyshare.Key) {
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				for i := range 20 {
					if _, err := k.SignRoots(t.Context(), keyshare.Root{byte(i)}, keyshare.Root{1, byte(i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
	}
	use(k)
	nowhere("after signing")
	_, _, err = k.Split(t.Context(), 2, to)
	require.NoError(t, err)
	nowhere("after splitting")
	require.NoError(t, b.ChangePassphrase(pass("passphrase")))
	require.NoError(t, b.Close())
	b = open(t, path)
	k, err = b.Open(t.Context(), pk)
	require.NoError(t, err)
	use(k)
	nowhere("after opening it again")
	require.NoError(t, b.Close())
	nowhere("after Close")
}
