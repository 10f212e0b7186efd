package vault

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// joiner makes one request of the questions that come within a short time.
type joiner[Q, A any] struct {
	doing  string // for errors
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
		return answer, failure(ctx, j.doing, ctx.Err())
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
		b.err = nonsense(j.doing, "the engine answered with %d results, asked for %d", len(b.answers), len(b.questions))
	}
	close(b.done)
}

// joiners are those of one backend: one for keys to make, one for roots, one for each group of operators, and one for each
// network and kind of duty.
type joiners struct {
	backend *Backend
	window  time.Duration
	keys    *joiner[wire.CreateKey, wire.CreatedKey]
	roots   *joiner[wire.SignKey, wire.SignedKey]
	splits  sync.Map // of *joiner[wire.SplitKey, wire.SplittedKey], by the digest of threshold and operators
	duties  sync.Map // of *joiner[wire.DutiesKey, wire.ResultsKey], by "network kind"
}

func newJoiners(b *Backend, window time.Duration) *joiners {
	j := &joiners{backend: b, window: window}
	j.keys = newJoiner(j, generating, wire.MaxKeys, "keys", func(requests []wire.CreateKey) any { return wire.CreateMany{Requests: requests} },
		func(answer wire.CreatedMany) []wire.CreatedKey { return answer.Results })
	j.roots = newJoiner(j, signing, wire.MaxRoots, "sign", func(requests []wire.SignKey) any { return wire.SignMany{Requests: requests} },
		func(answer wire.SignedMany) []wire.SignedKey { return answer.Results })
	return j
}

// newJoiner makes a joiner whose questions go to a path of the engine, and whose answers are in what comes back.
func newJoiner[Q, A, R any](j *joiners, doing string, most int, path string, body func([]Q) any, answers func(R) []A) *joiner[Q, A] {
	return &joiner[Q, A]{
		doing: doing, window: j.window, most: most, ended: j.backend.session.ended,
		send: func(ctx context.Context, questions []Q) ([]A, error) {
			var answer R
			err := j.backend.session.do(ctx, &request{doing: doing, method: http.MethodPut, path: j.backend.mount + "/" + path, body: body(questions), read: into(&answer)})
			return answers(answer), err
		},
	}
}

func (j *joiners) ofDuties(network, kind string) *joiner[wire.DutiesKey, wire.ResultsKey] {
	found, _ := j.duties.LoadOrStore(fmt.Sprintf("%q %s", network, kind), newJoiner(j, doingDuty(kind), wire.MaxDuties, kind,
		func(requests []wire.DutiesKey) any {
			return wire.DutiesMany{Network: network, Requests: requests, Uncompressed: true}
		},
		func(answer wire.ResultsMany) []wire.ResultsKey { return answer.Results }))
	return found.(*joiner[wire.DutiesKey, wire.ResultsKey])
}

// ofSplits returns the joiner for a threshold and operators. It is forgotten when its request is sent, since there may be any
// number of groups.
func (j *joiners) ofSplits(threshold int, operators []wire.Operator) *joiner[wire.SplitKey, wire.SplittedKey] {
	hash := sha256.New()
	fmt.Fprintln(hash, threshold, operators)
	digest := [sha256.Size]byte(hash.Sum(nil))
	fresh := newJoiner(j, splitting, wire.MaxOperators, "split",
		func(requests []wire.SplitKey) any {
			return wire.SplitMany{Threshold: threshold, Operators: operators, Requests: requests}
		},
		func(answer wire.SplittedMany) []wire.SplittedKey { return answer.Results })
	send := fresh.send
	fresh.send = func(ctx context.Context, requests []wire.SplitKey) ([]wire.SplittedKey, error) {
		j.splits.Delete(digest)
		return send(ctx, requests)
	}
	found, _ := j.splits.LoadOrStore(digest, fresh)
	return found.(*joiner[wire.SplitKey, wire.SplittedKey])
}
