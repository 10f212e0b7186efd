//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// A store's header says which key-encryption key seals new records:
//
//	version(1) KEK's label
const headerVersion = 1

func encodeHeader(kek string) []byte { return append([]byte{headerVersion}, kek...) }

func decodeHeader(b []byte) (kek string, err error) {
	if len(b) == 0 || b[0] != headerVersion {
		return "", &Error{Fault: fmt.Sprintf("the store's header is not of version %d", headerVersion), Remedy: "it was written by another version of this library, or by another backend", is: hsm.ErrCorrupt}
	}
	if err := checkKEKLabel(string(b[1:])); err != nil {
		return "", &Error{Fault: "the store's header holds no label of a key-encryption key", Remedy: "restore the store from a copy", is: hsm.ErrCorrupt}
	}
	return string(b[1:]), nil
}

// currentKEK returns the label of the key that seals new records. It is read anew for each record, since another process
// may change it.
func (t *Token) currentKEK(ctx context.Context) (string, error) {
	header, err := t.store.Header(ctx)
	if err != nil {
		return "", err
	}
	return decodeHeader(header)
}

// kekWait is how long Open waits for the process that claimed a new store to have generated its key.
const kekWait = 10 * time.Second

// prepareStore finds the key-encryption key of a store and tries it out, and generates it for a new one if wanted. Of
// several processes that open a new store together, the one that writes the header generates: two keys with one label
// would be none.
func (t *Token) prepareStore(ctx context.Context, c Config) error {
	header, err := t.store.Header(ctx)
	if err != nil {
		return err
	}
	if header != nil {
		label, err := decodeHeader(header)
		if err != nil {
			return err
		}
		err = t.awaitKEK(ctx, label, 0)
		if missing(err) && c.CreateKEK && t.empty(ctx) {
			// Another process is about to generate it, or was killed between the header and the key.
			if err = t.awaitKEK(ctx, label, kekWait); missing(err) {
				err = errors.Join(t.generateKEK(ctx, label), t.awaitKEK(ctx, label, 0))
			}
		}
		return err
	}
	label := c.kek()
	found := t.awaitKEK(ctx, label, 0)
	if found != nil && !(missing(found) && c.CreateKEK) {
		return found
	}
	if err := t.store.SetHeader(ctx, nil, encodeHeader(label)); errors.Is(err, store.ErrChanged) {
		return t.prepareStore(ctx, c)
	} else if err != nil || found == nil {
		return err
	}
	if err := t.generateKEK(ctx, label); err != nil {
		return err
	}
	return t.awaitKEK(ctx, label, 0)
}

// errMissing is in the error of a key-encryption key that is not in the token.
var errMissing = fmt.Errorf("%w: no such key-encryption key", hsm.ErrDenied)

func missing(err error) bool { return errors.Is(err, errMissing) }

// awaitKEK looks a key up and tries it out, again and again for a while if it is missing.
func (t *Token) awaitKEK(ctx context.Context, label string, wait time.Duration) error {
	for deadline := time.Now().Add(wait); ; {
		_, err := use(ctx, t.device, fmt.Sprintf("trying out key-encryption key %q", label), func(session pkcs11.SessionHandle) (*kek, error) {
			return t.kek(session, label)
		}, nil)
		if !missing(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// empty reports whether the store has no record.
func (t *Token) empty(ctx context.Context) bool {
	for range t.store.List(ctx) {
		return false
	}
	return true
}
