package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/store/postgres"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/internal/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// stores opens a new, empty store of each kind; again opens the same once more after it was closed.
var stores = map[string]func(t *testing.T) (s store.Store, again func() store.Store){
	"File": func(t *testing.T) (store.Store, func() store.Store) {
		path := filepath.Join(t.TempDir(), "keys.db")
		open := func() store.Store {
			s, err := store.OpenFile(path, nil)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		return open(), open
	},
	"Postgres": func(t *testing.T) (store.Store, func() store.Store) {
		connection := pgtest.Database(t)
		open := func() store.Store {
			s, err := postgres.Open(t.Context(), connection, "set")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		return open(), open
	},
	"KV": func(t *testing.T) (store.Store, func() store.Store) {
		server := vaulttest.Start(t, nil)
		require.NoError(t, server.Call("POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil))
		token := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(token, []byte(server.Token), 0o600))
		open := func() store.Store {
			s, err := vault.OpenKV(t.Context(), vault.Config{Address: server.Address, Auth: vault.TokenFile(token)}, vault.KV{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		return open(), open
	},
}

func each(t *testing.T, test func(t *testing.T, s store.Store, again func() store.Store)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			s, again := open(t)
			test(t, s, again)
		})
	}
}

func record(n byte, label string) store.Record {
	return store.Record{PublicKey: [48]byte{n, 47: n}, Label: label, Sealed: []byte{n, n, n}}
}

func keysOf(t *testing.T, s store.Store) (keys [][48]byte) {
	t.Helper()
	for k, err := range s.List(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, k)
	}
	return keys
}

func TestRecords(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, again func() store.Store) {
		ctx := t.Context()
		require.Empty(t, keysOf(t, s))
		a, b, c := record(1, "a"), record(2, ""), record(3, "")
		for _, r := range []store.Record{c, a, b} {
			require.NoError(t, s.Put(ctx, r))
		}
		for range 2 {
			require.Equal(t, [][48]byte{a.PublicKey, b.PublicKey, c.PublicKey}, keysOf(t, s))
			for _, r := range []store.Record{a, b, c} {
				got, err := s.Get(ctx, r.PublicKey)
				require.NoError(t, err)
				require.Equal(t, r, got)
			}
			got, err := s.Lookup(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, a, got)
			_, err = s.Lookup(ctx, "b")
			require.ErrorIs(t, err, hsm.ErrNotFound)
			_, err = s.Get(ctx, [48]byte{9})
			require.ErrorIs(t, err, hsm.ErrNotFound)
			require.NoError(t, s.Close())
			s = again()
		}
		require.NoError(t, s.Delete(ctx, a.PublicKey))
		require.ErrorIs(t, s.Delete(ctx, a.PublicKey), hsm.ErrNotFound)
		_, err := s.Lookup(ctx, "a")
		require.ErrorIs(t, err, hsm.ErrNotFound)
		require.NoError(t, s.Put(ctx, record(4, "a")), "the label is free again")
	})
}

func TestPutOnce(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, _ func() store.Store) {
		ctx := t.Context()
		a, b := record(1, "a"), record(2, "b")
		require.NoError(t, s.Put(ctx, a))
		require.NoError(t, s.Put(ctx, b))
		other := record(1, "other")
		sameLabel := record(3, "a")
		both := record(1, "b")
		for _, c := range []struct {
			put    store.Record
			stored store.Record
		}{{a, a}, {other, a}, {sameLabel, a}, {both, a}} {
			err := s.Put(ctx, c.put)
			var exists *store.ExistsError
			require.ErrorAs(t, err, &exists)
			require.ErrorIs(t, err, hsm.ErrExists)
			require.Equal(t, store.ExistsError{PublicKey: c.stored.PublicKey, Label: c.stored.Label}, *exists)
		}
		require.Len(t, keysOf(t, s), 2)

		var group sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range 16 {
			group.Go(func() {
				err := s.Put(ctx, record(100+byte(i), "raced"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if e := (*store.ExistsError)(nil); !errors.As(err, &e) || e.Label != "raced" {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Equal(t, 1, made)
	})
}

func TestReplace(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, again func() store.Store) {
		ctx := t.Context()
		a := record(1, "a")
		require.ErrorIs(t, s.Replace(ctx, a.PublicKey, a.Sealed, []byte("x")), hsm.ErrNotFound)
		require.NoError(t, s.Put(ctx, a))
		require.ErrorIs(t, s.Replace(ctx, a.PublicKey, []byte("other"), []byte("x")), store.ErrChanged)
		require.NoError(t, s.Replace(ctx, a.PublicKey, a.Sealed, []byte("next")))
		require.ErrorIs(t, s.Replace(ctx, a.PublicKey, a.Sealed, []byte("x")), store.ErrChanged)
		require.NoError(t, s.Close())
		got, err := again().Lookup(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, []byte("next"), got.Sealed)
	})
}

func TestHeader(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, again func() store.Store) {
		ctx := t.Context()
		header, err := s.Header(ctx)
		require.NoError(t, err)
		require.Nil(t, header)
		require.ErrorIs(t, s.SetHeader(ctx, []byte("absent"), []byte("x")), store.ErrChanged)
		require.NoError(t, s.SetHeader(ctx, nil, []byte("one")))
		require.ErrorIs(t, s.SetHeader(ctx, nil, []byte("x")), store.ErrChanged)
		require.NoError(t, s.SetHeader(ctx, []byte("one"), []byte("two")))
		require.NoError(t, s.Close())
		header, err = again().Header(ctx)
		require.NoError(t, err)
		require.Equal(t, "two", string(header))
	})
}

func TestBadInput(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, _ func() store.Store) {
		ctx := t.Context()
		bad := record(1, strings.Repeat("x", hsm.MaxLabel+1))
		require.ErrorContains(t, s.Put(ctx, bad), "label has 129 bytes")
		require.ErrorContains(t, s.Put(ctx, record(1, "ü")), "printable ASCII")
		for _, sealed := range [][]byte{nil, make([]byte, store.MaxSealed+1)} {
			require.ErrorContains(t, s.Put(ctx, store.Record{Sealed: sealed}), "sealed bytes")
			require.ErrorContains(t, s.Replace(ctx, [48]byte{}, nil, sealed), "sealed bytes")
			require.ErrorContains(t, s.SetHeader(ctx, nil, sealed), "header of")
		}
		require.Empty(t, keysOf(t, s))
		require.NoError(t, s.Put(ctx, store.Record{PublicKey: [48]byte{5}, Label: strings.Repeat("~", hsm.MaxLabel), Sealed: make([]byte, store.MaxSealed)}))
	})
}

func TestListMany(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, _ func() store.Store) {
		ctx := t.Context()
		const n = 1100 // more than a page
		var group sync.WaitGroup
		for w := range 8 {
			group.Go(func() {
				for i := w; i < n; i += 8 {
					if err := s.Put(ctx, store.Record{PublicKey: [48]byte{byte(i >> 8), byte(i)}, Label: fmt.Sprint(i), Sealed: []byte{1}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		keys := keysOf(t, s)
		require.Len(t, keys, n)
		for i, k := range keys {
			require.Equal(t, [48]byte{byte(i >> 8), byte(i)}, k)
		}
		deleted := 0
		for k, err := range s.List(ctx) {
			require.NoError(t, err)
			require.NoError(t, s.Delete(ctx, k))
			if deleted++; deleted == 10 {
				break
			}
		}
		require.Len(t, keysOf(t, s), n-10)
	})
}

func TestCancelledAndClosed(t *testing.T) {
	each(t, func(t *testing.T, s store.Store, _ func() store.Store) {
		require.NotContains(t, s.String(), "password")
		require.NoError(t, s.Put(t.Context(), record(1, "a")))
		calls := func(ctx context.Context) []error {
			_, header := s.Header(ctx)
			_, get := s.Get(ctx, [48]byte{1})
			_, lookup := s.Lookup(ctx, "a")
			var list error
			for _, err := range s.List(ctx) {
				list = err
			}
			return []error{header, get, lookup, list, s.Put(ctx, record(2, "")), s.Delete(ctx, [48]byte{1}), s.Replace(ctx, [48]byte{1}, nil, []byte("x")), s.SetHeader(ctx, nil, []byte("x"))}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i, err := range calls(ctx) {
			require.ErrorIs(t, err, context.Canceled, "call %d", i)
		}
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		for i, err := range calls(t.Context()) {
			require.ErrorIs(t, err, hsm.ErrClosed, "call %d", i)
		}
	})
}

func TestOpenFileFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.db")
	_, err := store.OpenFile(path, &store.Options{MustExist: true})
	require.ErrorIs(t, err, os.ErrNotExist)
	s, err := store.OpenFile(path, nil)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), record(1, "a")))
	require.NoError(t, s.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b[:len(b)/2], 0o600))
	_, err = store.OpenFile(path, nil)
	require.ErrorIs(t, err, hsm.ErrCorrupt)
}
