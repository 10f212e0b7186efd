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

// chain is the one of the tests' histories.
var chain = signer.Hoodi

func create(t testing.TB, s slashing.Strategy) (connection string) {
	t.Helper()
	connection = pgtest.Database(t)
	require.NoError(t, postgres.Create(context.Background(), connection, "shared", chain.GenesisValidatorsRoot(), s))
	return connection
}

func open(t testing.TB, connection string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), connection, "shared", chain.GenesisValidatorsRoot())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// made is a signature that a guard gave out.
type made struct {
	duty      signer.Duty
	signature keyshare.Signature
}

// TestRace has two guards of each of three validators, over one history, asked at the same time, 10,000 times in all, for
// duties of which many contradict each other. Of the signatures that both made together, no two contradict.
func TestRace(t *testing.T) {
	keys := make([]*keyshare.SecretKey, 3)
	for i := range keys {
		var err error
		keys[i], err = keyshare.Generate()
		require.NoError(t, err)
		defer keys[i].Destroy()
	}
	for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
		t.Run(s.String(), func(t *testing.T) {
			connection := create(t, s)
			turns := 5000 // of each strategy
			if testing.Short() {
				turns = 500
			}
			var mu sync.Mutex
			signed := make([][]made, len(keys))
			refused := 0
			var turn atomic.Int64
			var done sync.WaitGroup
			for range 2 {
				store := open(t, connection)
				guards := make([]*signer.Guard, len(keys))
				for i, k := range keys {
					var err error
					guards[i], err = signer.NewGuard(chain, k.PublicKey(), k, store, nil)
					require.NoError(t, err)
				}
				for range 2 {
					done.Go(func() {
						for n := turn.Add(1); n <= int64(turns); n = turn.Add(1) {
							jobs, of := make([]signer.Job, 1+rand.IntN(3)), make([]int, 3)
							for i := range jobs {
								of[i] = rand.IntN(len(keys))
								jobs[i] = signer.Job{Guard: guards[of[i]], Duty: randomDuty(uint64(n / 4))}
							}
							results, err := signer.SignAll(context.Background(), jobs...)
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							for i, r := range results {
								switch {
								case r.Err == nil:
									signed[of[i]] = append(signed[of[i]], made{jobs[i].Duty, r.Signature})
								case errors.Is(r.Err, signer.ErrSlashable):
									refused++
								default:
									t.Error(r.Err)
								}
							}
							mu.Unlock()
						}
					})
				}
			}
			done.Wait()
			total := 0
			for i, list := range signed {
				total += len(list)
				var claims []keyshare.Signed
				for j, a := range list {
					for _, b := range list[:j] {
						require.False(t, contradict(a.duty, b.duty), "%+v and %+v", a.duty, b.duty)
					}
					root, err := signer.SigningRoot(chain, a.duty)
					require.NoError(t, err)
					claims = append(claims, keyshare.Signed{PublicKey: keys[i].PublicKey(), Root: root, Signature: a.signature})
				}
				require.True(t, keyshare.VerifyBatch(claims))
			}
			t.Logf("signed %d, refused %d", total, refused)
			require.Greater(t, total, turns/10)
			require.Greater(t, refused, turns/10)
		})
	}
}

// randomDuty is a duty about the time now, sometimes a little late, sometimes with a source of long ago.
func randomDuty(now uint64) signer.Duty {
	root := keyshare.Root{byte(rand.Uint64N(3))}
	at := 100_010 + now - rand.Uint64N(3)
	if rand.IntN(4) == 0 {
		return signer.Block{Slot: at, BodyRoot: root}
	}
	return signer.Attestation{
		Slot: 32 * at, BeaconBlockRoot: root,
		Source: signer.Checkpoint{Epoch: at - 1 - rand.Uint64N(3)}, Target: signer.Checkpoint{Epoch: at},
	}
}

func contradict(a, b signer.Duty) bool {
	switch x := a.(type) {
	case signer.Block:
		y, ok := b.(signer.Block)
		return ok && x.Slot == y.Slot && x != y
	case signer.Attestation:
		y, ok := b.(signer.Attestation)
		return ok && (x.Target.Epoch == y.Target.Epoch && x != y ||
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
			for i := range 5000 { // fewer than are folded
				slot := uint64(3*i + worker)
				switch err := store.Protect(context.Background(), historytest.Block(a, slot, historytest.Root(1)))[0]; {
				case err == nil:
					granted.Store(slot, true)
					count.Add(1)
				case !errors.Is(err, signer.ErrSlashable): // it was behind the others at the start
					if !errors.Is(err, slashing.ErrStopped) {
						t.Error(err)
					}
					count.Add(1 << 32) // so that nobody waits
					return
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
	ctx, root := context.Background(), chain.GenesisValidatorsRoot()
	connection := pgtest.Database(t)
	_, err := postgres.Open(ctx, connection, "shared", root)
	require.ErrorIs(t, err, fs.ErrNotExist, "no tables")
	require.NoError(t, postgres.Create(ctx, connection, "shared", root, slashing.Minimal))
	require.ErrorIs(t, postgres.Create(ctx, connection, "shared", keyshare.Root{1}, slashing.Complete), fs.ErrExist)
	_, err = postgres.Open(ctx, connection, "other", root)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = postgres.Open(ctx, connection, "shared", keyshare.Root{1})
	require.ErrorIs(t, err, slashing.ErrNetwork)
	require.Equal(t, slashing.Minimal, open(t, connection).Strategy())

	require.ErrorContains(t, postgres.Create(ctx, connection, "new", root, 7), "strategy 7 is unknown")
	for name, want := range map[string]string{"": "of 0 characters", strings.Repeat("x", 65): "of 65 characters", "ä": "printable ASCII expected"} {
		require.ErrorContains(t, postgres.Create(ctx, connection, name, root, slashing.Minimal), want)
		_, err = postgres.Open(ctx, connection, name, root)
		require.ErrorContains(t, err, want)
	}
	_, err = postgres.Open(ctx, "password=hunter2 port=x", "shared", root)
	require.ErrorContains(t, err, "the connection string is not one")
	require.NotContains(t, err.Error(), "hunter2")

	s := open(t, connection)
	require.NoError(t, s.Close())
	err = s.Protect(ctx, historytest.Block(historytest.Key(t, 1), 1, keyshare.Root{}))[0]
	require.ErrorContains(t, err, "closed pool")
	require.NotErrorIs(t, err, signer.ErrSlashable)
}
