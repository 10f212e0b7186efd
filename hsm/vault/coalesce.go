package vault

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// joiner makes one request of the questions that come within a short time.
type joiner[Q, A any] struct {
	window time.Duration
	most   int             // of what questions weigh together
	ended  context.Context // that of the session
	send   func(context.Context, []Q) ([]A, error)

	mu   sync.Mutex
	next *batch[Q, A] // nil if none is open
}

// batch collects questions until it is sent.
type batch[Q, A any] struct {
	questions []Q
	weight    int
	waits     int // callers whose context has not ended
	cancel    context.CancelFunc
	full      chan struct{} // closed when no more fit

	done    chan struct{} // closed when answers, one a question, or err is set
	answers []A
	err     error
}

// ask joins the open batch, or opens one, and waits for its answer or for the end of its own context.
func (j *joiner[Q, A]) ask(ctx context.Context, question Q, weight int) (answer A, err error) {
	j.mu.Lock()
	b := j.next
	if b != nil && b.weight+weight > j.most {
		close(b.full)
		b = nil
	}
	if b == nil {
		b = &batch[Q, A]{full: make(chan struct{}), done: make(chan struct{})}
		var batchCtx context.Context
		batchCtx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
		j.next = b
		go j.run(batchCtx, b)
	}
	place := len(b.questions)
	b.questions = append(b.questions, question)
	b.weight += weight
	b.waits++
	j.mu.Unlock()
	select {
	case <-b.done:
		if b.err != nil {
			return answer, b.err
		}
		return b.answers[place], nil
	case <-ctx.Done():
		j.mu.Lock()
		if b.waits--; b.waits == 0 {
			b.cancel() // nobody is left who wants it
			if j.next == b {
				j.next = nil
			}
		}
		j.mu.Unlock()
		return answer, failure(ctx, signing, ctx.Err())
	}
}

// run waits for the window to end, sends the batch and hands out the answers.
func (j *joiner[Q, A]) run(ctx context.Context, b *batch[Q, A]) {
	defer b.cancel()
	select {
	case <-time.After(j.window):
	case <-b.full:
	case <-ctx.Done():
	case <-j.ended.Done():
	}
	j.mu.Lock()
	if j.next == b {
		j.next = nil
	}
	j.mu.Unlock()
	b.answers, b.err = j.send(ctx, b.questions)
	if b.err == nil && len(b.answers) != len(b.questions) {
		b.err = nonsense(signing, "the engine answered with %d results, asked for %d", len(b.answers), len(b.questions))
	}
	close(b.done)
}

// joiners are those of one backend: one for roots, and one for each network and kind of duty.
type joiners struct {
	backend *Backend
	window  time.Duration
	roots   *joiner[wire.SignKey, wire.SignedKey]
	duties  sync.Map // of *joiner[wire.DutiesKey, wire.ResultsKey], by "network kind"
}

func newJoiners(b *Backend, window time.Duration) *joiners {
	return &joiners{backend: b, window: window, roots: &joiner[wire.SignKey, wire.SignedKey]{
		window: window, most: wire.MaxRoots, ended: b.session.ended,
		send: func(ctx context.Context, requests []wire.SignKey) ([]wire.SignedKey, error) {
			var answer wire.SignedMany
			err := b.session.do(ctx, &request{doing: signing, method: http.MethodPut, path: b.mount + "/sign", body: wire.SignMany{Requests: requests}, read: into(&answer)})
			return answer.Results, err
		},
	}}
}

func (j *joiners) of(network, kind string) *joiner[wire.DutiesKey, wire.ResultsKey] {
	found, _ := j.duties.LoadOrStore(fmt.Sprintf("%q %s", network, kind), &joiner[wire.DutiesKey, wire.ResultsKey]{
		window: j.window, most: wire.MaxDuties, ended: j.backend.session.ended,
		send: func(ctx context.Context, requests []wire.DutiesKey) ([]wire.ResultsKey, error) {
			var answer wire.ResultsMany
			b := j.backend
			err := b.session.do(ctx, &request{doing: doingDuty(kind), method: http.MethodPut, path: b.mount + "/" + kind, body: wire.DutiesMany{Network: network, Requests: requests}, read: into(&answer)})
			return answer.Results, err
		},
	})
	return found.(*joiner[wire.DutiesKey, wire.ResultsKey])
}
