//go:build cgo && unix

package pkcs11

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// module is a loaded PKCS #11 library. There is one for each in a process, however many tokens are opened in it, and it
// counts them: C_Initialize and C_Finalize work for the whole process, so the first token initializes and the last one
// finalizes, and neither is done if another part of the program had initialized the library before.
//
// # crypto11
//
// Package crypto11, which signs with RSA keys here, insists on calling C_Initialize itself and gives up when that was done
// already; and its last Close calls C_Finalize whoever else uses the library. So it is the one that initializes: the
// module holds a crypto11 context, the anchor, from the first token to the last. It is not logged in and nobody uses it;
// while it is there, crypto11's own counter cannot reach zero, and other contexts of crypto11 can be opened and closed.
// Everything else tolerates CKR_CRYPTOKI_ALREADY_INITIALIZED. If another part of the program initialized the library,
// there is no anchor, and only what crypto11 does is missing.
type module struct {
	path     string
	raw      *pkcs11.Ctx
	cryptoki cryptoki

	// Below: guarded by modules.

	tokens int               // that are open
	given  string            // the path as the first of them gave it, by which crypto11 tells modules apart
	mine   bool              // initialized by this package, or by crypto11 for it
	anchor *crypto11.Context // nil if the library was initialized by others

	// churn keeps sessions of SoftHSM from being opened and closed while others are in use: version 2.6.1 dies of it
	// now and then (SoftHSMv2 issue 688). Nor are objects made or removed meanwhile: that fails now and then, with
	// CKR_GENERAL_ERROR (issue 573). That goes for the sessions of this package and of its contexts of crypto11, but
	// not for questions that need no session (C_GetInfo, C_GetTokenInfo and the like), for the anchor, which comes before the
	// first token and goes after the last, nor for what other parts of the program do.
	churn   sync.RWMutex
	fragile bool

	running atomic.Int64 // calls, some of which nobody may wait for any more

	begun atomic.Uint64 // logins of this package, to any of its tokens

	loginMu sync.Mutex
	logins  map[uint]*login // by slot
}

// login is shared by all sessions of this process with one token, also those of other parts of the program.
type login struct {
	devices map[*device]bool // that rely on it
	mine    bool             // made by one of them
}

var modules struct {
	sync.Mutex
	loaded map[string]*module // by path without symbolic links; never unloaded
}

// acquire loads and initializes the library at path for one more token.
func acquire(path string, which selection) (*module, error) {
	modules.Lock()
	defer modules.Unlock()
	m, err := find(path)
	if err != nil {
		return nil, err
	}
	if m.tokens == 0 {
		if err := m.initialize(path, which); err != nil {
			return nil, err
		}
	}
	m.tokens++
	return m, nil
}

// find returns the loaded library.
func find(path string) (*module, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, &Error{Fault: fmt.Sprintf("module %s: %v", path, errors.Unwrap(err)), Remedy: "give the path of the token's PKCS #11 library, such as /usr/lib/softhsm/libsofthsm2.so"}
	}
	if m := modules.loaded[real]; m != nil {
		return m, nil
	}
	m := &module{path: real}
	if m.cryptoki, err = load(real); err != nil {
		return nil, &Error{Fault: fmt.Sprintf("module %s cannot be loaded: %v", path, err), Remedy: "give a PKCS #11 library that is made for this system, and see that what it needs is installed"}
	}
	if m.raw = pkcs11.New(real); m.raw == nil {
		return nil, &Error{Fault: fmt.Sprintf("module %s cannot be loaded a second time", path), is: hsm.ErrUnavailable}
	}
	if modules.loaded == nil {
		modules.loaded = map[string]*module{}
	}
	modules.loaded[real] = m
	return m, nil
}

// initialize has crypto11 initialize the library, or does it itself where crypto11 cannot because the token is not found.
// The caller holds modules.
func (m *module) initialize(path string, which selection) error {
	if m.anchor == nil { // else finalize could not end it
		m.given = path
		if anchor, err := crypto11.Configure(which.crypto11(path)); err == nil {
			m.mine, m.anchor = true, anchor
		}
	}
	switch err := m.raw.Initialize(); {
	case err == nil:
		m.mine = true
	case !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED):
		m.finalize()
		return explain(fmt.Sprintf("initializing module %s", path), err)
	}
	info, err := m.raw.GetInfo()
	if err != nil {
		m.finalize()
		return explain(fmt.Sprintf("asking module %s what it is", path), err)
	}
	m.fragile = strings.Contains(info.ManufacturerID, "SoftHSM")
	return nil
}

// revive initializes a library again that somebody finalized while tokens were open.
func (m *module) revive() error {
	modules.Lock()
	defer modules.Unlock()
	if _, err := m.raw.GetInfo(); !isCode(err, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		return err
	}
	err := m.raw.Initialize()
	if isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil
	}
	return err
}

// release ends the use of the library by one token, and by this package with the last one. The caller has closed its
// sessions.
func (m *module) release() {
	modules.Lock()
	defer modules.Unlock()
	if m.tokens--; m.tokens == 0 {
		m.finalize()
	}
}

func (m *module) finalize() {
	if m.running.Load() > 0 {
		return // to finalize a library under a running call would be the end of the process; the next token goes on with it
	}
	if m.anchor != nil {
		m.anchor.Close() // finalizes, unless another part of the program uses crypto11 too
	} else if m.mine {
		m.raw.Finalize()
	}
	m.mine, m.anchor = false, nil
}

// anchored reports whether contexts of crypto11 can be opened.
func (m *module) anchored() bool {
	modules.Lock()
	defer modules.Unlock()
	return m.anchor != nil
}

// holding is during or changing: how a call is run.
type holding = func(call func() error) error

// during runs a call that uses sessions, while none is opened or closed, and no object made, if the library is fragile.
func (m *module) during(call func() error) error {
	m.churn.RLock()
	defer m.churn.RUnlock()
	return call()
}

// changing runs a call that opens or closes sessions, or makes or removes objects.
func (m *module) changing(call func() error) error {
	if !m.fragile {
		return m.during(call)
	}
	m.churn.Lock()
	defer m.churn.Unlock()
	return call()
}

func isCode(err error, code uint) bool {
	var got pkcs11.Error
	return errors.As(err, &got) && uint(got) == code
}

// join notes that a device relies on the login at a slot, and no more on one where the token was before, and whether it
// made it.
func (m *module) join(d *device, slot uint, made bool) {
	m.loginMu.Lock()
	defer m.loginMu.Unlock()
	if m.logins == nil {
		m.logins = map[uint]*login{}
	}
	for other, l := range m.logins {
		if other != slot {
			m.drop(d, other, l)
		}
	}
	l := m.logins[slot]
	if l == nil {
		l = &login{devices: map[*device]bool{}}
		m.logins[slot] = l
	}
	l.devices[d] = true
	l.mine = l.mine || made
}

// leave notes that a device relies on no login any more, and reports whether it is to log out: the login is not one of
// another part of the program and nobody else relies on it.
func (m *module) leave(d *device) (logout bool) {
	m.loginMu.Lock()
	defer m.loginMu.Unlock()
	for slot, l := range m.logins {
		if m.drop(d, slot, l) {
			return l.mine
		}
	}
	return false
}

// drop takes a device from those that rely on a login, and reports whether it was the last one.
func (m *module) drop(d *device, slot uint, l *login) (last bool) {
	if !l.devices[d] {
		return false
	}
	delete(l.devices, d)
	if len(l.devices) > 0 {
		return false
	}
	delete(m.logins, slot)
	return true
}
