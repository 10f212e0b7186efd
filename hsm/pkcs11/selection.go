//go:build cgo && unix

package pkcs11

import (
	"fmt"
	"strings"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// selection is how a token is found in a module: by exactly one of the three.
type selection struct {
	label, serial string
	slot          *uint
}

func (s selection) check() error {
	given := 0
	for _, is := range []bool{s.label != "", s.serial != "", s.slot != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return &Error{Fault: fmt.Sprintf("%d ways to select a token", given), Remedy: "give exactly one of Token (its label), Serial and Slot"}
	}
	return nil
}

func (s selection) String() string {
	switch {
	case s.label != "":
		return fmt.Sprintf("with the label %q", s.label)
	case s.serial != "":
		return fmt.Sprintf("with the serial number %q", s.serial)
	}
	return fmt.Sprintf("in slot %d", *s.slot)
}

// crypto11 is the configuration of a context that is not logged in by itself: PKCS #11 logs in a whole process, and
// crypto11 would keep the PIN.
func (s selection) crypto11(path string) *crypto11.Config {
	c := &crypto11.Config{Path: path, TokenLabel: s.label, TokenSerial: s.serial, MaxSessions: 2, LoginNotSupported: true, GCMIVLength: ivSize}
	if s.slot != nil {
		slot := int(*s.slot)
		c.SlotNumber = &slot
	}
	return c
}

// find returns the slot of the one token that is meant.
func (s selection) find(m *module) (slot uint, token pkcs11.TokenInfo, err error) {
	slots, err := m.raw.GetSlotList(true)
	if err != nil {
		return 0, token, explain("listing the slots of the module", err)
	}
	var present []string
	found := 0
	for _, candidate := range slots {
		info, err := m.raw.GetTokenInfo(candidate)
		if err != nil {
			continue // a token that was taken out this moment, or is of another make
		}
		if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			present = append(present, fmt.Sprintf("%q with serial number %s in slot %d", info.Label, info.SerialNumber, candidate))
		}
		if s.slot != nil && *s.slot == candidate || s.label != "" && s.label == info.Label || s.serial != "" && s.serial == info.SerialNumber {
			slot, token = candidate, info
			found++
		}
	}
	list := "none"
	if len(present) > 0 {
		list = strings.Join(present, ", ")
	}
	switch {
	case found == 0:
		return 0, token, &Error{Fault: fmt.Sprintf("no token %s in module %s", s, m.path), Remedy: "insert it, or select one of those present: " + list, is: hsm.ErrUnavailable}
	case found > 1:
		return 0, token, &Error{Fault: fmt.Sprintf("%d tokens %s in module %s", found, s, m.path), Remedy: "select one by its serial number: " + list, is: hsm.ErrDenied}
	case token.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0:
		return 0, token, &Error{Fault: fmt.Sprintf("the token %s in module %s is not initialized", s, m.path), Remedy: "initialize it with its own program (softhsm2-util --init-token), or select one of those present: " + list, is: hsm.ErrDenied}
	}
	return slot, token, nil
}
