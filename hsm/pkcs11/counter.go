//go:build cgo && unix

package pkcs11

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
)

// Counter is a number in the token that only rises. It tells an old copy of a file from the file: what it implements is
// the counter of package signer/slashing, by which a history of signatures that was restored from a backup is refused.
//
// It is a private data object (CKO_DATA) with the number as its value, 8 bytes, big-endian. The token does not know that
// it must not fall: who has the PIN can lower it, so it finds accidents and thieves of disks, not its owner.
//
// A Counter is safe for concurrent use. It belongs to one process at a time, as the file does.
type Counter struct {
	device *device
	label  string
	turn   chan struct{} // holds one item while nobody raises
	known  uint64        // the number is at least that; guarded by turn
}

// counterApplication tells counters from other data objects.
const counterApplication = "dvkeys counter v1"

// CreateCounter makes a counter with a label in the token, which starts at 0, and tries out what it will need. If there
// is one already, the error is hsm.ErrExists.
func (t *Token) CreateCounter(ctx context.Context, label string) (*Counter, error) {
	c, err := t.counter(label)
	if err != nil {
		return nil, err
	}
	begun := false // this call, which is made again when the session is lost in the middle
	err = useAlone(ctx, t.device, c.doing("making"), func(session pkcs11.SessionHandle) error {
		values, err := c.values(session)
		if err == nil && len(values) > 0 && !begun {
			err = &Error{Fault: c.String() + " is there already", Remedy: "choose another label; for the file that it belongs to, use it", is: hsm.ErrExists}
		}
		if err != nil {
			return err
		}
		begun = true
		if err := c.put(session, 0, nil); err != nil {
			return err
		}
		if values, err = c.values(session); err != nil {
			return err
		}
		return c.put(session, 0, values) // as each later number takes the place of the one before
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Counter returns the counter with a label, or hsm.ErrNotFound: one that has vanished is not made anew by itself, because
// it would no longer know what the number was.
func (t *Token) Counter(ctx context.Context, label string) (*Counter, error) {
	c, err := t.counter(label)
	if err != nil {
		return nil, err
	}
	if _, err := c.Read(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (t *Token) counter(label string) (*Counter, error) {
	if err := hsm.CheckLabel(label); err != nil {
		return nil, err
	}
	if label == "" {
		return nil, errors.New("pkcs11: a counter needs a label")
	}
	c := &Counter{device: t.device, label: label, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c, nil
}

// String names the counter and its token.
func (c *Counter) String() string {
	return fmt.Sprintf("counter %q in the token %q", c.label, c.device.label())
}

func (c *Counter) doing(what string) string { return fmt.Sprintf("%s counter %q", what, c.label) }

// Read returns the number.
func (c *Counter) Read(ctx context.Context) (uint64, error) {
	return use(ctx, c.device, c.doing("reading"), func(session pkcs11.SessionHandle) (uint64, error) {
		values, err := c.values(session)
		if err != nil {
			return 0, err
		}
		return c.highest(values)
	}, nil)
}

// Raise makes the number at least n, for good. Callers that come while it runs wait, and need not ask the token if it
// then is high enough.
func (c *Counter) Raise(ctx context.Context, n uint64) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return interrupted(ctx)
	}
	defer func() { c.turn <- struct{}{} }()
	if n <= c.known {
		return nil
	}
	var number uint64
	err := useAlone(ctx, c.device, c.doing("raising"), func(session pkcs11.SessionHandle) error {
		values, err := c.values(session)
		if err != nil {
			return err
		}
		if number, err = c.highest(values); err != nil || number >= n {
			return err
		}
		number = n
		return c.put(session, n, values)
	})
	if err == nil {
		c.known = number
	}
	return err
}

// values returns the objects of the counter with their numbers: one, or more where a process was killed while it raised
// the number.
func (c *Counter) values(session pkcs11.SessionHandle) (map[pkcs11.ObjectHandle]uint64, error) {
	handles, err := c.device.search(session, c.template()...)
	if err != nil {
		return nil, err
	}
	values := make(map[pkcs11.ObjectHandle]uint64, len(handles))
	for _, h := range handles {
		got, err := c.device.module.raw.GetAttributeValue(session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
		if err != nil {
			return nil, err
		}
		if len(got[0].Value) != 8 {
			return nil, &Error{Fault: fmt.Sprintf("counter %q has a value of %d bytes, expected 8", c.label, len(got[0].Value)), Remedy: "see who changed it: what it counted is lost", is: hsm.ErrCorrupt}
		}
		values[h] = binary.BigEndian.Uint64(got[0].Value)
	}
	return values, nil
}

func (c *Counter) highest(values map[pkcs11.ObjectHandle]uint64) (number uint64, err error) {
	if len(values) == 0 {
		return 0, &Error{Fault: fmt.Sprintf("counter %q is not in the token %q", c.label, c.device.label()), Remedy: "insert the right token; for a new file, make the counter", is: hsm.ErrNotFound}
	}
	for _, v := range values {
		number = max(number, v)
	}
	return number, nil
}

// put makes an object with a number and then removes those that it replaces. An object is never changed, so that whenever
// the process or the token dies one stands that says no less than the last number that Raise returned for.
func (c *Counter) put(session pkcs11.SessionHandle, n uint64, replaced map[pkcs11.ObjectHandle]uint64) error {
	raw := c.device.module.raw
	_, err := raw.CreateObject(session, append(c.template(),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, binary.BigEndian.AppendUint64(nil, n)),
	))
	if err != nil {
		return err
	}
	for h, v := range replaced {
		if v > n {
			continue
		}
		if err := raw.DestroyObject(session, h); err != nil && classify(err) != lostObject {
			return err
		}
	}
	return nil
}

// template is what all objects of the counter have in common.
func (c *Counter) template() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.label),
		pkcs11.NewAttribute(pkcs11.CKA_APPLICATION, counterApplication),
	}
}
