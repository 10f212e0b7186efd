package dkg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claystack/dvkeys/keyshare"
)

// Transport carries messages between the participants. It need not be trusted: it can
// delay and withhold, nothing else. Each message is for all others; to deliver it to
// the sender too, or more than once, or late, does no harm.
type Transport interface {
	// Send hands a message over, which will reach every other participant who goes
	// on asking for it, also after a restart of either. It may block.
	Send(ctx context.Context, message []byte) error

	// Receive returns messages that have arrived, at least one.
	Receive(ctx context.Context) ([][]byte, error)
}

// Journal keeps the messages of one session. A *FileJournal is one.
type Journal interface {
	// Messages returns what was appended, in order.
	Messages() ([][]byte, error)

	// Append returns when the messages are stored durably. Of those that a crash cuts off,
	// Messages may return the first ones, whole.
	Append(messages [][]byte) error
}

// Custodian stores a share durably, reads it back, and returns it as a key that signs
// where it is stored. A second call with the same label and share returns the same
// key. hsm.Backend.Import is what it calls. The key signs the confirmation of the ceremony,
// which is no validator's duty: custody that signs only duties must allow it until then (the
// engine of hsm/vault by raw_signing).
type Custodian func(ctx context.Context, label string, share *keyshare.Share) (keyshare.Key, error)

// RunOptions change what Run does. The zero value, and nil, are the defaults.
type RunOptions struct {
	// Progress, if set, is called with each step of the ceremony, in order.
	Progress func(Progress)
}

// Progress says what has happened.
type Progress struct {
	Round   Round            // that is being waited for
	Missing []keyshare.Index // whose message of it is missing
	Ignored []error          // why messages were dropped
	Done    bool             // all participants have the certificate
}

// Result is what Run returns.
type Result struct {
	*Outcome

	// Keys are the party's shares in custody, one of each key; nil if it receives
	// none, or if it confirmed in an earlier process and has no Decrypter: custody has
	// them by their public keys in Lineages then.
	Keys []keyshare.Key

	// Unacknowledged are the participants who had not said, when Run returned, that
	// they have the certificate. See Party.Unacknowledged.
	Unacknowledged []keyshare.Index
}

// Run takes part in a ceremony until all participants have acknowledged its
// certificate. A process that is killed is started again with the same arguments and
// goes on.
//
// A failure is an *[AbortError] or a *[TimeoutError], at the latest when the Params
// expire or the context ends. If that comes when the certificate is complete and only
// acknowledgements are missing, Run returns the result with those who are missing. What
// journal, custody, identity or transport say that they can not do is returned as it is.
//
// Called again after an AbortError that says Confirmed, it waits for the others' Confirms,
// which some may have had before the fault came up, and returns the AbortError when the
// context ends without.
func Run(ctx context.Context, c Config, j Journal, keep Custodian, t Transport, o *RunOptions) (*Result, error) {
	if c.Params == nil {
		return nil, errors.New("dkg: params are missing")
	}
	if time.Now().After(c.Params.Expires) {
		return nil, fmt.Errorf("dkg: the params expired at %s", c.Params.Expires.UTC().Format(time.RFC3339))
	}
	messages, err := j.Messages()
	if err != nil {
		return nil, fmt.Errorf("dkg: journal: %w", err)
	}
	p, err := New(c, messages)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ctx, cancel := context.WithDeadline(ctx, c.Params.Expires)
	defer cancel()
	r := &runner{party: p, journal: j, keep: keep, transport: t}
	if o != nil {
		r.progress = o.Progress
	}
	return r.run(ctx)
}

type runner struct {
	party     *Party
	journal   Journal
	keep      Custodian
	transport Transport
	progress  func(Progress)
	keys      []keyshare.Key
}

func (r *runner) run(ctx context.Context) (*Result, error) {
	out, err := r.party.Step()
	known := r.party.Abort() // an earlier process has returned it
	for err == nil {
		if err = r.carryOut(ctx, out); err != nil {
			break
		}
		if abort := r.party.Abort(); abort != nil && (known == nil || !known.Confirmed) {
			return nil, abort
		}
		if r.party.Outcome() != nil && len(r.party.Unacknowledged()) == 0 {
			break
		}
		var messages [][]byte
		if messages, err = r.transport.Receive(ctx); err == nil {
			out, err = r.party.Step(messages...)
		}
	}
	outcome := r.party.Outcome()
	switch {
	case err != nil && ctx.Err() == nil:
		return nil, err
	case r.party.Abort() != nil:
		return nil, r.party.Abort()
	case outcome == nil:
		cause := context.Cause(ctx)
		if !errors.Is(cause, err) {
			cause = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, r.party.Timeout(cause)
	}
	if r.keys == nil {
		if err := r.reopen(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	return &Result{Outcome: outcome, Keys: r.keys, Unacknowledged: r.party.Unacknowledged()}, nil
}

// carryOut does what a step asks for, in its order, until nothing is left.
func (r *runner) carryOut(ctx context.Context, out Output) error {
	for {
		if len(out.Save) > 0 {
			if err := r.journal.Append(out.Save); err != nil {
				return fmt.Errorf("dkg: journal: %w", err)
			}
		}
		for _, m := range out.Send {
			if err := r.transport.Send(ctx, m); err != nil {
				return fmt.Errorf("dkg: send: %w", err)
			}
		}
		r.report(out)
		if out.Keep == nil {
			return nil
		}
		keys := make([]keyshare.Key, len(out.Keep))
		for v, share := range out.Keep {
			var err error
			if keys[v], err = r.keep(ctx, r.label(v), share); err != nil {
				return fmt.Errorf("dkg: put share %d into custody: %w", v, err)
			}
		}
		var err error
		if out, err = r.party.Confirm(ctx, keys); err != nil {
			return err
		}
		r.keys = keys
	}
}

// label names a share to custody.
func (r *runner) label(v int) string {
	return fmt.Sprintf("dkg/%s/%d", r.party.config.Params.Session(), v)
}

// reopen finds the keys of a session that had confirmed before this process began:
// it takes the shares from transcript and certificate to custody, which has them.
func (r *runner) reopen(ctx context.Context) error {
	c := r.party.config
	if !r.party.receives(c.ID) || c.Decrypter == nil {
		return nil
	}
	o := r.party.Outcome()
	_, shares, err := Recover(c, o.Transcript, o.Certificate)
	if err != nil {
		return err
	}
	defer func() {
		for _, share := range shares {
			share.Destroy()
		}
	}()
	for v, share := range shares {
		key, err := r.keep(ctx, r.label(v), share)
		if err != nil {
			return fmt.Errorf("dkg: put share %d into custody: %w", v, err)
		}
		r.keys = append(r.keys, key)
	}
	return nil
}

func (r *runner) report(out Output) {
	if r.progress == nil {
		return
	}
	round, missing, _ := r.party.Waiting()
	r.progress(Progress{Round: round, Missing: slices.Clone(missing), Ignored: out.Ignored,
		Done: r.party.Outcome() != nil && len(missing) == 0})
}
