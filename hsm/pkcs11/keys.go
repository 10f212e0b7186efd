//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/keyshare"
)

// Generate implements hsm.Backend. The secret is made in this process, from crypto/rand, and sealed by the token.
func (t *Token) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), t.usable(ctx)); err != nil {
		return nil, err
	}
	if label != "" {
		stored, err := t.store.Lookup(ctx, label)
		if err == nil {
			return t.stored(ctx, stored)
		}
		if !errors.Is(err, hsm.ErrNotFound) {
			return nil, err
		}
	}
	secretKey, err := keyshare.Generate()
	if err != nil {
		return nil, err
	}
	defer secretKey.Destroy()
	err = t.put(ctx, secretKey, label)
	if exists := (*store.ExistsError)(nil); errors.As(err, &exists) && exists.Label == label {
		// Another call made the label's key meanwhile. The one made here was never shown to anybody.
		return t.reread(ctx, exists.PublicKey)
	}
	if err != nil {
		return nil, err
	}
	return t.reread(ctx, secretKey.PublicKey().Bytes())
}

// Import implements hsm.Backend.
func (t *Token) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), t.usable(ctx)); err != nil {
		return nil, err
	}
	secretKey, err := envelope.CopySecret(k)
	if err != nil {
		return nil, fmt.Errorf("pkcs11: import: %w", err)
	}
	defer secretKey.Destroy()
	pk := secretKey.PublicKey().Bytes()
	err = t.put(ctx, secretKey, label)
	if exists := (*store.ExistsError)(nil); errors.As(err, &exists) {
		if exists.PublicKey != pk || exists.Label != label {
			return nil, fmt.Errorf("pkcs11: import of key %s with the label %q: %w", secretKey.PublicKey(), label, exists)
		}
	} else if err != nil {
		return nil, err
	}
	return t.reread(ctx, pk)
}

// put seals a key under the current key-encryption key and stores the record durably.
func (t *Token) put(ctx context.Context, k *keyshare.SecretKey, label string) error {
	kek, err := t.currentKEK(ctx)
	if err != nil {
		return err
	}
	r := store.Record{PublicKey: k.PublicKey().Bytes(), Label: label}
	r.Sealed, err = use(ctx, t.device, "sealing a key", func(session pkcs11.SessionHandle) (sealed []byte, err error) {
		err = k.Use(func(plain []byte) error {
			sealed, err = t.seal(session, r, kek, plain)
			return err
		})
		return sealed, err
	}, nil)
	if err != nil {
		return err
	}
	if err := t.store.Put(ctx, r); err != nil {
		return err
	}
	// A rotation that began before the record was stored, and did not see it, has changed the header by now.
	now, err := t.currentKEK(ctx)
	if err == nil && now != kek {
		_, err = t.rewrap(ctx, r.PublicKey, now)
	}
	return err
}

// reread returns the key of a record as it is stored now.
func (t *Token) reread(ctx context.Context, pk [store.PublicKeySize]byte) (hsm.Key, error) {
	r, err := t.store.Get(ctx, pk)
	if err != nil {
		return nil, err
	}
	return t.stored(ctx, r)
}

// stored returns the key of a record after a test signature with the record's own bytes: they are what a later run will
// have to live on. Its public key is compared too, once: afterwards the token's seal is believed.
func (t *Token) stored(ctx context.Context, r store.Record) (hsm.Key, error) {
	k, err := newKey(t, r)
	if err != nil {
		return nil, err
	}
	err = k.withSecret(ctx, func(s *keyshare.SecretKey) error { return hsm.TestSign(ctx, s) })
	if err != nil {
		k.destroy()
		return nil, err
	}
	return t.admit(ctx, k)
}

// Open implements hsm.Backend. It reads the record; the token is asked when the key signs, or now if there is a cache.
func (t *Token) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	k, open := t.keys[pk]
	t.mu.Unlock()
	if open {
		return k, nil
	}
	r, err := t.store.Get(ctx, pk.Bytes())
	if err != nil {
		return nil, err
	}
	if k, err = newKey(t, r); err != nil {
		return nil, err
	}
	if t.cache {
		if err := k.withSecret(ctx, func(*keyshare.SecretKey) error { return nil }); err != nil {
			return nil, err
		}
	}
	return t.admit(ctx, k)
}

// admit adds a key to the open ones, or returns the open one.
func (t *Token) admit(ctx context.Context, k *key) (hsm.Key, error) {
	t.mu.Lock()
	open, found := t.keys[k.public]
	closed := t.keys == nil
	if !found && !closed {
		t.keys[k.public] = k
	}
	t.mu.Unlock()
	switch {
	case closed:
		k.destroy()
		return nil, fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	case found:
		k.destroy()
		return open, nil
	}
	// Again, because it may have been deleted since the record was read.
	if _, err := t.store.Get(ctx, k.public.Bytes()); err != nil {
		t.forget(k.public)
		return nil, err
	}
	return k, nil
}

// forget makes an open key unusable.
func (t *Token) forget(pk keyshare.PublicKey) {
	t.mu.Lock()
	k := t.keys[pk]
	delete(t.keys, pk)
	t.mu.Unlock()
	if k != nil {
		k.destroy()
	}
}

// List implements hsm.Backend. Keys come in ascending order of their bytes.
func (t *Token) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	return func(yield func(keyshare.PublicKey, error) bool) {
		if err := t.usable(ctx); err != nil {
			yield(keyshare.PublicKey{}, err)
			return
		}
		for b, err := range t.store.List(ctx) {
			var pk keyshare.PublicKey
			if err == nil {
				if pk, err = keyshare.ParsePublicKey(b[:]); err != nil {
					err = &Error{Fault: fmt.Sprintf("record %#x: %v", b, err), Remedy: "restore the store from a copy", is: hsm.ErrCorrupt}
				}
			}
			if !yield(pk, err) || err != nil {
				return
			}
		}
	}
}

// Delete implements hsm.Backend. Another process that shares the store and has the key open can use it until it opens
// it anew; to stop it at once, disable the key-encryption key. Sealed bytes remain in backups, and in unused pages of a
// store for a while.
func (t *Token) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if err := t.store.Delete(ctx, pk.Bytes()); err != nil {
		return err
	}
	t.forget(pk)
	return nil
}
