package dvkeys

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// Options change how [Onboard] works. The zero value, and nil, are the defaults.
type Options struct {
	// Workers is how many validators are worked on at a time; 0 means two per
	// core, so that no core waits while a key is written to the disk, and 64 or
	// more where another process does the work, which is waited for.
	Workers int

	// Progress, if set, is called as each validator completes a stage. Calls do
	// not overlap.
	Progress func(Progress)

	// Key, if set, supplies the key of the i-th validator, counted from 0,
	// instead of the backend's Generate: it puts a key of the caller's (one of a
	// mnemonic, say) into the backend under the label and returns it. It must
	// return the same key for the same label again. Calls may overlap.
	Key func(ctx context.Context, i int, label string) (hsm.Key, error)
}

// Stage is a step in the making of a validator.
type Stage int

// The stages, in order.
const (
	StageKey     Stage = iota + 1 // its key is in custody: stored, read back and test-signed
	StageSplit                    // its shares are encrypted to the operators
	StageDeposit                  // its deposit is signed and verified
	StageDone                     // its owner nonce is signed and its SSV payload verified
)

// String names what has been done.
func (s Stage) String() string {
	names := [...]string{StageKey: "key in custody", StageSplit: "shares sealed", StageDeposit: "deposit signed", StageDone: "payload verified"}
	if s < StageKey || int(s) >= len(names) {
		return fmt.Sprintf("stage %d", int(s))
	}
	return names[s]
}

// Progress says how far a batch is.
type Progress struct {
	Stage Stage // that a validator has just completed
	Done  int   // how many validators have completed this stage
	Total int   // how many there are
}

// Validator is one validator that is ready to register and to deposit for.
type Validator struct {
	PublicKey keyshare.PublicKey
	Nonce     uint64              // the owner's SSV nonce that its payload is signed for
	Group     *keyshare.Group     // the public side of its shares
	Deposit   *signer.DepositData // signed and verified
	Item      *ssv.Item           // its entry in the keyshares file, with the payload
}

// Batch is what Onboard made.
type Batch struct {
	Spec       Spec      // with defaults filled in and operators in ascending order
	Created    time.Time // goes into file names and the keyshares file
	Validators []Validator
}

// Onboard makes the validators of the spec: a key in the backend's custody for
// each, split among the operators inside the custody boundary, with every share
// encrypted to its operator, the deposit signed, and the owner's nonce signed.
//
// All of the spec is checked before anything is made. A public key appears in the
// batch only after the secret behind it is stored, read back and has made a
// verified signature. Every signature has been verified by the BLS library that
// did not make it.
//
// Onboard may be stopped at any point, by its context or by kill -9, and called
// again with the same spec: it finds the keys it has made in the backend, by
// labels that commit to the spec, and gives the same validators the same nonces.
// The shares are then drawn anew; register those of one call only. A spec with
// another count or first nonce but otherwise the same overlaps in the same way: the
// validator of a nonce is always the same.
func Onboard(ctx context.Context, backend hsm.Backend, spec Spec, o *Options) (*Batch, error) {
	spec, err := spec.normal()
	if err != nil {
		return nil, err
	}
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Workers < 0 {
		return nil, fmt.Errorf("dvkeys: options: %d workers, expected 0 or more", opts.Workers)
	}
	if opts.Workers == 0 {
		opts.Workers = 2 * runtime.GOMAXPROCS(0)
		if backend != nil && backend.Info().Protection == hsm.Isolated {
			opts.Workers = max(opts.Workers, 64)
		}
	}
	if opts.Key == nil {
		if backend == nil {
			return nil, errors.New("dvkeys: the backend is missing")
		}
		opts.Key = func(ctx context.Context, _ int, label string) (hsm.Key, error) {
			return backend.Generate(ctx, label)
		}
	}
	w := &worker{spec: spec, key: opts.Key, progress: opts.Progress}
	if w.threshold, err = ssv.Threshold(len(spec.Operators)); err != nil {
		return nil, err
	}
	batch := &Batch{Spec: spec, Created: time.Now(), Validators: make([]Validator, spec.Count)}
	if err := each(ctx, opts.Workers, spec.Count, func(ctx context.Context, i int) (err error) {
		batch.Validators[i], err = w.validator(ctx, i)
		if err != nil {
			err = fmt.Errorf("dvkeys: validator %d of %d, nonce %d: %w", i+1, spec.Count, spec.Nonce+uint64(i), err)
		}
		return err
	}); err != nil {
		return nil, err
	}
	return batch, batch.checkDistinct()
}

// worker makes validators of one spec.
type worker struct {
	spec      Spec
	key       func(ctx context.Context, i int, label string) (hsm.Key, error)
	threshold int

	mu       sync.Mutex // holds the calls of progress apart
	progress func(Progress)
	done     [StageDone + 1]int
}

// validator makes the i-th validator.
func (w *worker) validator(ctx context.Context, i int) (Validator, error) {
	v := Validator{Nonce: w.spec.Nonce + uint64(i)}
	key, err := w.key(ctx, i, w.spec.label(v.Nonce))
	if err != nil {
		return v, err
	}
	if key == nil {
		return v, errors.New("no key was supplied")
	}
	v.PublicKey = key.PublicKey()
	w.report(StageKey)

	group, sealed, err := key.Split(ctx, w.threshold, w.spec.Operators)
	if err != nil {
		return v, err
	}
	if group == nil || group.PublicKey() != v.PublicKey {
		return v, fmt.Errorf("the backend split another key, asked to split %s", v.PublicKey)
	}
	v.Group = group
	w.report(StageSplit)

	if v.Deposit, err = signer.SignDeposit(ctx, w.spec.Network, key, w.spec.credentials(), w.spec.Amount, w.spec.depositOptions()); err != nil {
		return v, err
	}
	w.report(StageDeposit)

	nonce, err := signer.SignOwnerNonce(ctx, w.spec.Network, key, w.spec.Owner, v.Nonce)
	if err != nil {
		return v, err
	}
	if v.Item, err = ssv.NewItem(group, sealed, w.spec.Operators, w.spec.Owner, v.Nonce, nonce); err != nil {
		return v, err
	}
	w.report(StageDone)
	return v, nil
}

// report counts a completed stage.
func (w *worker) report(s Stage) {
	if w.progress == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[s]++
	w.progress(Progress{Stage: s, Done: w.done[s], Total: w.spec.Count})
}

// checkDistinct guards against a source of keys that gives one key twice.
func (b *Batch) checkDistinct() error {
	seen := make(map[keyshare.PublicKey]uint64, len(b.Validators))
	for _, v := range b.Validators {
		if nonce, twice := seen[v.PublicKey]; twice {
			return fmt.Errorf("dvkeys: nonces %d and %d have the same key %s", nonce, v.Nonce, v.PublicKey)
		}
		seen[v.PublicKey] = v.Nonce
	}
	return nil
}

// checkComplete guards against a batch that the caller has put together.
func (b *Batch) checkComplete() error {
	for i, v := range b.Validators {
		if v.Item == nil || v.Deposit == nil {
			return fmt.Errorf("dvkeys: validators[%d]: is not complete", i)
		}
	}
	return nil
}

// each calls f for 0 … n-1 from a number of goroutines, stops at the first error
// and returns it.
func each(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
