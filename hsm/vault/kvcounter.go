package vault

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/claystack/dvkeys/hsm"
)

// Counter is a number in a KV version 2 engine that only rises. It tells an old copy of a file from the file: what it
// implements is the counter of package signer/slashing, by which a history of signatures that was restored from a backup
// is refused. A snapshot of Vault that is restored together with the file takes it back, too.
//
// It is the entry counters/NAME below the place, written with check-and-set only, so that it falls for nobody who uses
// this package. A Counter is safe for concurrent use, also by several processes.
type Counter struct {
	kv    *kv
	name  string
	turn  chan struct{} // holds one item while nobody raises
	known uint64        // the number is at least that; guarded by turn
}

// number is the content of a counter's entry: in decimal, because JSON's numbers end at 2^53.
type number struct {
	Number string `json:"number"`
}

// CreateCounter logs in and makes a counter below a place of a KV version 2 engine, which starts at 0. The name has 1 to
// 64 letters, digits, '.', '_' and '-'. If there is one already, also if it was deleted, the error is hsm.ErrExists. The
// token's policy is that of OpenKV.
func CreateCounter(ctx context.Context, c Config, where KV, name string) (*Counter, error) {
	return newCounter(ctx, c, where, name, func(n *Counter) error {
		err := n.kv.set(ctx, n.entry(), number{"0"}, 0)
		m := (*mismatch)(nil)
		if !errors.As(err, &m) {
			return err
		}
		if now, _, err := n.read(ctx); m.repeated && now == 0 {
			return err // by this call's own first attempt
		}
		return &Error{Doing: "making " + n.entry(), Fault: "there is one already", Remedy: "choose another name; for the file that it belongs to, open it", is: hsm.ErrExists}
	})
}

// OpenCounter logs in and returns the counter of that name, or hsm.ErrNotFound: one that has vanished is not made anew by
// itself, because it would no longer know what the number was.
func OpenCounter(ctx context.Context, c Config, where KV, name string) (*Counter, error) {
	return newCounter(ctx, c, where, name, func(n *Counter) error {
		_, _, err := n.read(ctx)
		return err
	})
}

func newCounter(ctx context.Context, c Config, where KV, name string, begin func(*Counter) error) (*Counter, error) {
	if !plainName.MatchString(name) {
		return nil, fmt.Errorf("vault: counter name %.80q, expected 1 to 64 letters, digits, '.', '_' and '-'", name)
	}
	s, err := openSession(ctx, c)
	if err != nil {
		return nil, err
	}
	n := &Counter{name: name, turn: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	if n.kv, err = newKV(s, where); err == nil {
		n.kv.owned = true
		err = begin(n)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return n, nil
}

// Close logs out.
func (n *Counter) Close() error { return n.kv.Close() }

// String names the counter and where it is.
func (n *Counter) String() string { return "counter " + n.name + " in " + n.kv.String() }

func (n *Counter) entry() string { return "counters/" + n.name }

// Read returns the number.
func (n *Counter) Read(ctx context.Context) (uint64, error) {
	now, _, err := n.read(ctx)
	return now, err
}

func (n *Counter) read(ctx context.Context) (now uint64, last version, err error) {
	var stored number
	last, err = n.kv.get(ctx, n.entry(), &stored)
	switch {
	case err != nil:
		return 0, 0, err
	case last == 0:
		return 0, 0, &Error{Doing: "reading " + n.entry(), Fault: "there is no such counter", Remedy: "see where Mount and Path lead; for a new file, make it", is: hsm.ErrNotFound}
	}
	now, err = strconv.ParseUint(stored.Number, 10, 64)
	if err != nil {
		return 0, 0, corrupt("reading "+n.entry(), "its number is %.40q", stored.Number)
	}
	return now, last, nil
}

// Raise makes the number at least to, for good. Callers that come while it runs wait, and need not ask Vault if the number
// then is high enough.
func (n *Counter) Raise(ctx context.Context, to uint64) error {
	select {
	case <-n.turn:
	case <-ctx.Done():
		return failure(ctx, "raising "+n.entry(), ctx.Err())
	}
	defer func() { n.turn <- struct{}{} }()
	for n.known < to {
		now, last, err := n.read(ctx)
		if err != nil {
			return err
		}
		if now < to {
			err = n.kv.set(ctx, n.entry(), number{strconv.FormatUint(to, 10)}, last)
			if m := (*mismatch)(nil); errors.As(err, &m) {
				continue // somebody else raised it, or this call's own first attempt
			}
			now = to
		}
		if err != nil {
			return err
		}
		n.known = now
	}
	return nil
}
