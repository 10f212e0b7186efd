//go:build cgo && unix

package pkcs11

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/claystack/dvkeys/keyshare"
)

func TestBackend(t *testing.T) {
	softHSM(t)
	hsmtest.Run(t, func(t *testing.T) hsm.Backend { return openToken(t, config(t)) },
		&hsmtest.Options{Keys: 300, Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
			c := config(t)
			require.NoError(t, c.Store.Close())
			require.NoError(t, b.Close())
			path, _ := strings.CutPrefix(b.(*Token).store.String(), "file ")
			c.Store = openStore(t, filepath.Clean(path))
			return openToken(t, c)
		}})
}

func TestBackendWithCache(t *testing.T) {
	softHSM(t)
	hsmtest.Run(t, func(t *testing.T) hsm.Backend {
		c := config(t)
		c.Cache = true
		return openToken(t, c)
	}, &hsmtest.Options{Keys: 50})
}

// TestCache holds what the two levels mean: with a cache the token is asked for a key once, and without one for each call.
func TestCache(t *testing.T) {
	ctx := t.Context()
	for _, cache := range []bool{false, true} {
		c := config(t)
		c.Cache = cache
		token := openToken(t, c)
		require.Equal(t, cache, token.Info().Protection == hsm.Enveloped)
		require.Equal(t, !cache, token.Info().Protection == hsm.JustInTime)
		k, err := token.Generate(ctx, "")
		require.NoError(t, err)
		taken := token.device.taken.Load()
		for range 3 {
			_, err = k.SignRoots(ctx, keyshare.Root{1}, keyshare.Root{2})
			require.NoError(t, err)
		}
		want := int64(3)
		if cache {
			want = 0
		}
		require.Equal(t, want, token.device.taken.Load()-taken)
		runChild(t, "forbid", c.KEK)
		_, err = k.SignRoots(ctx, keyshare.Root{1})
		if cache {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, hsm.ErrDenied)
		}
	}
}
