package vault

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

// joiner makes one request of the SignRoots calls that come within a short time.
type joiner struct {
	backend *Backend
	window  time.Duration

	mu   sync.Mutex
	next *batch // nil if none is open
}

// batch collects calls until it is sent.
type batch struct {
	calls  []*call
	roots  int
	waits  int // calls whose context has not ended
	cancel context.CancelFunc
	full   chan struct{} // closed when no more fit
}

// call is one SignRoots.
type call struct {
	sign wire.SignKey
	done chan struct{} // closed when sigs or err is set
	sigs []keyshare.Signature
	err  error
}

func newJoiner(b *Backend, window time.Duration) *joiner { return &joiner{backend: b, window: window} }

// sign joins the open batch, or opens one, and waits for its part of the answer or for the end of its own context.
func (j *joiner) sign(ctx context.Context, k *key, roots []keyshare.Root) ([]keyshare.Signature, error) {
	c := &call{sign: wire.SignKey{Name: k.name, Sign: k.sign(roots)}, done: make(chan struct{})}
	j.mu.Lock()
	b := j.next
	if b != nil && b.roots+len(roots) > wire.MaxRoots {
		close(b.full)
		b = nil
	}
	if b == nil {
		b = &batch{full: make(chan struct{})}
		var batchCtx context.Context
		batchCtx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
		j.next = b
		go j.run(batchCtx, b)
	}
	b.calls = append(b.calls, c)
	b.roots += len(roots)
	b.waits++
	j.mu.Unlock()
	select {
	case <-c.done:
		return c.sigs, c.err
	case <-ctx.Done():
		j.mu.Lock()
		if b.waits--; b.waits == 0 {
			b.cancel() // nobody is left who wants it
			if j.next == b {
				j.next = nil
			}
		}
		j.mu.Unlock()
		return nil, failure(ctx, signing, ctx.Err())
	}
}

// run waits for the window to end, sends the batch and hands out the answer.
func (j *joiner) run(ctx context.Context, b *batch) {
	defer b.cancel()
	select {
	case <-time.After(j.window):
	case <-b.full:
	case <-ctx.Done():
	case <-j.backend.session.ended.Done():
	}
	j.mu.Lock()
	if j.next == b {
		j.next = nil
	}
	calls := b.calls
	j.mu.Unlock()
	body := wire.SignMany{Requests: make([]wire.SignKey, len(calls))}
	for i, c := range calls {
		body.Requests[i] = c.sign
	}
	var answer wire.SignedMany
	err := j.backend.session.do(ctx, &request{doing: signing, method: http.MethodPut, path: j.backend.mount + "/sign", body: body, read: into(&answer)})
	if err == nil && len(answer.Results) != len(calls) {
		err = nonsense(signing, "the engine answered with %d results, asked for %d", len(answer.Results), len(calls))
	}
	for i, c := range calls {
		switch c.err = err; {
		case err != nil:
		case answer.Results[i].Fault != nil:
			c.err = fault(signing, answer.Results[i].Fault)
		default:
			c.sigs, c.err = parseSignatures(answer.Results[i].Signed, len(c.sign.Roots))
		}
		close(c.done)
	}
}
