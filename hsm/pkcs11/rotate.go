//go:build cgo && unix

package pkcs11

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// Rotate seals all keys of the store under another key-encryption key of the token, which it generates if there is none
// with that label, and returns how many it sealed anew. Keys can be used, made and deleted meanwhile, by this process and
// by others that share the store: each record says itself which key-encryption key opens it. Call it in one process: two
// that do not find the new key at the same time would both generate it.
//
// After a crash or an error the same call goes on where it stopped. When Rotate has returned without an error, nothing in
// the store needs the former key-encryption key any more, and it can be destroyed with the token's own program: old
// copies of the store are worth nothing then. A process that has keys open notices when the former key is gone, and reads
// its records again.
func (t *Token) Rotate(ctx context.Context, kek string) (rewrapped int, err error) {
	if err := errors.Join(checkKEKLabel(kek), t.usable(ctx)); err != nil {
		return 0, err
	}
	select {
	case t.rotating <- struct{}{}:
		defer func() { <-t.rotating }()
	case <-ctx.Done():
		return 0, fmt.Errorf("pkcs11: another rotation goes on: %w: %w", hsm.ErrUnavailable, ctx.Err())
	}
	if err := t.awaitKEK(ctx, kek, 0); missing(err) {
		if err := t.generateKEK(ctx, kek); err != nil {
			return 0, err
		}
		if err := t.awaitKEK(ctx, kek, 0); err != nil {
			return 0, err
		}
	} else if err != nil {
		return 0, err
	}
	// First new records: whoever stores one under the former key after this sees the new header and seals it again.
	for {
		header, err := t.store.Header(ctx)
		if err != nil {
			return 0, err
		}
		current, err := decodeHeader(header)
		if err != nil {
			return 0, err
		}
		if current == kek {
			break
		}
		if err := t.store.SetHeader(ctx, header, encodeHeader(kek)); err == nil {
			break
		} else if !errors.Is(err, store.ErrChanged) {
			return 0, err
		}
	}
	for pk, err := range t.store.List(ctx) {
		if err != nil {
			return rewrapped, err
		}
		done, err := t.rewrap(ctx, pk, kek)
		if err != nil && !errors.Is(err, hsm.ErrNotFound) {
			return rewrapped, fmt.Errorf("pkcs11: key %#x could not be sealed under %q: %w", pk, kek, err)
		}
		if done {
			rewrapped++
		}
	}
	return rewrapped, nil
}

// rewrap seals a record under a key-encryption key unless it is already. The new seal is opened, and compared in guarded
// memory, before it replaces the old one.
func (t *Token) rewrap(ctx context.Context, pk [store.PublicKeySize]byte, kek string) (done bool, err error) {
	for {
		r, err := t.store.Get(ctx, pk)
		if err != nil {
			return false, err
		}
		if current, _, err := cutRecord(r); err != nil || current == kek {
			return false, err
		}
		next, err := use(ctx, t.device, "sealing a key anew", func(session pkcs11.SessionHandle) ([]byte, error) {
			return t.reseal(session, r, kek)
		}, nil)
		if err != nil {
			return false, err
		}
		err = t.store.Replace(ctx, pk, r.Sealed, next)
		if !errors.Is(err, store.ErrChanged) {
			return err == nil, err
		}
	}
}

func (t *Token) reseal(session pkcs11.SessionHandle, r store.Record, kek string) ([]byte, error) {
	plain, err := t.unseal(session, r)
	if err != nil {
		return nil, err
	}
	defer plain.Destroy()
	if r.Sealed, err = t.seal(session, r, kek, plaintext(plain)); err != nil {
		return nil, err
	}
	again, err := t.unseal(session, r)
	if err != nil {
		return nil, err
	}
	defer again.Destroy()
	if subtle.ConstantTimeCompare(plaintext(plain), plaintext(again)) != 1 {
		return nil, &Error{Fault: fmt.Sprintf("the token sealed key %#x wrongly", r.PublicKey), Remedy: "the token or its module is faulty: do not use it; the record is as it was", is: hsm.ErrDenied}
	}
	return r.Sealed, nil
}
