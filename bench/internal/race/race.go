// Package race times several ways to do the same work in one benchmark, in turns, so that whatever else the machine does
// falls on all of them alike. The first lane is the benchmark's own; the others are its baselines and its limit: the
// primitives that it can not do without. In the output stand the rate and the latency of the first, the rates of the
// others, and how many times as fast as each the first one is, by the fastest turns of both.
package race

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	blst "github.com/supranational/blst/bindings/go"
)

// Lane is one way to do the work.
type Lane struct {
	Name string // of a baseline or the limit; the first lane needs none

	// Op does one operation. The workers, numbered from 0, call it at the same time.
	Op func(worker int) error

	// Count is how much of what is counted one operation does, if not as much as the race says.
	Count int
}

// Race is one row of the results.
type Race struct {
	Unit    string // the rate: sigs/s
	Count   int    // of what is counted in one operation: the size of a batch
	Workers int    // goroutines that work at the same time
	Cores   int    // that they may use; at least as many as workers
	Ops     int    // operations of each worker in a turn
	Rounds  int    // at least so many rounds, however long one takes; 0 is 1

	// Prepare makes what the next round needs. It is not timed and may be nil.
	Prepare func() error

	Lanes []Lane
}

// Run runs rounds, in each of which every lane has its turn, for as long as the benchmark should last, and reports:
//
//	Unit          the rate of the first lane, from the median turn
//	p50-µs p99-µs the latency of its operations
//	name-Unit     the rate of another lane
//	x-name        how many times as fast as it the first lane is, each in the fastest tenth of its turns
func (r Race) Run(b *testing.B) {
	defer Cores(max(r.Workers, r.Cores))()
	turns := make([][]time.Duration, len(r.Lanes))
	var latency []time.Duration
	round := func() {
		if r.Prepare != nil {
			if err := r.Prepare(); err != nil {
				b.Fatal(err)
			}
		}
		first := len(turns[0])
		for i := range r.Lanes {
			k := (first + i) % len(r.Lanes) // nobody is always first
			took, ops, err := r.turn(r.Lanes[k].Op)
			if err != nil {
				b.Fatalf("%s: %v", r.Lanes[k].Name, err)
			}
			turns[k] = append(turns[k], took)
			if k == 0 {
				latency = append(latency, ops...)
			}
		}
	}
	for b.Loop() {
		for range max(1, r.Rounds) {
			round()
		}
	}
	count := func(k int) float64 {
		if n := r.Lanes[k].Count; n != 0 {
			return float64(n)
		}
		return float64(r.Count)
	}
	rate := func(k int) float64 { return count(k) * float64(r.Workers*r.Ops) / Median(turns[k]).Seconds() }
	b.ReportMetric(float64(Median(turns[0]))/float64(r.Workers*r.Ops), "ns/op")
	b.ReportMetric(rate(0), r.Unit)
	b.ReportMetric(micros(Percentile(latency, 50)), "p50-µs")
	b.ReportMetric(micros(Percentile(latency, 99)), "p99-µs")
	for k, lane := range r.Lanes[1:] {
		b.ReportMetric(rate(k+1), lane.Name+"-"+r.Unit)
		b.ReportMetric(Ratio(turns[k+1], turns[0])*count(0)/count(k+1), "x-"+lane.Name)
	}
}

// turn lets every worker do its operations and returns how long all of it took, and each operation.
func (r Race) turn(op func(worker int) error) (took time.Duration, ops []time.Duration, err error) {
	type result struct {
		ops []time.Duration
		err error
	}
	start, results := make(chan struct{}), make(chan result, r.Workers)
	for w := range r.Workers {
		go func() {
			<-start
			done := result{ops: make([]time.Duration, 0, r.Ops)}
			for range r.Ops {
				began := time.Now()
				if done.err = op(w); done.err != nil {
					break
				}
				done.ops = append(done.ops, time.Since(began))
			}
			results <- done
		}()
	}
	began := time.Now()
	close(start)
	for range r.Workers {
		done := <-results
		ops = append(ops, done.ops...)
		if done.err != nil {
			err = fmt.Errorf("operation %d of %d: %w", len(done.ops)+1, r.Ops, done.err)
		}
	}
	return time.Since(began), ops, err
}

// Cores lets Go, and blst where it starts goroutines of its own, use n cores, and returns what undoes that.
func Cores(n int) (undo func()) {
	before := runtime.GOMAXPROCS(n)
	blst.SetMaxProcs(n)
	return func() {
		runtime.GOMAXPROCS(before)
		blst.SetMaxProcs(before)
	}
}

// Median returns the middle duration, or the mean of the two in the middle; 0 of none.
func Median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Ratio returns how many times as long as those of b the fastest tenth of turns of a take, at most. What else the machine
// does makes turns longer and none shorter, so these are disturbed least.
func Ratio(a, b []time.Duration) float64 {
	return float64(Percentile(a, 10)) / float64(Percentile(b, 10))
}

// Percentile returns the smallest duration that p percent of all do not exceed (the nearest rank), 0 < p ≤ 100; 0 of
// none.
func Percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[(p*len(s)+99)/100-1]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
