package plugin

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// successor is another process over the same storage, while the first one is still there.
func (e *engine) successor(t *testing.T) *engine {
	b, err := Factory(t.Context(), &logical.BackendConfig{StorageView: e.storage, System: &logical.StaticSystemView{}})
	require.NoError(t, err)
	t.Cleanup(func() { b.Cleanup(context.Background()) })
	return &engine{backend: b.(*backend), storage: e.storage}
}

// TestProcessesTakeTurns has three processes sign for one key by turns, one of them over a storage that fails at times: what
// one has signed binds the others, whatever they remember of their own.
func TestProcessesTakeTurns(t *testing.T) {
	type signed struct {
		source, target uint64
		root           byte
	}
	random := rand.New(rand.NewPCG(1, 2))
	e := newEngine(t)
	e.create(t, "k")
	processes := []*engine{e, e.successor(t), e.successor(t)}
	var all []signed
	refused := 0
	for i := range 400 {
		target := uint64(1 + i/8 + random.IntN(4))
		v := signed{target - 1 - uint64(random.IntN(int(min(target, 3)))), target, byte(random.IntN(2))}
		switch random.IntN(10) {
		case 0:
			e.storage.put = func(int, string) (before, after error) { return errDisk, nil }
		case 1:
			e.storage.put = func(int, string) (before, after error) { return nil, errDisk }
		}
		_, code, err := processes[random.IntN(len(processes))].vote(t, "k", v.source, v.target, v.root)
		e.storage.put = nil
		switch {
		case err != nil:
			require.ErrorIs(t, err, errDisk)
			continue
		case code != "":
			require.Equal(t, wire.Slashable, code)
			refused++
			continue
		}
		for _, w := range all {
			require.False(t, w.target == v.target && w != v, "double vote: %v after %v", v, w)
			require.False(t, w.source < v.source && v.target < w.target, "%v is surrounded by %v", v, w)
			require.False(t, v.source < w.source && w.target < v.target, "%v surrounds %v", v, w)
		}
		all = append(all, v)
	}
	require.Greater(t, len(all), 50)
	require.Greater(t, refused, 50)
}

// TestHistoryReadOnce counts the reads of a key's history: what this process has written is read again only when something may
// have changed it.
func TestHistoryReadOnce(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	reads := 0
	e.storage.get = func(path string) {
		if strings.HasPrefix(path, historyPrefix) {
			reads++
		}
	}
	for target := range uint64(10) {
		_, code, err := e.vote(t, "k", target, target+1, 1)
		require.NoError(t, err)
		require.Empty(t, code)
	}
	require.Zero(t, reads)
	e.InvalidateKey(context.Background(), historyPrefix+"x")
	_, _, err := e.vote(t, "k", 10, 11, 1)
	require.NoError(t, err)
	require.Equal(t, 1, reads)

	other := e.successor(t)
	_, _, err = other.vote(t, "k", 11, 12, 1)
	require.NoError(t, err)
	require.Equal(t, 2, reads)
	_, code, err := e.vote(t, "k", 11, 12, 2)
	require.NoError(t, err)
	require.Equal(t, wire.Slashable, code)
	require.Equal(t, 3, reads)
}

// TestNoRecordNoSignature breaks the storage when a vote is recorded: before it is stored and after.
func TestNoRecordNoSignature(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	for _, stored := range []bool{false, true} {
		target := uint64(5)
		if stored {
			target = 6
		}
		e.storage.put = func(_ int, path string) (before, after error) {
			if !strings.HasPrefix(path, historyPrefix) {
				return nil, nil
			}
			if stored {
				return nil, errDisk
			}
			return errDisk, nil
		}
		signature, _, err := e.vote(t, "k", 4, target, 1)
		require.ErrorIs(t, err, errDisk)
		require.Empty(t, signature)
		e.storage.put = nil
		signature, code, err := e.vote(t, "k", 4, target, 2)
		require.NoError(t, err)
		if stored {
			require.Equal(t, wire.Slashable, code, "it may be recorded, so it counts")
			signature, _, err = e.vote(t, "k", 4, target, 1)
			require.NoError(t, err)
		}
		require.NotEmpty(t, signature)
	}
}
