package bench

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkSign is raw herumi, raw blst and each backend, beside raw blst.
func BenchmarkSign(b *testing.B) {
	ways := []way{{"herumi", rawHerumi}, {"blst", rawBLST}}
	for _, where := range backends {
		ways = append(ways, way{where.name, func(b *testing.B) signing { return custody(b, where) }})
	}
	for _, w := range ways {
		for _, one := range []bool{false, true} {
			for _, batch := range batches() {
				for _, n := range cores() {
					row(b, func(b *testing.B) { raceSigning(b, w, one, batch, n) }, "by", w.name, "roots", kind(one), "batch", batch, "cores", n)
				}
			}
		}
	}
}

func kind(one bool) string {
	if one {
		return "one"
	}
	return "distinct"
}

func batches() []int {
	if testing.Short() {
		return []int{1, 32}
	}
	return []int{1, 32, 1000}
}

// way is a way to sign.
type way struct {
	name string
	open func(b *testing.B) signing
}

// signing signs with the shared key of that number: one call for all roots.
type signing func(key int, roots []keyshare.Root) error

func rawBLST(b *testing.B) signing {
	secrets := sharedKeys(b).blst
	return func(key int, roots []keyshare.Root) error {
		for i := range roots {
			new(blst.P2Affine).Sign(secrets[key], roots[i][:], dst)
		}
		return nil
	}
}

func rawHerumi(b *testing.B) signing {
	secrets := sharedKeys(b).herumi
	return func(key int, roots []keyshare.Root) error {
		for i := range roots {
			if secrets[key].SignByte(roots[i][:]) == nil {
				return errors.New("no signature")
			}
		}
		return nil
	}
}

func custody(b *testing.B, where backend) signing {
	list := keysIn(b, where)
	return func(key int, roots []keyshare.Root) error {
		_, err := list[key].SignRoots(b.Context(), roots...)
		return err
	}
}

// limit is what no way to sign can do without: one hash for a root, one multiplication for a signature, one division for
// a batch.
type limit struct {
	keys []*blst.SecretKey
	hash func() *blst.P2 // of the one root of a round
}

func (l *limit) round(root keyshare.Root) {
	l.hash = sync.OnceValue(func() *blst.P2 { return blst.HashToG2(root[:], dst) })
}

func (l *limit) one(first, batch int) {
	points := make(blst.P2s, batch)
	for i := range points {
		points[i] = *l.hash().Mult(l.keys[(first+i)%len(l.keys)])
	}
	points.ToAffine()
}

func (l *limit) distinct(key int, roots []keyshare.Root) {
	points := make(blst.P2s, len(roots))
	for i := range points {
		points[i] = *blst.HashToG2(roots[i][:], dst).MultAssign(l.keys[key])
	}
	points.ToAffine()
}

// raceSigning lets keys take turns. One root is that of a round, in which at least 64 signatures are made.
func raceSigning(b *testing.B, w way, one bool, batch, workers int) {
	sign, reference := w.open(b), rawBLST(b)
	best := &limit{keys: sharedKeys(b).blst}
	count := len(best.keys)
	var shared [1]keyshare.Root
	operation := func(sign signing) func(int) error {
		var turn atomic.Int64 // so that the keys of the workers differ
		return func(int) error {
			if !one {
				return sign(int(turn.Add(1))%count, newRoots(batch))
			}
			first := int(turn.Add(int64(batch)))
			for i := range batch {
				if err := sign((first+i)%count, shared[:]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	lanes := []race.Lane{{Op: operation(sign)}}
	if w.name != "blst" {
		lanes = append(lanes, race.Lane{Name: "blst", Op: operation(reference)})
	}
	var turn atomic.Int64
	lanes = append(lanes, race.Lane{Name: "limit", Op: func(int) error {
		if one {
			best.one(int(turn.Add(int64(batch))), batch)
		} else {
			best.distinct(int(turn.Add(1))%count, newRoots(batch))
		}
		return nil
	}})
	race.Race{
		Unit: "sigs/s", Count: batch, Workers: workers, Ops: max(1, 64/batch), Rounds: rounds(batch), Lanes: lanes,
		Prepare: func() error {
			shared[0] = newRoot()
			best.round(shared[0])
			return nil
		},
	}.Run(b)
}

// TestWaysAgree holds that all ways to sign make the same signature.
func TestWaysAgree(t *testing.T) {
	root := newRoot()
	all, err := theKeys()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		sigs, err := all.guarded[i].SignRoots(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		best := &limit{keys: all.blst}
		want := fmt.Sprintf("%x", sigs[0].Bytes())
		for name, got := range map[string][]byte{
			"blst":   new(blst.P2Affine).Sign(all.blst[i], root[:], dst).Compress(),
			"herumi": all.herumi[i].SignByte(root[:]).Serialize(),
			"limit":  blst.HashToG2(root[:], dst).MultAssign(best.keys[i]).ToAffine().Compress(),
		} {
			if fmt.Sprintf("%x", got) != want {
				t.Errorf("%s signs %x, %s expected", name, got, want)
			}
		}
	}
}
