package vault_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

var _ slashing.Counter = (*vault.Counter)(nil)

func TestCounter(t *testing.T) {
	server, c := withTransit(t, nil)
	ctx, where := t.Context(), vault.KV{}
	open := func(f func(context.Context, vault.Config, vault.KV, string) (*vault.Counter, error), name string) *vault.Counter {
		t.Helper()
		n, err := f(ctx, c, where, name)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.Close()) })
		return n
	}
	is := func(n *vault.Counter, want uint64) {
		t.Helper()
		got, err := n.Read(ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := vault.OpenCounter(ctx, c, where, "history")
	require.ErrorIs(t, err, hsm.ErrNotFound)
	n := open(vault.CreateCounter, "history")
	is(n, 0)
	_, err = vault.CreateCounter(ctx, c, where, "history")
	require.ErrorIs(t, err, hsm.ErrExists)
	for _, step := range []struct{ raise, want uint64 }{{7, 7}, {3, 7}, {7, 7}, {8, 8}, {1<<63 + 1, 1<<63 + 1}} {
		require.NoError(t, n.Raise(ctx, step.raise))
		is(n, step.want)
	}
	again := open(vault.OpenCounter, "history")
	is(again, 1<<63+1)
	require.NoError(t, again.Raise(ctx, 5))
	is(again, 1<<63+1)
	is(open(vault.CreateCounter, "other"), 0)

	t.Run("two processes", func(t *testing.T) {
		counters := []*vault.Counter{open(vault.CreateCounter, "shared"), open(vault.OpenCounter, "shared")}
		var group sync.WaitGroup
		for i := range uint64(40) {
			group.Go(func() {
				n := counters[i%2]
				if err := n.Raise(ctx, i+1); err != nil {
					t.Error(err)
				}
				if got, err := n.Read(ctx); err != nil || got < i+1 {
					t.Error(got, err)
				}
			})
		}
		group.Wait()
		is(counters[0], 40)
	})

	t.Run("refused", func(t *testing.T) {
		for _, name := range []string{"", "a/b", "../x"} {
			_, err := vault.CreateCounter(ctx, c, where, name)
			require.ErrorContains(t, err, "counter name")
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, n.Raise(ended, 1<<63+2), context.Canceled)
		require.NoError(t, server.Call("POST", "secret/data/dvkeys/counters/other", map[string]any{"data": map[string]any{"number": "-1"}}, nil))
		_, err := vault.OpenCounter(ctx, c, where, "other")
		require.ErrorIs(t, err, hsm.ErrCorrupt)
		require.NoError(t, server.Call("DELETE", "secret/data/dvkeys/counters/other", nil, nil))
		_, err = vault.OpenCounter(ctx, c, where, "other")
		require.ErrorIs(t, err, hsm.ErrNotFound)
		_, err = vault.CreateCounter(ctx, c, where, "other")
		require.ErrorIs(t, err, hsm.ErrExists, "it knew a number that is lost")
	})
}

// A history of signatures that was restored from a backup is refused.
func TestCounterOfHistory(t *testing.T) {
	_, c := withTransit(t, nil)
	ctx := t.Context()
	n, err := vault.CreateCounter(ctx, c, vault.KV{}, "history")
	require.NoError(t, err)
	defer n.Close()
	path := filepath.Join(t.TempDir(), "history.db")
	require.NoError(t, slashing.Create(path, keyshare.Root{}, slashing.Minimal))
	backup, err := os.ReadFile(path)
	require.NoError(t, err)
	validator, err := keyshare.Generate()
	require.NoError(t, err)
	s, err := slashing.Open(ctx, path, keyshare.Root{}, &slashing.Options{Counter: n})
	require.NoError(t, err)
	require.NoError(t, s.Protect(ctx, signer.Claim{Validator: validator.PublicKey(), Duty: signer.Block{Slot: 1}})[0])
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(path, backup, 0o600))
	_, err = slashing.Open(ctx, path, keyshare.Root{}, &slashing.Options{Counter: n})
	require.ErrorIs(t, err, slashing.ErrRollback)
}
