package bench

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// BenchmarkGuard is the whole of a slot's work for many validators: one attestation each, over one root, by keys of the
// software backend, recorded and signed.
func BenchmarkGuard(b *testing.B) {
	sizes := []int{100, keyCount()}
	if testing.Short() {
		sizes = sizes[1:]
	}
	for i, h := range histories {
		for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
			for _, validators := range sizes {
				for _, n := range cores() {
					row(b, func(b *testing.B) {
						lanes := []race.Lane{{Op: guarding(b, h.open(b, s), validators)}}
						if i > 0 {
							lanes = append(lanes, race.Lane{Name: histories[0].name, Op: guarding(b, histories[0].open(b, s), validators)})
						}
						lanes = append(lanes,
							race.Lane{Name: "blst", Op: signingOnly(b, validators, n)},
							race.Lane{Name: "limit", Op: signingAndAppending(b, validators, n)})
						race.Race{Unit: "sigs/s", Count: validators, Workers: 1, Cores: n, Ops: 1, Rounds: rounds(validators), Lanes: lanes}.Run(b)
					}, "store", h.name, "strategy", s, "validators", validators, "cores", n)
				}
			}
		}
	}
}

// guarding signs the next epoch's attestation for each validator. SignAll takes the cores that there are by itself.
func guarding(b *testing.B, history signer.Protector, validators int) func(int) error {
	b.Helper()
	jobs := make([]signer.Job, validators)
	for i, k := range keysIn(b, backends[0])[:validators] {
		g, err := signer.NewGuard(network, k.PublicKey(), k, history, nil)
		must(b, err)
		jobs[i].Guard = g
	}
	epoch := uint64(0)
	return func(int) error {
		epoch++
		duty := attestation(epoch)
		duty.BeaconBlockRoot = newRoot()
		for i := range jobs {
			jobs[i].Duty = duty
		}
		results, err := signer.SignAll(b.Context(), jobs...)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		return err
	}
}

// signingOnly is raw blst, which hashes the root for each signature.
func signingOnly(b *testing.B, validators, cores int) func(int) error {
	b.Helper()
	secrets := sharedKeys(b).blst[:validators]
	return func(int) error {
		root := newRoot()
		share(cores, validators, func(first, next int) {
			for _, k := range secrets[first:next] {
				new(blst.P2Affine).Sign(k, root[:], dst)
			}
		})
		return nil
	}
}

// signingAndAppending is the limit: what the claims need is synced to a file, the root hashed once, and each key's
// multiplication done.
func signingAndAppending(b *testing.B, validators, cores int) func(int) error {
	b.Helper()
	best, write := &limit{keys: sharedKeys(b).blst[:validators]}, appending(b, validators)
	return func(int) error {
		if err := write(0); err != nil {
			return err
		}
		best.round(newRoot())
		share(cores, validators, func(first, next int) { best.one(first, next-first) })
		return nil
	}
}

// share calls f for parts of 0 to n-1, which goroutines take as they get ready.
func share(goroutines, n int, f func(first, next int)) {
	const part = 25
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				first := int(taken.Add(part)) - part
				if first >= n {
					return
				}
				f(first, min(first+part, n))
			}
		})
	}
	wg.Wait()
}
