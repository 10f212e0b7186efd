// Package parallel spreads calls over goroutines.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls f for 0 to n-1, on as many goroutines as there are processors, and returns when all are done. No f may panic.
func Each(n int, f func(i int)) { EachBy(runtime.GOMAXPROCS(0), n, f) }

// EachBy is Each on a number of goroutines, for calls that wait for something else than a processor.
func EachBy(goroutines, n int, f func(i int)) {
	goroutines = min(goroutines, n)
	if goroutines < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var done sync.WaitGroup
	for range goroutines {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	done.Wait()
}
