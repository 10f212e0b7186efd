//go:build cgo && unix

package pkcs11

import (
	"fmt"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// Config says which token to open and how to use it. Module, PIN and exactly one of Token, Serial and Slot are required.
type Config struct {
	Module string // path of the token's PKCS #11 library

	Token  string // label of the token
	Serial string // or its serial number
	Slot   *uint  // or the slot that it is in

	// PIN supplies the user PIN when it is needed. It may be nil for a token with a keypad of its own.
	PIN PIN

	// Store is where the sealed keys are kept; the token's Close closes it. Without a store the token keeps no BLS keys,
	// and can be used for operators' RSA keys only.
	Store store.Store

	// KEK is the label of the token's AES-256 key that seals the keys of a new store; "" stands for DefaultKEK. A store
	// that has been used knows its own.
	KEK string

	// CreateKEK has Open generate the key in the token if a new store's is not there.
	CreateKEK bool

	// Sessions is how many calls the token serves at a time; 0 stands for 4. Each takes one of the token's sessions, of
	// which some devices have few. One more keeps the login, one is crypto11's; signing with RSA keys takes as many
	// again.
	Sessions int

	// Cache keeps the keys that are open in guarded memory, so that the token is asked once for each. Signing then goes
	// on when the token is gone or its key disabled, and the level is hsm.Enveloped.
	Cache bool
}

// DefaultKEK is the label of the key-encryption key of a new store where none is configured.
const DefaultKEK = "dvkeys-kek"

const defaultSessions = 4

// maxKEKLabel bounds the label of a key-encryption key, in bytes: its length has one byte in a record.
const maxKEKLabel = 64

func (c Config) check() error {
	if c.Module == "" {
		return &Error{Fault: "no module", Remedy: "set Module to the path of the token's PKCS #11 library"}
	}
	if c.Sessions < 0 {
		return &Error{Fault: fmt.Sprintf("%d sessions", c.Sessions), Remedy: "give a positive number, or 0 for the default"}
	}
	if err := checkKEKLabel(c.kek()); err != nil {
		return err
	}
	return c.selection().check()
}

func checkKEKLabel(label string) error {
	if err := hsm.CheckLabel(label); err != nil || label == "" || len(label) > maxKEKLabel {
		return &Error{Fault: fmt.Sprintf("label %q of a key-encryption key", label), Remedy: fmt.Sprintf("give 1 to %d bytes of printable ASCII", maxKEKLabel)}
	}
	return nil
}

func (c Config) selection() selection { return selection{c.Token, c.Serial, c.Slot} }

func (c Config) kek() string {
	if c.KEK == "" {
		return DefaultKEK
	}
	return c.KEK
}

func (c Config) sessions() int {
	if c.Sessions == 0 {
		return defaultSessions
	}
	return c.Sessions
}
