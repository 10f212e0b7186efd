package plugin

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/claystack/dvkeys/internal/parallel"
)

// processors is how many signatures are computed at a time: one on each that the process may use.
var processors = runtime.GOMAXPROCS(0)

// compute calls f when there is a processor for it: however many requests there are, no more computations run than there
// are processors, so that each ends soon.
func (b *backend) compute(ctx context.Context, f func() error) (err error) {
	defer b.recovered(&err)
	select {
	case b.cpu <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.cpu }()
	return f()
}

// How many elements are computed in one turn on a processor: enough that turns are few, and few enough that a small request is
// not kept waiting by a large one.
const (
	maxSigned   = 4
	maxVerified = 16 // together, and more would save little
)

// chunks calls f for ranges of at most so many of n elements, on all processors, and returns the error of one of those that
// failed. Each f is computed as above.
func (b *backend) chunks(ctx context.Context, n, most int, f func(from, to int) error) error {
	size := min(most, (n+processors-1)/processors)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	work := func() {
		for failed.Load() == nil {
			to := int(next.Add(int64(size)))
			from := to - size
			if from >= n {
				return
			}
			if err := b.compute(ctx, func() error { return f(from, min(n, to)) }); err != nil {
				failed.Store(&err)
			}
		}
	}
	var workers sync.WaitGroup
	for range min(n, processors) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// errUnverified is that of a signature which has not been found right.
var errUnverified = errors.New("dvkeys: a signature was made that does not verify")

// verified calls verify for ranges of n signatures, as chunks does, and returns the error of each: for those that it did not
// come to, why not.
func (b *backend) verified(ctx context.Context, n int, verify func(from, to int) []error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = errUnverified
	}
	err := b.chunks(ctx, n, maxVerified, func(from, to int) error {
		copy(errs[from:to], verify(from, to))
		return nil
	})
	for i := range errs {
		if err != nil && errors.Is(errs[i], errUnverified) {
			errs[i] = err
		}
	}
	return errs
}

// maxTogether is how many elements of a batch wait for the storage at the same time.
const maxTogether = 32

// together calls f(0) … f(n-1), several at a time. It is for what waits; what computes goes through compute. No f panics.
func together(n int, f func(i int)) { parallel.EachBy(maxTogether, n, f) }
