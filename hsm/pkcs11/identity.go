//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// identity is a token's context of crypto11, which generates RSA keys and signs with them. It has sessions of its own,
// relies on the login of the token's device, and is thrown away when a call finds a session dead: crypto11 itself would
// use it for ever. Other than that nothing of crypto11 is used; decryption is not, because it leaves the plaintext in
// memory that it frees without wiping. See module for who initializes and finalizes.
type identity struct {
	making sync.Mutex // one context at a time; held while the module is waited for

	mu      sync.Mutex        // never held while anything is waited for
	context *crypto11.Context // nil until needed
	closed  bool
	closing sync.WaitGroup // contexts that were thrown away
}

// failed is the error of a call of crypto11. It hides the module's code: use would take it for that of its own session.
type failed struct{ cause error }

func (f failed) Error() string { return f.cause.Error() }

// withCrypto11 runs f, in the module's hold, with the token's context of crypto11, and again with a new one if that was dead, so f must be one
// that can be run again.
func withCrypto11[T any](ctx context.Context, t *Token, hold holding, doing string, f func(*crypto11.Context) (T, error)) (value T, err error) {
	id, err := t.crypto11()
	if err != nil {
		return value, err
	}
	d := t.device
	for range attempts {
		var c *crypto11.Context
		if c, err = await(ctx, func() (*crypto11.Context, error) { return id.get(d) }, nil); err != nil {
			if lost(err) {
				d.suspect()
				continue
			}
			return value, err
		}
		// The session's ticket bounds the calls, and the session shows whether somebody is logged in.
		value, err = useHolding(ctx, d, hold, doing, func(session pkcs11.SessionHandle) (none T, err error) {
			logins := d.module.begun.Load()
			if err := d.loggedIn(session); err != nil {
				return none, err
			}
			value, err := f(c)
			if err == nil {
				return value, nil
			}
			if classify(err) == other { // such as a private key that is not found, because nobody was logged in any more
				if err := d.stillLoggedIn(session, logins); err != nil {
					return none, err
				}
			}
			return none, failed{err}
		}, nil)
		var found failed
		if !errors.As(err, &found) {
			return value, err
		}
		err = explain(doing, found.cause)
		class := classify(found.cause)
		if class == gone || class.again() {
			id.detach(d.module, c)
			d.suspect()
		}
		if !class.again() && (class == gone || id.holds(c)) {
			return value, err
		}
		// Another call may have thrown the context away meanwhile.
	}
	return value, err
}

// crypto11 returns what a token that is open needs of crypto11.
func (t *Token) crypto11() (*identity, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	}
	if t.identity == nil {
		t.identity = new(identity)
	}
	return t.identity, nil
}

func (id *identity) get(d *device) (*crypto11.Context, error) {
	id.making.Lock()
	defer id.making.Unlock()
	switch c, closed := id.current(); {
	case closed:
		return nil, fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	case c != nil:
		return c, nil
	}
	if err := d.heal(); err != nil {
		return nil, err
	}
	if !d.module.anchored() {
		return nil, &Error{Fault: "another part of this program initialized the module before, which crypto11 does not put up with", Remedy: "open the token before it, or let it use crypto11 too; decryption works in any case", is: hsm.ErrUnavailable}
	}
	slot, _ := d.place()
	config := selection{slot: &slot}.crypto11(d.module.given)
	config.MaxSessions = cap(d.free) + 1
	var c *crypto11.Context
	err := d.module.changing(func() (err error) {
		if c, err = crypto11.Configure(config); err != nil || !d.module.fragile {
			return err
		}
		if err = fill(c, cap(d.free)); err != nil {
			_ = c.Close()
		}
		return err
	})
	if err != nil {
		if code := (pkcs11.Error)(0); errors.As(err, &code) {
			return nil, explain("opening sessions for RSA keys", code)
		}
		return nil, &Error{Fault: "crypto11 finds no token in the slot any more", Remedy: "the next call tries again", is: hsm.ErrUnavailable}
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	id.context = c
	return c, nil
}

// fill has a context open the n sessions of its pool, which it hands out in turn, instead of each when it is needed: that
// would be while others are in use. It keeps them until it is closed.
func fill(c *crypto11.Context, n int) error {
	random, err := c.NewRandomReader()
	if err != nil {
		return err
	}
	for range n {
		if _, err := random.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	return nil
}

func (id *identity) current() (c *crypto11.Context, closed bool) {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.context, id.closed
}

func (id *identity) holds(c *crypto11.Context) bool {
	current, _ := id.current()
	return current == c
}

// detach has the next call make a new context, and closes this one when its calls have ended.
func (id *identity) detach(m *module, c *crypto11.Context) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.context == c {
		id.context = nil
		id.closing.Go(func() { _ = m.changing(c.Close) })
	}
}

// close ends the use of crypto11 by a token. A nil identity was never used. Calls that are running have five seconds to
// end.
func (id *identity) close(m *module) {
	if id == nil {
		return
	}
	id.mu.Lock()
	id.closed = true
	id.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		id.making.Lock() // for a context that is just being made
		defer id.making.Unlock()
		if c, _ := id.current(); c != nil {
			id.detach(m, c)
		}
		id.closing.Wait()
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}
