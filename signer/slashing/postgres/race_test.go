package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
	"github.com/claystack/dvkeys/signer/slashing/postgres"
)

func create(t testing.TB, s slashing.Strategy) (connection string) {
	t.Helper()
	connection = pgtest.Database(t)
	require.NoError(t, postgres.Create(context.Background(), connection, "shared", keyshare.Root{}, s))
	return connection
}

func open(t testing.TB, connection string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), connection, "shared", keyshare.Root{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestRace lets two signers ask for the same validators at the same time, 10,000 times in all, for claims of which many
// contradict each other. Of what both were granted together, no two contradict.
func TestRace(t *testing.T) {
	for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
		t.Run(s.String(), func(t *testing.T) {
			connection := create(t, s)
			validators := []keyshare.PublicKey{historytest.Key(t, 1), historytest.Key(t, 2), historytest.Key(t, 3)}
			turns := 5000 // of each strategy
			if testing.Short() {
				turns = 500
			}
			var mu sync.Mutex
			var granted []signer.Claim
			var turn atomic.Int64
			refused := 0
			var done sync.WaitGroup
			for range 2 {
				store := open(t, connection)
				for range 2 {
					done.Go(func() {
						for n := turn.Add(1); n <= int64(turns); n = turn.Add(1) {
							claims := make([]signer.Claim, 1+rand.IntN(3))
							for i := range claims {
								claims[i] = randomClaim(validators[rand.IntN(len(validators))], uint64(n/4))
							}
							for i, err := range store.Protect(context.Background(), claims...) {
								mu.Lock()
								switch {
								case err == nil:
									granted = append(granted, claims[i])
								case errors.Is(err, signer.ErrSlashable):
									refused++
								default:
									t.Error(err)
								}
								mu.Unlock()
							}
						}
					})
				}
			}
			done.Wait()
			t.Logf("granted %d, refused %d", len(granted), refused)
			require.Greater(t, len(granted), turns/10)
			require.Greater(t, refused, turns/10)
			for i, a := range granted {
				for _, b := range granted[:i] {
					require.False(t, contradict(a, b), "%+v and %+v", a, b)
				}
			}
		})
	}
}

// randomClaim is a claim about the time now, sometimes a little late, sometimes with a source of long ago.
func randomClaim(k keyshare.PublicKey, now uint64) signer.Claim {
	root := historytest.Root(rand.Uint64N(3))
	at := 10 + now - rand.Uint64N(3)
	if rand.IntN(4) == 0 {
		return historytest.Block(k, at, root)
	}
	return historytest.Attestation(k, at-1-rand.Uint64N(3), at, root)
}

func contradict(a, b signer.Claim) bool {
	if a.Validator != b.Validator {
		return false
	}
	switch x := a.Duty.(type) {
	case signer.Block:
		y, ok := b.Duty.(signer.Block)
		return ok && x.Slot == y.Slot && a.Root != b.Root
	case signer.Attestation:
		y, ok := b.Duty.(signer.Attestation)
		return ok && (x.Target == y.Target && (a.Root != b.Root || x.Source != y.Source) ||
			x.Source.Epoch < y.Source.Epoch && y.Target.Epoch < x.Target.Epoch ||
			y.Source.Epoch < x.Source.Epoch && x.Target.Epoch < y.Target.Epoch)
	}
	return false
}

// TestExportRace exports while others sign: whatever was granted is in the file.
func TestExportRace(t *testing.T) {
	for round := range 20 {
		t.Run(fmt.Sprint(round), func(t *testing.T) { exportRace(t, round) })
	}
}

func exportRace(t *testing.T, round int) {
	connection := create(t, slashing.Complete)
	a := historytest.Key(t, byte(round))
	var granted sync.Map
	var count atomic.Int64
	var done sync.WaitGroup
	for worker := range 3 {
		store := open(t, connection)
		done.Go(func() {
			for i := range 100_000 {
				slot := uint64(3*i + worker)
				if err := store.Protect(context.Background(), historytest.Block(a, slot, historytest.Root(1)))[0]; errors.Is(err, slashing.ErrStopped) {
					return
				} else if err == nil {
					granted.Store(slot, true)
					count.Add(1)
				}
			}
		})
	}
	exporter := open(t, connection)
	for count.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	var of []keyshare.PublicKey
	if round%2 == 0 {
		of = append(of, a)
	}
	file, err := exporter.Export(context.Background(), of...)
	require.NoError(t, err)
	done.Wait()
	granted.Range(func(slot, _ any) bool {
		require.Contains(t, string(file), fmt.Sprintf("%q", fmt.Sprint(slot)))
		return true
	})
}

// Two batches with the same validators in different orders do not wait for each other for ever.
func TestNoDeadlock(t *testing.T) {
	connection := create(t, slashing.Minimal)
	var validators []keyshare.PublicKey
	for i := range byte(50) {
		validators = append(validators, historytest.Key(t, i))
	}
	var done sync.WaitGroup
	for range 4 {
		store := open(t, connection)
		done.Go(func() {
			for i := range uint64(20) {
				claims := make([]signer.Claim, len(validators))
				for j, k := range rand.Perm(len(validators)) {
					claims[j] = historytest.Block(validators[k], i, historytest.Root(1))
				}
				for _, err := range store.Protect(context.Background(), claims...) {
					if err != nil && !errors.Is(err, signer.ErrSlashable) {
						t.Error(err)
					}
				}
			}
		})
	}
	done.Wait()
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	connection := pgtest.Database(t)
	_, err := postgres.Open(ctx, connection, "shared", keyshare.Root{})
	require.ErrorIs(t, err, fs.ErrNotExist, "no tables")
	require.NoError(t, postgres.Create(ctx, connection, "shared", keyshare.Root{}, slashing.Minimal))
	require.ErrorIs(t, postgres.Create(ctx, connection, "shared", keyshare.Root{1}, slashing.Complete), fs.ErrExist)
	_, err = postgres.Open(ctx, connection, "other", keyshare.Root{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = postgres.Open(ctx, connection, "shared", keyshare.Root{1})
	require.ErrorIs(t, err, slashing.ErrNetwork)
	require.Equal(t, slashing.Minimal, open(t, connection).Strategy())

	require.ErrorContains(t, postgres.Create(ctx, connection, "new", keyshare.Root{}, 7), "strategy 7 is unknown")
	for name, want := range map[string]string{"": "of 0 characters", strings.Repeat("x", 65): "of 65 characters", "ä": "printable ASCII expected"} {
		require.ErrorContains(t, postgres.Create(ctx, connection, name, keyshare.Root{}, slashing.Minimal), want)
		_, err = postgres.Open(ctx, connection, name, keyshare.Root{})
		require.ErrorContains(t, err, want)
	}
	_, err = postgres.Open(ctx, "password=hunter2 port=x", "shared", keyshare.Root{})
	require.ErrorContains(t, err, "the connection string is not one")
	require.NotContains(t, err.Error(), "hunter2")

	s := open(t, connection)
	require.NoError(t, s.Close())
	err = s.Protect(ctx, historytest.Block(historytest.Key(t, 1), 1, keyshare.Root{}))[0]
	require.ErrorContains(t, err, "closed pool")
	require.NotErrorIs(t, err, signer.ErrSlashable)
}
