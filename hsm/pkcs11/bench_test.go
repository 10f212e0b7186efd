//go:build cgo && unix

package pkcs11

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkSign compares just-in-time opening by SoftHSM with the software backend, on roots that are all different, with
// as many signers at a time as the name says.
func BenchmarkSign(b *testing.B) {
	ctx := context.Background()
	file, err := software.Open(filepath.Join(b.TempDir(), "keys.db"), func() ([]byte, error) { return []byte("passphrase"), nil }, nil)
	require.NoError(b, err)
	b.Cleanup(func() { file.Close() })
	for _, backend := range []struct {
		name string
		hsm.Backend
	}{{"software", file}, {"pkcs11", openToken(b, config(b))}} {
		k, err := backend.Generate(ctx, "")
		require.NoError(b, err)
		for _, signers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s-%d", backend.name, signers), func(b *testing.B) {
				var next atomic.Uint64
				var group sync.WaitGroup
				for range signers {
					group.Go(func() {
						for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
							if _, err := k.SignRoots(ctx, distinctRoot()); err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
			})
		}
	}
}

var roots atomic.Uint64

func distinctRoot() (root keyshare.Root) {
	binary.BigEndian.PutUint64(root[:], roots.Add(1))
	return root
}

// BenchmarkSignAll signs one root with 100 keys.
func BenchmarkSignAll(b *testing.B) {
	token, keys := manyKeys(b, 100)
	for b.Loop() {
		_, err := token.SignAll(b.Context(), distinctRoot(), keys...)
		require.NoError(b, err)
	}
}

func manyKeys(tb testing.TB, n int) (*Token, []keyshare.PublicKey) {
	token := openToken(tb, config(tb))
	keys := make([]keyshare.PublicKey, n)
	for i := range keys {
		k, err := token.Generate(context.Background(), "")
		require.NoError(tb, err)
		keys[i] = k.PublicKey()
	}
	return token, keys
}

// TestBatchTakesOneSession holds that 100 keys over one root pay for one session, and sign rightly.
func TestBatchTakesOneSession(t *testing.T) {
	token, keys := manyKeys(t, 100)
	taken := token.device.taken.Load()
	sigs, err := token.SignAll(t.Context(), keyshare.Root{1}, keys...)
	require.NoError(t, err)
	require.Equal(t, int64(1), token.device.taken.Load()-taken)
	for i, k := range keys {
		require.True(t, k.Verify(keyshare.Root{1}, sigs[i]))
	}
	none, err := token.SignAll(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = token.SignAll(t.Context(), keyshare.Root{1}, keys[0], keyshare.PublicKey{})
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.NoError(t, token.Delete(t.Context(), keys[7]))
	_, err = token.SignAll(t.Context(), keyshare.Root{1}, keys...)
	require.ErrorIs(t, err, hsm.ErrNotFound)
}

// manyRecords makes a store of sealed records, each a copy of one key's under another public key: enough to open it.
func manyRecords(tb testing.TB, c Config, n int) {
	tb.Helper()
	ctx := context.Background()
	token, err := Open(ctx, c)
	require.NoError(tb, err)
	k, err := token.Generate(ctx, "")
	require.NoError(tb, err)
	r, err := c.Store.Get(ctx, k.PublicKey().Bytes())
	require.NoError(tb, err)
	var group sync.WaitGroup
	for w := range 64 { // at a time, in one transaction
		group.Go(func() {
			for i := w; i < n-1; i += 64 {
				r := r
				binary.BigEndian.PutUint64(r.PublicKey[40:], uint64(i))
				r.Label = fmt.Sprint(i)
				if err := c.Store.Put(ctx, r); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.NoError(tb, token.Close())
}

// TestOpenMany opens a store of 10,000 keys: in a second, with one look-up in the token, whose objects do not grow.
func TestOpenMany(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	c := config(t)
	path := c.Store.String()[len("file "):]
	manyRecords(t, c, n)
	objects := tokenObjects(t)
	began := time.Now()
	var err error
	c.Store, err = store.OpenFile(path, nil)
	require.NoError(t, err)
	token := openToken(t, c)
	took := time.Since(began)
	require.Equal(t, int64(1), token.lookups.Load())
	require.Equal(t, objects, tokenObjects(t), "files of token objects")
	count := 0
	for _, err := range c.Store.List(t.Context()) {
		require.NoError(t, err)
		count++
	}
	require.Equal(t, n, count)
	t.Logf("opened %d keys in %v", n, took)
	require.Less(t, took, 5*time.Second, "a second on an idle machine")
}

// tokenObjects counts the files in which SoftHSM keeps the objects of all tokens.
func tokenObjects(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(filepath.Join(filepath.Dir(os.Getenv("SOFTHSM2_CONF")), "tokens"), func(path string, d os.DirEntry, err error) error {
		if filepath.Ext(path) == ".object" {
			n++
		}
		return err
	}))
	require.NotZero(t, n)
	return n
}

// BenchmarkOpen opens a store of 10,000 keys.
func BenchmarkOpen(b *testing.B) {
	c := config(b)
	path := c.Store.String()[len("file "):]
	manyRecords(b, c, 10_000)
	for b.Loop() {
		c.Store = openStore(b, path)
		token, err := Open(b.Context(), c)
		require.NoError(b, err)
		require.NoError(b, token.Close())
	}
}
