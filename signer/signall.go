package signer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// Job is a duty for one of several guards.
type Job struct {
	Guard *Guard
	Duty  Duty
}

// SignAll signs duties of many validators together: the attestations and blocks of
// all guards that have the same protector share one durable commit, and the guards
// sign on all cores. It returns one result per job, in order, or the context's error
// if it has ended before anything was done.
func SignAll(ctx context.Context, jobs ...Job) ([]Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("signer: sign: %w", err)
	}
	b := batch{ctx: ctx, tasks: make([]task, len(jobs))}
	for i, j := range jobs {
		b.tasks[i].Job = j
		b.tasks[i].prepare()
	}
	b.protect()
	b.sign()
	results := make([]Result, len(jobs))
	for i := range b.tasks {
		t := &b.tasks[i]
		if t.Guard != nil {
			t.Guard.watch.duty(ctx, t)
		}
		results[i] = Result{t.signature, t.err}
	}
	return results, nil
}

// task is a job on its way. It goes on while err is nil.
type task struct {
	Job
	root      keyshare.Root
	signature keyshare.Signature
	err       error
}

// prepare checks the policy and computes the root.
func (t *task) prepare() {
	if t.Guard == nil {
		t.err = errors.New("signer: the guard is missing")
	} else if t.err = checkDuty(t.Duty); t.err != nil {
		t.Duty = nil // what it says of itself is not asked
	} else {
		if t.err = t.Guard.policy.check(t.Guard.network, t.Guard.validator, t.Duty); t.err == nil {
			t.root, t.err = t.Duty.signingRoot(t.Guard.network)
		}
	}
}

type batch struct {
	ctx   context.Context
	tasks []task
}

// protect records what is slashable, in one call of each protector.
func (b *batch) protect() {
	var protectors []Protector
	claimed := map[Protector][]*task{}
	for i := range b.tasks {
		t := &b.tasks[i]
		if t.err != nil || !t.Duty.traits().slashable {
			continue
		}
		p := t.Guard.protector
		if claimed[p] == nil {
			protectors = append(protectors, p)
		}
		claimed[p] = append(claimed[p], t)
	}
	for _, p := range protectors {
		tasks := claimed[p]
		claims := make([]Claim, len(tasks))
		for i, t := range tasks {
			claims[i] = Claim{Validator: t.Guard.validator, Duty: t.Duty, Root: t.root}
		}
		start := time.Now()
		errs := p.Protect(b.ctx, claims...)
		tasks[0].Guard.watch.stage(b.ctx, stageProtect, start)
		for i, t := range tasks {
			if len(errs) != len(tasks) {
				t.err = fmt.Errorf("signer: the protector returned %d answers, %d expected", len(errs), len(tasks))
			} else {
				t.err = errs[i]
			}
		}
	}
}

// sign signs what is left, the tasks of one guard in one call of its key.
func (b *batch) sign() {
	var guards []*Guard
	of := map[*Guard][]*task{}
	for i := range b.tasks {
		t := &b.tasks[i]
		if t.err != nil {
			continue
		}
		if of[t.Guard] == nil {
			guards = append(guards, t.Guard)
		}
		of[t.Guard] = append(of[t.Guard], t)
	}
	parallel.Each(len(guards), func(i int) { guards[i].sign(b.ctx, of[guards[i]]) })
	b.verify()
}

// verify checks the signatures of the guards that ask for it, all together, and one
// by one if that fails.
func (b *batch) verify() {
	var tasks []*task
	var claims []keyshare.Signed
	for i := range b.tasks {
		if t := &b.tasks[i]; t.err == nil && t.Guard.verify && !t.Duty.traits().irrevocable {
			tasks = append(tasks, t)
			claims = append(claims, keyshare.Signed{PublicKey: t.Guard.public, Root: t.root, Signature: t.signature})
		}
	}
	if len(tasks) == 0 {
		return
	}
	start := time.Now()
	if !keyshare.VerifyBatch(claims) {
		parallel.Each(len(tasks), func(i int) {
			t := tasks[i]
			t.signature, t.err = t.Guard.verified(t, t.signature, t.Guard.public.Verify)
		})
	}
	tasks[0].Guard.watch.stage(b.ctx, stageVerify, start)
}

func (g *Guard) sign(ctx context.Context, tasks []*task) {
	duties, roots := make([]Duty, len(tasks)), make([]keyshare.Root, len(tasks))
	for i, t := range tasks {
		duties[i], roots[i] = t.Duty, t.root
	}
	start := time.Now()
	results := signAs(ctx, g.network, g.key, duties, roots)
	g.watch.stage(ctx, stageSign, start)
	for i, t := range tasks {
		if err := results[i].Err; err != nil {
			t.err = fmt.Errorf("signer: sign: %w", err)
			continue
		}
		t.signature, t.err = g.checked(ctx, t, results[i].Signature)
	}
}

// checked returns the signature if there is one, and if one that can not be taken
// back is right.
func (g *Guard) checked(ctx context.Context, t *task, s keyshare.Signature) (keyshare.Signature, error) {
	if s.IsZero() {
		return s, errors.New("signer: sign: the key returned a missing signature")
	}
	if !t.Duty.traits().irrevocable {
		return s, nil
	}
	start := time.Now()
	defer func() { g.watch.stage(ctx, stageVerify, start) }()
	return g.verified(t, s, g.public.VerifyIndependent)
}

// verified returns the signature if it is the key's.
func (g *Guard) verified(t *task, s keyshare.Signature, verify func(keyshare.Root, keyshare.Signature) bool) (keyshare.Signature, error) {
	if !verify(t.root, s) {
		return keyshare.Signature{}, fmt.Errorf("signer: %s: the key returned a signature that does not verify under its public key %v", t.Duty.traits().name, g.public)
	}
	return s, nil
}
