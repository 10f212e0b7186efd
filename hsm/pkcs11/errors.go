//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// Error says what is wrong with a module, a token or a key in it, and what to do. It wraps the sentinel of package hsm on
// which a caller branches.
type Error struct {
	Fault  string // what was found, and where
	Remedy string // what to do
	Code   uint   // what the module returned, a CKR_… value; 0 if the module did not fail

	is error
}

// Error gives fault, code and remedy in one line.
func (e *Error) Error() string {
	text := "pkcs11: " + e.Fault
	if e.Code != 0 {
		text += fmt.Sprintf(" (%s)", codeName(e.Code))
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// CodeName returns the module's code as a number and by its name, as in "0xA0: CKR_PIN_INCORRECT".
func (e *Error) CodeName() string { return codeName(e.Code) }

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.is }

func codeName(code uint) string {
	return pkcs11.Error(code).Error()[len("pkcs11: "):] // as in "0xA0: CKR_PIN_INCORRECT"
}

// class is what an error of the module means for the call that met it.
type class int

const (
	other       class = iota // the request's own fault, or a bug: reported
	lostSession              // this session is no more: another one is taken
	lostLogin                // nobody is logged in: log in again
	lostObject               // an object's handle is no more valid: look it up again
	finalized                // somebody finalized the module: initialize it again
	gone                     // the token or its device does not answer: back off
	busy                     // the token is out of sessions or memory: try later
	badPIN                   // never tried again: tokens lock after a few wrong ones
	forbidden                // the key's attributes or the token's policy do not allow it
	badData                  // what was to be decrypted is not what was encrypted
	vague                    // the module says no more than that it failed
)

// classify sorts what the module returned.
func classify(err error) class {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return other
	}
	switch uint(code) {
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_OPERATION_ACTIVE:
		return lostSession
	case pkcs11.CKR_USER_NOT_LOGGED_IN:
		return lostLogin
	case pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID:
		return lostObject
	case pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:
		return finalized
	case pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_DEVICE_ERROR,
		pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_FUNCTION_CANCELED:
		return gone
	case pkcs11.CKR_SESSION_COUNT, pkcs11.CKR_HOST_MEMORY, pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_CANT_LOCK:
		return busy
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED, pkcs11.CKR_USER_TYPE_INVALID, pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
		return badPIN
	case pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_ACTION_PROHIBITED, pkcs11.CKR_TOKEN_WRITE_PROTECTED,
		pkcs11.CKR_SESSION_READ_ONLY, pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_KEY_TYPE_INCONSISTENT:
		return forbidden
	case pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE:
		return badData
	case pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED:
		return vague
	}
	return other
}

// again reports whether a call that met the error is made again, with what it missed set right.
func (c class) again() bool {
	return c == lostSession || c == lostLogin || c == lostObject || c == finalized
}

// lost reports whether what explain made of an error, or left, says that session or login were lost.
func lost(err error) bool {
	var e *Error
	return errors.As(err, &e) && classify(pkcs11.Error(e.Code)).again()
}

// explain turns an error of the module, met while doing something to the token, into one for the caller. Errors that say
// already what to do are left alone.
func explain(doing string, err error) error {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return err
	}
	e := &Error{Fault: doing + " failed", Code: uint(code)}
	switch classify(err) {
	case lostSession, lostLogin, lostObject, finalized:
		e.is, e.Remedy = hsm.ErrUnavailable, "sessions are lost faster than they are made: see who else uses or resets the token"
	case gone, vague:
		e.is, e.Remedy = hsm.ErrUnavailable, "see that the token is in place and reachable; the next call tries again"
	case busy:
		e.is, e.Remedy = hsm.ErrUnavailable, "the token has no room: use fewer sessions, or end other programs that use it"
	case badPIN:
		e.is, e.Remedy = hsm.ErrAuth, pinRemedy(code)
	case forbidden:
		e.is, e.Remedy = hsm.ErrDenied, "the token's policy or the key's attributes forbid it"
	case badData:
		e.is, e.Remedy = hsm.ErrCorrupt, "restore the record from a copy"
	}
	return e
}

func pinRemedy(code pkcs11.Error) string {
	switch uint(code) {
	case pkcs11.CKR_PIN_LOCKED:
		return "the PIN is locked: the token's security officer has to set a new one"
	case pkcs11.CKR_PIN_EXPIRED:
		return "the PIN has expired: set a new one with the token's own program"
	case pkcs11.CKR_USER_PIN_NOT_INITIALIZED:
		return "the token has no user PIN: its security officer has to set one"
	case pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
		return "this program is logged in to the token as another user: log out first"
	}
	return "give the right PIN and open the token again; it is not tried a second time, because tokens lock after a few wrong ones"
}

// interrupted is the error of a call whose context ended before the token answered, or was asked.
func interrupted(ctx context.Context) error {
	return fmt.Errorf("pkcs11: the token did not answer in time: %w: %w", hsm.ErrUnavailable, ctx.Err())
}
