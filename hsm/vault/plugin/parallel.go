package plugin

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// compute calls f when there is a processor for it: however many requests there are, no more computations run than there
// are processors, so that each ends soon.
func (b *backend) compute(ctx context.Context, f func() error) (err error) {
	defer recovered(&err)
	select {
	case b.cpu <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.cpu }()
	return f()
}

// each calls f(0) … f(n-1) on all processors and returns the error of one of those that failed. Each f is computed as
// above, so that a small request is not kept waiting by a large one.
func (b *backend) each(ctx context.Context, n int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n || failed.Load() != nil {
				return
			}
			if err := b.compute(ctx, func() error { return f(i) }); err != nil {
				failed.Store(&err)
			}
		}
	}
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// maxChunk is how many signatures are verified together: more of them save little, and keep others from the processor.
const maxChunk = 16

// chunks calls f for ranges of at most maxChunk of n elements, on all processors, as each does.
func (b *backend) chunks(ctx context.Context, n int, f func(from, to int)) error {
	processors := runtime.GOMAXPROCS(0)
	size := min(maxChunk, max(1, (n+processors-1)/processors))
	return b.each(ctx, (n+size-1)/size, func(i int) error {
		f(i*size, min(n, (i+1)*size))
		return nil
	})
}

// maxTogether is how many elements of a batch wait for the storage at the same time.
const maxTogether = 32

// together calls f(0) … f(n-1), several at a time. It is for what waits; what computes goes through compute. No f panics.
func together(n int, f func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, maxTogether) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	workers.Wait()
}
