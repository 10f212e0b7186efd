package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/postgres"
)

// histories are the stores that are measured. The first is the baseline of the others.
var histories = []struct {
	name string
	open func(b *testing.B, s slashing.Strategy) signer.Protector
}{
	{"embedded", embedded},
	{"postgres", inPostgres},
}

var network = signer.Hoodi

func embedded(b *testing.B, s slashing.Strategy) signer.Protector {
	b.Helper()
	path := filepath.Join(b.TempDir(), "history.db")
	must(b, slashing.Create(path, network.GenesisValidatorsRoot(), s))
	store, err := slashing.Open(context.Background(), path, network.GenesisValidatorsRoot(), nil)
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	return store
}

// inPostgres makes a history in a database of its own, on a server of this test program that syncs to the disk.
func inPostgres(b *testing.B, s slashing.Strategy) signer.Protector {
	b.Helper()
	connection := pgtest.Database(b)
	must(b, postgres.Create(context.Background(), connection, "bench", network.GenesisValidatorsRoot(), s))
	store, err := postgres.Open(context.Background(), connection, "bench", network.GenesisValidatorsRoot())
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	return store
}

// BenchmarkProtect is the check and the durable record of attestations alone.
func BenchmarkProtect(b *testing.B) {
	sizes := []int{1, 100, 1000}
	if testing.Short() {
		sizes = []int{1, 100}
	}
	for i, h := range histories {
		for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
			for _, batch := range sizes {
				for _, n := range cores() {
					row(b, func(b *testing.B) {
						lanes := []race.Lane{{Op: claiming(b, h.open(b, s), batch, n)}}
						if i > 0 {
							lanes = append(lanes, race.Lane{Name: histories[0].name, Op: claiming(b, histories[0].open(b, s), batch, n)})
						}
						lanes = append(lanes, race.Lane{Name: "limit", Op: appending(b, batch)})
						race.Race{Unit: "claims/s", Count: batch, Workers: n, Ops: max(1, 16/batch), Lanes: lanes}.Run(b)
					}, "store", h.name, "strategy", s, "batch", batch, "cores", n)
				}
			}
		}
	}
}

// claiming has each worker claim, again and again, the next epoch's attestation for validators of its own.
func claiming(b *testing.B, p signer.Protector, batch, workers int) func(int) error {
	b.Helper()
	claims, epochs := make([][]signer.Claim, workers), make([]uint64, workers)
	for w := range claims {
		for _, k := range publicKeys(b, batch) {
			claims[w] = append(claims[w], signer.Claim{Validator: k})
		}
	}
	return func(w int) error {
		epochs[w]++
		duty := attestation(epochs[w])
		root := newRoot()
		for i := range claims[w] {
			claims[w][i].Duty, claims[w][i].Root = duty, root
		}
		for _, err := range p.Protect(context.Background(), claims[w]...) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// firstEpoch is one in which the network has had the forks of today.
const firstEpoch = 100_000

// attestation returns the vote of an epoch, counted from 1, for one block.
func attestation(epoch uint64) signer.Attestation {
	target := firstEpoch + epoch
	return signer.Attestation{
		Slot: 32 * target, BeaconBlockRoot: keyshare.Root{1},
		Source: signer.Checkpoint{Epoch: target - 1, Root: keyshare.Root{2}}, Target: signer.Checkpoint{Epoch: target, Root: keyshare.Root{3}},
	}
}

// claimSize is what a claim cannot be recorded without: the public key, two epochs and the root.
const claimSize = 48 + 8 + 8 + 32

// appending returns what a durable record cannot do without: as many bytes are appended to a file and synced.
func appending(b *testing.B, batch int) func(int) error {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	must(b, err)
	b.Cleanup(func() { must(b, file.Close()) })
	record := []byte(strings.Repeat("x", claimSize*batch))
	var mu sync.Mutex
	return func(int) error {
		mu.Lock()
		_, err := file.Write(record)
		mu.Unlock()
		if err != nil {
			return err
		}
		return file.Sync()
	}
}
