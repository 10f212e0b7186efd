//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/hsm/store"
)

// Token is an open token. It implements hsm.Backend for the keys in its store, and gives the RSA keys of SSV operators
// that live in it.
type Token struct {
	device *device
	store  store.Store       // nil if it keeps no keys
	keys   *envelope.Backend // in the store; nil without one
	cache  bool
	info   hsm.Info

	kekMu   sync.Mutex
	keks    map[string]*kek // by label
	lookups atomic.Int64    // of key-encryption keys in the token, for tests

	mu       sync.Mutex
	closed   bool
	identity *identity // what crypto11 needs; nil before the first use

	rotating chan struct{} // a ticket for the one rotation at a time
}

// Open loads the module, finds the token, logs in, and tries out what it will need: the store's key-encryption key is
// looked up, its attributes are checked, and something is encrypted and decrypted with it. What Open returns works.
//
// A fault is an *Error that says what to do. It wraps hsm.ErrAuth for a wrong or missing PIN, which is not tried a second
// time; hsm.ErrUnavailable if the token is not there or does not answer; hsm.ErrDenied if the token or its
// key-encryption key must not or cannot be used; hsm.ErrCorrupt if the store's header makes no sense. The store is closed
// when Open fails.
func Open(ctx context.Context, c Config) (*Token, error) {
	t, err := open(ctx, c)
	if err != nil && c.Store != nil {
		err = errors.Join(err, c.Store.Close())
	}
	return t, err
}

func open(ctx context.Context, c Config) (*Token, error) {
	opened, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	t := &Token{device: opened, store: c.Store, cache: c.Cache, keks: map[string]*kek{}, rotating: make(chan struct{}, 1)}
	t.info = t.measure()
	if t.store != nil {
		if err := t.prepareStore(ctx, c); err != nil {
			opened.release()
			return nil, err
		}
		t.keys = envelope.New("pkcs11", t.info, sealer{t}, rotated{t.store, t}, t.cache)
	}
	return t, nil
}

// connect loads the module, finds the token and logs in.
func connect(ctx context.Context, c Config) (*device, error) {
	if err := errors.Join(c.check(), ctx.Err()); err != nil {
		return nil, err
	}
	return await(ctx, func() (*device, error) {
		m, err := acquire(c.Module, c.selection())
		if err != nil {
			return nil, err
		}
		d, err := openDevice(m, c.selection(), c.PIN, c.sessions())
		if err != nil {
			m.release()
		}
		return d, err
	}, (*device).release)
}

// release closes a device and ends its use of the module.
func (d *device) release() {
	if d.close() {
		d.module.release()
	}
}

// measure says what the token is. That it is hardware is believed only if the module says so of the slot and the token
// is not known to be software.
func (t *Token) measure() hsm.Info {
	number, token := t.device.place()
	info := hsm.Info{
		Kind:       "pkcs11",
		Device:     fmt.Sprintf("token %q, serial number %s, %s %s", token.Label, token.SerialNumber, token.ManufacturerID, token.Model),
		Protection: hsm.JustInTime,
	}
	if t.cache {
		info.Protection = hsm.Enveloped
	}
	slot, err := t.device.module.raw.GetSlotInfo(number)
	info.HardwareBacked = err == nil && slot.Flags&pkcs11.CKF_HW_SLOT != 0 && !isSoftware(token.ManufacturerID+" "+token.Model+" "+slot.ManufacturerID+" "+slot.SlotDescription)
	return info
}

// isSoftware reports whether a token's names are those of one that is a program.
func isSoftware(names string) bool {
	names = strings.ToLower(names)
	for _, program := range []string{"softhsm", "soft token", "software token", "nss generic", "kryoptic", "dvkeys"} {
		if strings.Contains(names, program) {
			return true
		}
	}
	return false
}

// Info says what the token is. The level is hsm.JustInTime, or hsm.Enveloped with a cache.
func (t *Token) Info() hsm.Info { return t.info }

// String names the backend and its device.
func (t *Token) String() string { return "PKCS #11 " + t.info.Device }

func (t *Token) label() string { return t.device.label() }

// Close implements hsm.Backend. It wipes what the cache holds, closes the store, and logs out unless other tokens of this
// process or other parts of the program rely on the login. The module is finalized with the last token, if this package
// initialized it.
func (t *Token) Close() error {
	t.mu.Lock()
	closed, id := t.closed, t.identity
	t.closed, t.identity = true, nil
	t.mu.Unlock()
	if closed {
		return nil
	}
	var err error
	if t.keys != nil {
		err = t.keys.Close()
	}
	id.close(t.device.module)
	t.device.release()
	return err
}

// usable says why the token keeps no keys, if so.
func (t *Token) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	case t.keys == nil:
		return &Error{Fault: "the token was opened without a store for keys", Remedy: "set Store in the configuration", is: hsm.ErrDenied}
	}
	return nil
}
