package parallel_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/parallel"
)

func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100} {
		for _, goroutines := range []int{1, 2, 7, 1000} {
			calls := make([]atomic.Int64, n)
			parallel.EachBy(goroutines, n, func(i int) { calls[i].Add(1) })
			parallel.Each(n, func(i int) { calls[i].Add(1) })
			for i := range calls {
				require.EqualValues(t, 2, calls[i].Load(), "%d of %d by %d", i, n, goroutines)
			}
		}
	}
}

// TestEachBy has ten calls of a second each: three at a time take four seconds.
func TestEachBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		parallel.EachBy(3, 10, func(int) { time.Sleep(time.Second) })
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}
