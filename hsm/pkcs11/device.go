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

// use runs call with a session. It waits for one to be free, for as long as ctx lasts; that ctx has ended is
// hsm.ErrUnavailable too, wherever it is noticed. If the session turns out to be
// lost, the login gone or an object's handle void, it sets that right and runs call again, so call must be one that did
// nothing when it fails so. What comes too late, after ctx has ended, is given to drop.
func use[T any](ctx context.Context, d *device, doing string, call func(pkcs11.SessionHandle) (T, error), drop func(T)) (value T, err error) {
	return useHolding(ctx, d, d.module.during, doing, call, drop)
}

// useAlone is use for a call that makes or removes objects.
func useAlone(ctx context.Context, d *device, doing string, call func(pkcs11.SessionHandle) error) error {
	_, err := useHolding(ctx, d, d.module.changing, doing, func(session pkcs11.SessionHandle) (struct{}, error) {
		return struct{}{}, call(session)
	}, nil)
	return err
}

func useHolding[T any](ctx context.Context, d *device, hold holding, doing string, call func(pkcs11.SessionHandle) (T, error), drop func(T)) (value T, err error) {
	select {
	case <-d.free:
	default:
		select {
		case <-d.free:
		case <-ctx.Done():
			return value, fmt.Errorf("pkcs11: %s: all %d sessions are in use: %w: %w", doing, cap(d.free), hsm.ErrUnavailable, ctx.Err())
		}
	}
	if ctx.Err() != nil {
		d.free <- struct{}{}
		return value, interrupted(ctx)
	}
	d.taken.Add(1)
	d.module.running.Add(1)
	return await(ctx, func() (T, error) {
		defer func() {
			d.module.running.Add(-1)
			d.free <- struct{}{}
		}()
		return attempt(ctx, d, hold, doing, call)
	}, drop)
}

// attempts bounds how often one call meets a lost session or login before it fails: one that loses them fewer than four
// times succeeds.
const attempts = 4

func attempt[T any](ctx context.Context, d *device, hold holding, doing string, call func(pkcs11.SessionHandle) (T, error)) (value T, err error) {
	for range attempts {
		if err = d.heal(); err != nil {
			return value, err
		}
		if ctx.Err() != nil { // the caller has gone
			return value, interrupted(ctx)
		}
		if value, err = attemptOnce(d, hold, call); err == nil {
			return value, nil
		}
		class := classify(err)
		if class == gone || class.again() {
			d.suspect()
		}
		if !class.again() { // also if the token is gone: the call may have been carried out or not
			break
		}
	}
	var none T
	return none, explain(doing, err)
}

func attemptOnce[T any](d *device, hold holding, call func(pkcs11.SessionHandle) (T, error)) (value T, err error) {
	session, line, err := d.take()
	if err != nil {
		return value, err
	}
	err = hold(func() (err error) {
		value, err = call(session)
		return err
	})
	switch {
	case isCode(err, pkcs11.CKR_OPERATION_ACTIVE): // alive, and of no use any more
		_ = d.module.changing(func() error { return d.module.raw.CloseSession(session) })
	case classify(err) == lostSession, classify(err) == finalized, classify(err) == gone:
	default:
		d.put(session, line)
	}
	return value, err
}

// take returns an idle session, or a new one.
func (d *device) take() (session pkcs11.SessionHandle, line uint64, err error) {
	if session, line, idle := d.takeIdle(); idle {
		return session, line, nil
	}
	d.healing.Lock() // so that the new session is of the line that it is counted to
	defer d.healing.Unlock()
	d.mu.Lock()
	slot, line := d.slot, d.line
	d.mu.Unlock()
	err = d.module.changing(func() (err error) {
		session, err = d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		if err = d.loggedIn(session); err != nil { // all others were lost, and nobody has met it yet
			_ = d.module.raw.CloseSession(session)
		}
		return err
	})
	return session, line, err
}

func (d *device) takeIdle() (session pkcs11.SessionHandle, line uint64, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle)
	if n == 0 {
		return 0, 0, false
	}
	session, d.idle = d.idle[n-1], d.idle[:n-1]
	return session, d.line, true
}

// loggedIn returns CKR_USER_NOT_LOGGED_IN, or how the session itself is lost, if nobody is logged in.
func (d *device) loggedIn(session pkcs11.SessionHandle) error {
	info, err := d.module.raw.GetSessionInfo(session)
	if err == nil && info.State != pkcs11.CKS_RW_USER_FUNCTIONS {
		err = pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)
	}
	return err
}

// put keeps a session for the next call, unless it is one of those that were lost together. If the device was closed
// meanwhile, it closes the session.
func (d *device) put(session pkcs11.SessionHandle, line uint64) {
	d.mu.Lock()
	kept, late := line == d.line && !d.closed, line == d.line && d.closed
	if kept {
		d.idle = append(d.idle, session)
	}
	d.mu.Unlock()
	if late {
		_ = d.module.changing(func() error { return d.module.raw.CloseSession(session) })
	}
}

// stillLoggedIn is loggedIn for who was logged in after so many logins of the module had begun: one that was lost
// meanwhile, and made again, counts as lost.
func (d *device) stillLoggedIn(session pkcs11.SessionHandle, logins uint64) error {
	if err := d.loggedIn(session); err != nil {
		return err
	}
	if d.module.begun.Load() != logins {
		return pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)
	}
	return nil
}

// suspect voids the handles of objects, and has the next call look at session and login.
func (d *device) suspect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era++
	d.sound = false
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
	if settled, err := d.condition(); settled {
		return err
	}
	d.healing.Lock()
	defer d.healing.Unlock()
	if settled, err := d.condition(); settled { // by another call, meanwhile
		return err
	}
	var err error
	for range attempts {
		if err = d.establish(); !lost(err) {
			break
		}
	}
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

// condition reports whether there is nothing to be done about the device now: it is sound, or the error says why not.
func (d *device) condition() (settled bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return true, fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	case d.sound:
		return true, nil
	case d.fault != nil && (errors.Is(d.fault, hsm.ErrAuth) || time.Now().Before(d.after)):
		return true, d.fault
	}
	return false, nil
}

// establish may lose again what it has just opened: see lost.
func (d *device) establish() error {
	if err := d.module.revive(); err != nil {
		return explain("initializing the module again", err)
	}
	state, err := d.parkedState()
	if err != nil {
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
		if state, err = d.parkedState(); err != nil {
			return explain("opening a session", err)
		}
	}
	if state == pkcs11.CKS_RW_USER_FUNCTIONS {
		slot, _ := d.place()
		d.module.join(d, slot, false)
		return nil
	}
	return d.login()
}

// parkedState asks the module about the parked session. An error says that there is none.
func (d *device) parkedState() (state uint, err error) {
	d.mu.Lock()
	parked, line := d.parked, d.line
	d.mu.Unlock()
	if line == 0 {
		return 0, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID)
	}
	err = d.module.during(func() error {
		info, err := d.module.raw.GetSessionInfo(parked)
		if err == nil {
			state = info.State
			_, err = d.module.raw.GetTokenInfo(info.SlotID)
		}
		return err
	})
	return state, err
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
