//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// device is a token, logged in to, with a bounded number of sessions. One session is parked: nobody uses it, but a login
// lasts only as long as some session does. The others are opened when they are first needed and kept.
type device struct {
	module *module
	which  selection
	pin    PIN

	free chan struct{} // a ticket for each session that may be in use

	healing sync.Mutex // one attempt at a time to make the device sound

	mu     sync.Mutex
	slot   uint
	token  pkcs11.TokenInfo
	parked pkcs11.SessionHandle
	idle   []pkcs11.SessionHandle
	line   uint64        // of sessions: those of an earlier line are no more
	era    uint64        // of objects: handles found in an earlier era may be no more
	sound  bool          // logged in, as far as known
	fault  error         // of the last attempt to make it sound
	pause  time.Duration // to wait after the next failure
	after  time.Time     // when to try again
	closed bool

	taken atomic.Int64 // how often a session was taken, for tests
}

// Back-off of a device that does not answer. A wrong PIN is not tried again at all.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// openDevice finds the token and logs in.
func openDevice(m *module, which selection, pin PIN, sessions int) (*device, error) {
	d := &device{module: m, which: which, pin: pin, free: make(chan struct{}, sessions)}
	for range sessions {
		d.free <- struct{}{}
	}
	if err := d.heal(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// use runs call with a session. It waits for one to be free, for as long as ctx lasts. If the session turns out to be
// lost, the login gone or an object's handle void, it sets that right and runs call again, so call must be one that did
// nothing when it fails so. What comes too late, after ctx has ended, is given to drop.
func use[T any](ctx context.Context, d *device, doing string, call func(pkcs11.SessionHandle) (T, error), drop func(T)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, fmt.Errorf("pkcs11: %s: %w", doing, err)
	}
	select {
	case <-d.free:
	case <-ctx.Done():
		return value, fmt.Errorf("pkcs11: %s: all %d sessions are in use: %w: %w", doing, cap(d.free), hsm.ErrUnavailable, ctx.Err())
	}
	d.taken.Add(1)
	d.module.running.Add(1)
	return await(ctx, func() (T, error) {
		defer func() {
			d.module.running.Add(-1)
			d.free <- struct{}{}
		}()
		return attempt(ctx, d, doing, call)
	}, drop)
}

// attempts bounds how often one call meets a lost session or login before it fails.
const attempts = 4

func attempt[T any](ctx context.Context, d *device, doing string, call func(pkcs11.SessionHandle) (T, error)) (value T, err error) {
	for range attempts {
		if err = d.heal(); err != nil {
			return value, err
		}
		if err := ctx.Err(); err != nil { // the caller has gone
			return value, fmt.Errorf("pkcs11: %s: %w", doing, err)
		}
		session, line, opened := d.take()
		if err = opened; err == nil {
			err = d.module.during(func() (err error) {
				value, err = call(session)
				return err
			})
			if err == nil {
				d.put(session, line)
				return value, nil
			}
		}
		switch classify(err) {
		case lostSession, finalized:
			d.suspect(false)
			continue
		case lostLogin:
			d.put(session, line)
			d.suspect(false)
			continue
		case lostObject:
			d.put(session, line)
			d.suspect(true)
			continue
		case gone:
			d.suspect(false) // the next call looks; this one may have been carried out or not
		default:
			if opened == nil {
				d.put(session, line)
			}
		}
		break
	}
	var none T
	return none, explain(doing, err)
}

// take returns an idle session, or a new one.
func (d *device) take() (session pkcs11.SessionHandle, line uint64, err error) {
	d.mu.Lock()
	slot, line := d.slot, d.line
	if n := len(d.idle); n > 0 {
		session, d.idle = d.idle[n-1], d.idle[:n-1]
		d.mu.Unlock()
		return session, line, nil
	}
	d.mu.Unlock()
	err = d.module.changing(func() (err error) {
		session, err = d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		return err
	})
	return session, line, err
}

// put keeps a session for the next call, unless it is one of those that were lost together.
func (d *device) put(session pkcs11.SessionHandle, line uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if line == d.line && !d.closed {
		d.idle = append(d.idle, session)
	}
}

// suspect voids the handles of objects and, unless only those are in doubt, has the next call look at session and login.
func (d *device) suspect(objectsOnly bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era++
	d.sound = d.sound && objectsOnly
}

// currentEra returns a number that changes when handles of objects may have become void.
func (d *device) currentEra() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.era
}

// place returns the slot in which the token was found last, and what the token says of itself.
func (d *device) place() (slot uint, token pkcs11.TokenInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slot, d.token
}

func (d *device) label() string {
	_, token := d.place()
	return token.Label
}

// heal makes the device sound if it is not: it finds the token, opens the parked session and logs in, as far as needed.
// After a failure it fails at once for a while, each time for longer, and for good once a PIN was wrong.
func (d *device) heal() error {
	d.healing.Lock()
	defer d.healing.Unlock()
	d.mu.Lock()
	sound, closed, fault, after := d.sound, d.closed, d.fault, d.after
	d.mu.Unlock()
	switch {
	case closed:
		return fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	case sound:
		return nil
	case fault != nil && (errors.Is(fault, hsm.ErrAuth) || time.Now().Before(after)):
		return fault
	}
	err := d.establish()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.fault = err
		d.pause = min(max(2*d.pause, firstPause), longestPause)
		d.after = time.Now().Add(d.pause)
		return err
	}
	d.sound, d.fault, d.pause = true, nil, 0
	d.era++
	return nil
}

func (d *device) establish() error {
	if err := d.module.revive(); err != nil {
		return explain("initializing the module again", err)
	}
	state, alive := d.parkedState()
	if !alive {
		slot, token, err := d.which.find(d.module)
		if err != nil {
			return err
		}
		var parked pkcs11.SessionHandle
		err = d.module.changing(func() (err error) {
			parked, err = d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
			return err
		})
		if err != nil {
			return explain("opening a session", err)
		}
		d.mu.Lock()
		d.slot, d.token, d.parked, d.idle = slot, token, parked, nil // handles of the earlier line may name others' sessions by now
		d.line++
		d.mu.Unlock()
		if state, alive = d.parkedState(); !alive {
			return &Error{Fault: "the session that was opened is gone already", Remedy: "see who else uses or resets the token", is: hsm.ErrUnavailable}
		}
	}
	if state == pkcs11.CKS_RW_USER_FUNCTIONS {
		return nil
	}
	return d.login()
}

// parkedState asks the module about the parked session.
func (d *device) parkedState() (state uint, alive bool) {
	d.mu.Lock()
	parked, line := d.parked, d.line
	d.mu.Unlock()
	if line == 0 {
		return 0, false
	}
	info, err := d.module.raw.GetSessionInfo(parked)
	if err != nil {
		return 0, false
	}
	if _, err := d.module.raw.GetTokenInfo(info.SlotID); err != nil {
		return 0, false
	}
	return info.State, true
}

// patience is how long closing waits for calls to end.
const patience = 5 * time.Second

var expired = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

// close logs out, if no other token of this process depends on it, and closes the sessions. Calls that are running have
// five seconds to end. It reports whether it was the first call.
func (d *device) close() bool {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return false
	}
	late, idle := time.After(patience), 0
	for range cap(d.free) {
		select {
		case <-d.free:
			idle++
			continue
		default:
		}
		select {
		case <-d.free:
			idle++
		case <-late:
			late = expired // those that are free are still taken
		}
	}
	d.mu.Lock()
	sessions, line := d.idle, d.line
	if line > 0 {
		sessions = append(sessions, d.parked)
	}
	d.idle = nil
	parked := d.parked
	d.mu.Unlock()
	_ = d.module.changing(func() error { // they end with the process in any case
		if d.module.leave(d) {
			_ = d.module.raw.Logout(parked)
		}
		for _, s := range sessions {
			_ = d.module.raw.CloseSession(s)
		}
		return nil
	})
	for range idle { // who waits for one learns that the device is closed
		d.free <- struct{}{}
	}
	return true
}
