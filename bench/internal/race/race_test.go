package race_test

import (
	"errors"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/bench/internal/race"
)

func TestPercentiles(t *testing.T) {
	require.Zero(t, race.Percentile(nil, 50))
	require.Zero(t, race.Median(nil))
	var d []time.Duration
	for i := 100; i >= 1; i-- {
		d = append(d, time.Duration(i))
	}
	for p, want := range map[int]time.Duration{1: 1, 50: 50, 99: 99, 100: 100} {
		require.Equal(t, want, race.Percentile(d, p), "of 100, percentile %d", p)
	}
	require.EqualValues(t, 100, d[0], "what is given keeps its order")
	require.EqualValues(t, 50, race.Median(d))
	for _, p := range []int{1, 50, 99, 100} {
		require.EqualValues(t, 7, race.Percentile([]time.Duration{7}, p), "of one, percentile %d", p)
	}
	require.EqualValues(t, 30, race.Percentile([]time.Duration{30, 10, 20}, 99), "of few, the highest")
	require.EqualValues(t, 20, race.Percentile([]time.Duration{30, 10, 20}, 50))
	require.EqualValues(t, 20, race.Median([]time.Duration{30, 10, 20}))
	require.EqualValues(t, 15, race.Median([]time.Duration{20, 10}))
}

func TestRatio(t *testing.T) {
	require.Equal(t, 2.0, race.Ratio([]time.Duration{90, 20, 50}, []time.Duration{1000, 30, 10}))
	var a, b []time.Duration
	for i := range time.Duration(20) {
		a, b = append(a, 30+i), append(b, 61-i) // 31 and 43 are the second of twenty
	}
	require.Equal(t, 31.0/43, race.Ratio(a, b))
}

// benchmark runs f as a benchmark of a few iterations.
func benchmark(t *testing.T, f func(b *testing.B)) testing.BenchmarkResult {
	t.Helper()
	require.NoError(t, flag.Set("test.benchtime", "3x"))
	return testing.Benchmark(f)
}

func TestRace(t *testing.T) {
	var prepared, own, other atomic.Int64
	r := benchmark(t, race.Race{
		Unit: "things/s", Count: 10, Workers: 2, Ops: 4, Rounds: 2,
		Prepare: func() error { prepared.Add(1); return nil },
		Lanes: []race.Lane{
			{Op: func(int) error { own.Add(1); time.Sleep(time.Millisecond); return nil }},
			{Name: "slow", Op: func(w int) error {
				require.Less(t, w, 2)
				other.Add(1)
				time.Sleep(4 * time.Millisecond)
				return nil
			}},
			{Name: "half", Count: 5, Op: func(int) error { time.Sleep(time.Millisecond); return nil }},
		},
	}.Run)
	require.EqualValues(t, 2*r.N, prepared.Load(), "in each of two rounds")
	require.EqualValues(t, 16*r.N, own.Load(), "2 workers, 4 operations each")
	require.EqualValues(t, 16*r.N, other.Load())
	m := r.Extra
	require.Less(t, m["things/s"], 20_000.0, "two workers do ten in a millisecond at best")
	require.Less(t, m["slow-things/s"], 5_000.0)
	require.Positive(t, m["x-slow"])
	require.Less(t, m["half-things/s"], 10_000.0, "a lane that counts five")
	require.GreaterOrEqual(t, m["p50-µs"], 1000.0)
	require.GreaterOrEqual(t, m["p99-µs"], m["p50-µs"])
}

func TestRaceFails(t *testing.T) {
	fault := errors.New("no")
	ops := 0
	r := benchmark(t, race.Race{Unit: "things/s", Count: 1, Workers: 1, Ops: 9, Lanes: []race.Lane{{Op: func(int) error {
		if ops++; ops == 3 {
			return fault
		}
		return nil
	}}}}.Run)
	require.Equal(t, 3, ops, "it ends with the operation that failed")
	require.Zero(t, r.N)
}
