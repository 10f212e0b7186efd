package slashing_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

func open(t testing.TB, path string, o *slashing.Options) *slashing.Store {
	t.Helper()
	s, err := slashing.Open(context.Background(), path, keyshare.Root{1}, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func create(t testing.TB, s slashing.Strategy) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "history.db")
	require.NoError(t, slashing.Create(path, keyshare.Root{1}, s))
	return path
}

func TestOpenRefuses(t *testing.T) {
	path := create(t, slashing.Minimal)
	require.ErrorIs(t, slashing.Create(path, keyshare.Root{1}, slashing.Complete), fs.ErrExist)
	require.ErrorContains(t, slashing.Create(path+"2", keyshare.Root{1}, 0), "strategy 0 is unknown")
	_, err := slashing.Open(t.Context(), path+"2", keyshare.Root{1}, nil)
	require.ErrorIs(t, err, fs.ErrNotExist, "no history is made anew by itself")
	_, err = slashing.Open(t.Context(), path, keyshare.Root{2}, nil)
	require.ErrorIs(t, err, slashing.ErrNetwork)

	s := open(t, path, nil)
	require.Equal(t, path, s.Path())
	_, err = slashing.Open(t.Context(), path, keyshare.Root{1}, nil)
	require.ErrorIs(t, err, slashing.ErrInUse)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close does nothing")
	require.ErrorIs(t, s.Protect(t.Context(), historytest.Block(historytest.Key(t, 1), 1, keyshare.Root{}))[0], slashing.ErrClosed)
	require.ErrorIs(t, s.Import(t.Context(), []byte(`{"metadata":{"interchange_format_version":"5","genesis_validators_root":"`+keyshare.Root{1}.String()+
		`"},"data":[{"pubkey":"`+historytest.Key(t, 1).String()+`","signed_blocks":[],"signed_attestations":[]}]}`)), slashing.ErrClosed)
	_, err = s.Export(t.Context())
	require.ErrorIs(t, err, slashing.ErrClosed)
}

// A file with any bit changed is refused or means the same.
func TestDamage(t *testing.T) {
	path := create(t, slashing.Complete)
	s := open(t, path, nil)
	a, b := historytest.Key(t, 1), historytest.Key(t, 2)
	for i := uint64(1); i < 30; i++ {
		for _, err := range s.Protect(t.Context(), signed(i, a, b)...) {
			require.NoError(t, err)
		}
	}
	want, err := s.Export(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	original, err := os.ReadFile(path)
	require.NoError(t, err)

	refused := 0
	for range 600 {
		damaged := bytes.Clone(original)
		damaged[rand.IntN(len(damaged))] ^= 1 << rand.IntN(8)
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		s, err := slashing.Open(t.Context(), path, keyshare.Root{1}, nil)
		if err != nil {
			require.ErrorIs(t, err, slashing.ErrCorrupt)
			refused++
			continue
		}
		got, err := s.Export(t.Context())
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		require.NoError(t, s.Close())
	}
	require.Greater(t, refused, 50)
}

// commits returns the number of the file's last transaction.
func commits(t testing.TB, path string) int {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer db.Close()
	id := 0
	require.NoError(t, db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

func keys(t testing.TB, n int) []keyshare.PublicKey {
	list := make([]keyshare.PublicKey, n)
	for i := range list {
		b := make([]byte, 32)
		b[29], b[30], b[31] = 2, byte(i>>8), byte(i)
		k, err := keyshare.ParseSecretKey(b)
		require.NoError(t, err)
		list[i] = k.PublicKey()
		k.Destroy()
	}
	return list
}

// A batch of 1,000 claims is one commit, and claims that are all refused are none.
func TestOneCommit(t *testing.T) {
	path := create(t, slashing.Complete)
	var claims []signer.Claim
	for _, k := range keys(t, 1000) {
		claims = append(claims, historytest.Attestation(k, 1, 2, historytest.Root(1)))
	}
	before := commits(t, path)
	s := open(t, path, nil)
	for _, err := range s.Protect(t.Context(), claims...) {
		require.NoError(t, err)
	}
	for i := range claims {
		claims[i].Root = historytest.Root(2)
	}
	for _, err := range s.Protect(t.Context(), claims...) {
		require.ErrorIs(t, err, signer.ErrSlashable)
	}
	require.NoError(t, s.Close())
	require.Equal(t, before+1, commits(t, path))
}

// Of many contradicting claims made at the same time, exactly one is granted.
func TestConcurrent(t *testing.T) {
	s := open(t, create(t, slashing.Complete), nil)
	a := historytest.Key(t, 1)
	for target := uint64(2); target < 20; target++ {
		var granted atomic.Int64
		var done sync.WaitGroup
		for i := range uint64(16) {
			done.Go(func() {
				if s.Protect(context.Background(), historytest.Attestation(a, 1, target, historytest.Root(i)))[0] == nil {
					granted.Add(1)
				}
			})
		}
		done.Wait()
		require.Equal(t, int64(1), granted.Load())
	}
}

// The complete strategy does not grow beyond what it keeps.
func TestFold(t *testing.T) {
	path := create(t, slashing.Complete)
	s := open(t, path, nil)
	a := historytest.Key(t, 1)
	var claims []signer.Claim
	for target := uint64(1); target <= 2000; target++ {
		claims = append(claims, historytest.Attestation(a, target-1, target, historytest.Root(target)), historytest.Block(a, 32*target, historytest.Root(target)))
	}
	for _, err := range s.Protect(t.Context(), claims...) {
		require.NoError(t, err)
	}
	require.NoError(t, s.Protect(t.Context(), claims[len(claims)-2*500:]...)[0], "what is kept can be signed again")
	for _, err := range s.Protect(t.Context(), claims[:len(claims)-2*520]...) {
		require.ErrorIs(t, err, signer.ErrSlashable)
	}
	file, err := s.Export(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1+513, bytes.Count(file, []byte("target_epoch")), "the last 512 epochs, the newest, and the marks")
	require.Equal(t, 1+513, bytes.Count(file, []byte(`"slot"`)))
}

// An attestation in a gap is compared with its neighbours, wherever in the pages of a larger file these are.
func TestNeighbours(t *testing.T) {
	validators := keys(t, 4)
	for _, together := range []bool{true, false} { // in one transaction, or after commits
		s := open(t, create(t, slashing.Complete), nil)
		var even, odd []signer.Claim
		for target := uint64(10); target < 500; target += 2 {
			for _, k := range validators {
				even = append(even, historytest.Attestation(k, target-2, target, historytest.Root(target)))
				odd = append(odd,
					historytest.Attestation(k, target-3, target+1, historytest.Root(1)), // surrounds, but for the last target
					historytest.Attestation(k, target+1, target+1, historytest.Root(1)), // is surrounded, but for the last target
					historytest.Attestation(k, target-1, target+1, historytest.Root(1)), // fits
				)
			}
		}
		even, odd = even[:len(even):len(even)], odd[:len(odd)-3*len(validators)]
		rand.Shuffle(len(odd)/3, func(i, j int) {
			for k := range 3 {
				odd[3*i+k], odd[3*j+k] = odd[3*j+k], odd[3*i+k]
			}
		})
		var results []error
		if together {
			results = s.Protect(t.Context(), append(even, odd...)...)
		} else {
			results = append(s.Protect(t.Context(), even...), s.Protect(t.Context(), odd...)...)
		}
		for i, err := range results[:len(even)] {
			require.NoError(t, err, "%+v", even[i].Duty)
		}
		for i, err := range results[len(even):] {
			if i%3 == 2 {
				require.NoError(t, err, "%+v", odd[i].Duty)
			} else {
				require.ErrorIs(t, err, signer.ErrSlashable, "%+v", odd[i].Duty)
			}
		}
	}
}

// memoryCounter is a counter as a token or a server may hold it.
type memoryCounter struct {
	mu     sync.Mutex
	n      uint64
	failed error
}

func (c *memoryCounter) Read(context.Context) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.failed
}

func (c *memoryCounter) Raise(_ context.Context, n uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.n = max(c.n, n)
	}
	return c.failed
}

// An old copy of the file is detected, whatever its age, and so is a new file in its place.
func TestRollback(t *testing.T) {
	path := create(t, slashing.Minimal)
	c := &memoryCounter{}
	o := &slashing.Options{Counter: c}
	s := open(t, path, o)
	a := historytest.Key(t, 1)
	var copies [][]byte
	for slot := uint64(1); slot < 8; slot++ {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		copies = append(copies, b)
		require.NoError(t, s.Protect(t.Context(), historytest.Block(a, slot, keyshare.Root{}))[0])
	}
	require.NoError(t, s.Close())
	s = open(t, path, o)
	require.NoError(t, s.Close())
	for _, b := range copies {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_, err := slashing.Open(t.Context(), path, keyshare.Root{1}, o)
		require.ErrorIs(t, err, slashing.ErrRollback)
	}
	_, err := slashing.Open(t.Context(), create(t, slashing.Minimal), keyshare.Root{1}, o)
	require.ErrorIs(t, err, slashing.ErrRollback)
}

// Nothing is granted that the counter does not know of.
func TestCounterFails(t *testing.T) {
	path := create(t, slashing.Complete)
	boom := errors.New("boom")
	c := &memoryCounter{failed: boom}
	_, err := slashing.Open(t.Context(), path, keyshare.Root{1}, &slashing.Options{Counter: c})
	require.ErrorIs(t, err, boom)
	c.failed = nil
	s := open(t, path, &slashing.Options{Counter: c})
	c.failed = boom
	claim := historytest.Block(historytest.Key(t, 1), 1, keyshare.Root{})
	require.ErrorIs(t, s.Protect(t.Context(), claim)[0], boom)
	c.failed = nil
	require.NoError(t, s.Protect(t.Context(), claim)[0], "it was recorded, and the same may be signed")
	require.NotZero(t, c.n)
}
