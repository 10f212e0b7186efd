package vault_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/vault"
)

// What every store promises is tested beside the other stores, in hsm/store. Here is what two entries without a
// transaction could get wrong.

func sealedRecord(n int, label string) store.Record {
	return store.Record{PublicKey: [48]byte{byte(n), byte(n >> 8), 47: 1}, Label: label, Sealed: fmt.Appendf(nil, "sealed %d %s", n, label)}
}

func openKV(t *testing.T, c vault.Config) store.Store {
	t.Helper()
	s, err := vault.OpenKV(t.Context(), c, vault.KV{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// requireStored checks that a record is what is stored of its key and of its label.
func requireStored(t *testing.T, s store.Store, r store.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), r.PublicKey)
	require.NoError(t, err)
	require.Equal(t, r, got)
	if r.Label != "" {
		got, err = s.Lookup(t.Context(), r.Label)
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
}

// TestKVContention has processes store the same key under different labels, and different keys under the same label.
func TestKVContention(t *testing.T) {
	_, c := withTransit(t, nil)
	stores := []store.Store{openKV(t, c), openKV(t, c), openKV(t, c), openKV(t, c)}
	for round := range 40 {
		var records []store.Record
		for i := range stores {
			r := sealedRecord(1000+round, fmt.Sprintf("round %d, label %d", round, i))
			if round%2 == 1 {
				r = sealedRecord(2000+10*round+i, fmt.Sprintf("round %d", round))
			}
			records = append(records, r)
		}
		errs := make([]error, len(stores))
		var done sync.WaitGroup
		for i, s := range stores {
			done.Go(func() { errs[i] = s.Put(t.Context(), records[i]) })
		}
		done.Wait()
		won := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, won, "round %d: two succeeded", round)
				won = i
			} else {
				require.ErrorIs(t, err, hsm.ErrExists)
			}
		}
		require.NotEqual(t, -1, won, "round %d: nobody succeeded: %v", round, errors.Join(errs...))
		for _, s := range stores {
			requireStored(t, s, records[won])
		}
		require.Equal(t, round+1, count(t, stores[0]))
	}
}

func count(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context()) {
		require.NoError(t, err)
		n++
	}
	return n
}

// TestKVLeftBehind finds what processes left that were killed between the two entries of a key.
func TestKVLeftBehind(t *testing.T) {
	server, c := withTransit(t, nil)
	s := openKV(t, c)
	leave := func(entry string, value any) {
		t.Helper()
		require.NoError(t, server.Call("POST", "secret/data/dvkeys/"+entry, map[string]any{"data": value}, nil))
	}
	key := func(r store.Record) string { return "keys/" + hex.EncodeToString(r.PublicKey[:]) }
	hidden := func(r store.Record) {
		t.Helper()
		_, err := s.Get(t.Context(), r.PublicKey)
		require.ErrorIs(t, err, hsm.ErrNotFound)
		_, err = s.Lookup(t.Context(), r.Label)
		require.ErrorIs(t, err, hsm.ErrNotFound)
		require.ErrorIs(t, s.Delete(t.Context(), r.PublicKey), hsm.ErrNotFound)
		require.Zero(t, count(t, s))
	}
	a, again, b := sealedRecord(1, "a"), sealedRecord(1, "again"), sealedRecord(2, "a")

	// The key's entry alone, of a label and of a label that nobody used.
	leave(key(a), map[string]string{"record": "key-00"})
	hidden(a)
	require.NoError(t, s.Put(t.Context(), again), "the key is free")
	requireStored(t, s, again)
	require.NoError(t, s.Delete(t.Context(), again.PublicKey))
	hidden(again)

	// The record alone.
	require.NoError(t, s.Put(t.Context(), b))
	require.NoError(t, server.Call("POST", "secret/delete/dvkeys/"+key(b), map[string]any{"versions": []int{1}}, nil))
	hidden(b)
	require.NoError(t, s.Put(t.Context(), a), "the label is free")
	requireStored(t, s, a)
	_, err := s.Get(t.Context(), b.PublicKey)
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.NoError(t, s.Put(t.Context(), sealedRecord(2, "b")), "and so is the other key")
	require.NoError(t, s.Delete(t.Context(), a.PublicKey))
	require.NoError(t, s.Delete(t.Context(), b.PublicKey))
	require.NoError(t, s.Put(t.Context(), a), "what was deleted can be stored again")
	requireStored(t, s, a)

	// Damage is not absence.
	for name, value := range map[string]any{
		"no public key": map[string]any{"label": "c", "sealed": []byte("x")}, "nothing sealed": map[string]any{"public_key": hex.EncodeToString(a.PublicKey[:]), "label": "a"},
		"another label": map[string]any{"public_key": hex.EncodeToString(a.PublicKey[:]), "label": "c", "sealed": []byte("x")},
	} {
		leave("records/label-ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", value) // SHA-256 of "a"
		_, err := s.Get(t.Context(), a.PublicKey)
		require.ErrorIs(t, err, hsm.ErrCorrupt, name)
		_, err = s.Lookup(t.Context(), "a")
		require.ErrorIs(t, err, hsm.ErrCorrupt, name)
	}
	leave(key(a), map[string]string{"record": "../../elsewhere"})
	_, err = s.Get(t.Context(), a.PublicKey)
	require.ErrorIs(t, err, hsm.ErrCorrupt)
}

// TestKVAnswersLost loses each answer of each call once.
func TestKVAnswersLost(t *testing.T) {
	server, c := withTransit(t, nil)
	p := newProxy(t, server.Address[len("http://"):])
	c.Address = "http://" + p.Addr().String()
	s := openKV(t, c)
	n := 0
	for name, f := range map[string]func(r store.Record) error{
		"put": func(store.Record) error { return nil }, // which is done for all
		"replace": func(r store.Record) error {
			return s.Replace(t.Context(), r.PublicKey, r.Sealed, append(r.Sealed, '!'))
		},
		"delete": func(r store.Record) error { return s.Delete(t.Context(), r.PublicKey) },
	} {
		for lost := int64(1); ; lost++ {
			n++
			r := sealedRecord(n, fmt.Sprintf("label %d", n))
			p.losing.Store(lost)
			require.NoError(t, s.Put(t.Context(), r), "%s, answer %d", name, lost)
			require.NoError(t, f(r), "%s, answer %d", name, lost)
			met := p.losing.Swap(0) < 1
			switch _, err := s.Get(t.Context(), r.PublicKey); name {
			case "delete":
				require.ErrorIs(t, err, hsm.ErrNotFound)
			default:
				require.NoError(t, err)
			}
			if !met {
				break
			}
			require.Less(t, lost, int64(30))
		}
	}
	h := []byte("header")
	p.losing.Store(2)
	require.NoError(t, s.SetHeader(t.Context(), nil, h))
	p.losing.Store(2)
	require.NoError(t, s.SetHeader(t.Context(), h, []byte("another")))
	require.ErrorIs(t, s.SetHeader(t.Context(), h, h), store.ErrChanged)
}

// TestKVThatForgets has an engine that deletes what it keeps after a time.
func TestKVThatForgets(t *testing.T) {
	server, c := withTransit(t, nil)
	s := openKV(t, c)
	require.NoError(t, s.SetHeader(t.Context(), nil, []byte("header")))
	require.NoError(t, s.Put(t.Context(), sealedRecord(1, "a")))
	require.NoError(t, server.Call("POST", "secret/config", map[string]any{"delete_version_after": "1h"}, nil))
	err := s.Put(t.Context(), sealedRecord(2, "b"))
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.ErrorContains(t, err, "is going to delete it on 2")
	_, err = s.Get(t.Context(), sealedRecord(2, "b").PublicKey)
	require.ErrorIs(t, err, hsm.ErrNotFound)
	requireStored(t, s, sealedRecord(1, "a"))

	_, err = vault.OpenTransit(t.Context(), c, vault.TransitConfig{KV: vault.KV{Path: "new"}})
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.NoError(t, server.Call("POST", "secret/config", map[string]any{"delete_version_after": "0s"}, nil))
	_, err = vault.OpenTransit(t.Context(), c, vault.TransitConfig{KV: vault.KV{Path: "new"}})
	require.ErrorIs(t, err, hsm.ErrDenied, "the header that was written meanwhile")
	require.ErrorContains(t, err, "reading header")
	require.NoError(t, s.Put(t.Context(), sealedRecord(2, "b")), "what was left of the key is no hindrance")
	requireStored(t, s, sealedRecord(2, "b"))
}
