//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// PIN supplies the token's user PIN when it is needed: when the token is opened, and when its login was lost. The bytes
// are wiped when the login is done.
type PIN func() ([]byte, error)

// maxPIN bounds what is read from a PIN file, in bytes.
const maxPIN = 255

// PINFile reads the PIN from a file, without one newline (LF or CR LF) at its end. A file that others than its owner and
// group can read is refused; so is an empty PIN.
func PINFile(path string) PIN {
	return func() ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("pkcs11: PIN file: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return nil, fmt.Errorf("pkcs11: PIN file: %w", err)
		}
		if mode := info.Mode().Perm(); mode&0o004 != 0 {
			return nil, fmt.Errorf("pkcs11: PIN file %s has mode %04o and everybody can read it, expected 0600: chmod o= %s", path, mode, path)
		}
		b := make([]byte, maxPIN+1) // not grown while it is read, which would leave copies
		n, err := io.ReadFull(file, b)
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			secret.Wipe(b)
			if err == nil {
				err = fmt.Errorf("it has more than %d bytes", maxPIN)
			}
			return nil, fmt.Errorf("pkcs11: PIN file %s: %w", path, err)
		}
		line, found := bytes.CutSuffix(b[:n], []byte("\n"))
		if found {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		return line, nil
	}
}

// login asks for the PIN and logs the user in.
func (d *device) login() error {
	d.mu.Lock()
	parked, slot, token := d.parked, d.slot, d.token
	d.mu.Unlock()
	keypad := token.Flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0
	var pin []byte
	switch {
	case d.pin != nil:
		given, err := d.pin()
		defer secret.Wipe(given)
		if err != nil {
			return &Error{Fault: fmt.Sprintf("no PIN: %v", err), Remedy: "the next call asks again", is: hsm.ErrUnavailable}
		}
		if len(given) == 0 && !keypad {
			return &Error{Fault: "the PIN is empty", Remedy: "supply it and open the token again", is: hsm.ErrAuth}
		}
		pin = given
	case !keypad:
		return &Error{Fault: "no PIN function given", Remedy: "set PIN in the configuration", is: hsm.ErrAuth}
	}
	d.module.begun.Add(1) // before what it counts can be seen
	err := d.module.during(func() error { return d.module.cryptoki.login(parked, pin) })
	already := isCode(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN)
	if err != nil && !already {
		return explain(fmt.Sprintf("login to the token %q", token.Label), err)
	}
	d.module.join(d, slot, !already)
	return nil
}
