package slashing_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	n := 0
	historytest.Run(t, func(t historytest.TB, root keyshare.Root, complete bool) historytest.Store {
		n++
		s := slashing.Minimal
		if complete {
			s = slashing.Complete
		}
		path := filepath.Join(dir, fmt.Sprint(n))
		require.NoError(t, slashing.Create(path, root, s))
		store, err := slashing.Open(context.Background(), path, root, nil)
		require.NoError(t, err)
		require.Equal(t, s, store.Strategy())
		t.Cleanup(func() {
			require.NoError(t, store.Close())
			store, err := slashing.Open(context.Background(), path, root, nil) // which verifies all of it
			require.NoError(t, err)
			require.NoError(t, store.Close())
			require.NoError(t, os.Remove(path))
		})
		return store
	}, slashing.ErrStopped)
}
