package envelope

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/keyshare"
)

// Generate implements hsm.Backend. The secret is made in this process, from crypto/rand.
func (b *Backend) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), b.usable(ctx)); err != nil {
		return nil, err
	}
	if label != "" {
		stored, err := b.store.Lookup(ctx, label)
		if err == nil {
			return b.stored(ctx, stored)
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
	err = b.put(ctx, secretKey, label)
	if exists := (*store.ExistsError)(nil); errors.As(err, &exists) && exists.Label == label {
		// Another call made the label's key meanwhile. The one made here was never shown to anybody.
		return b.reread(ctx, exists.PublicKey)
	}
	if err != nil {
		return nil, err
	}
	return b.reread(ctx, secretKey.PublicKey().Bytes())
}

// Import implements hsm.Backend.
func (b *Backend) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), b.usable(ctx)); err != nil {
		return nil, err
	}
	secretKey, err := CopySecret(k)
	if err != nil {
		return nil, fmt.Errorf("%s: import: %w", b.name, err)
	}
	defer secretKey.Destroy()
	pk := secretKey.PublicKey().Bytes()
	err = b.put(ctx, secretKey, label)
	if exists := (*store.ExistsError)(nil); errors.As(err, &exists) {
		if exists.PublicKey != pk || exists.Label != label {
			return nil, fmt.Errorf("%s: import of key %s with the label %q: %w", b.name, secretKey.PublicKey(), label, exists)
		}
	} else if err != nil {
		return nil, err
	}
	return b.reread(ctx, pk)
}

// put seals a key and stores the record durably.
func (b *Backend) put(ctx context.Context, k *keyshare.SecretKey, label string) error {
	r := store.Record{PublicKey: k.PublicKey().Bytes(), Label: label}
	sealed, err := b.sealer.Seal(ctx, r, k)
	if err != nil {
		return err
	}
	r.Sealed = sealed
	return b.store.Put(ctx, r)
}

// reread returns the key of a record as it is stored now.
func (b *Backend) reread(ctx context.Context, pk [store.PublicKeySize]byte) (hsm.Key, error) {
	r, err := b.store.Get(ctx, pk)
	if err != nil {
		return nil, err
	}
	return b.stored(ctx, r)
}

// stored returns the key of a record after a test signature with the record's own bytes: they are what a later run will
// have to live on.
func (b *Backend) stored(ctx context.Context, r store.Record) (hsm.Key, error) {
	secretKey, err := b.unseal(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := hsm.TestSign(ctx, secretKey); err != nil {
		secretKey.Destroy()
		return nil, err
	}
	return b.admit(ctx, r, secretKey)
}

// Open implements hsm.Backend. It reads the record, which is opened when the key signs, or now if there is a cache.
func (b *Backend) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	k, open := b.keys[pk]
	b.mu.Unlock()
	if open {
		return k, nil
	}
	r, err := b.store.Get(ctx, pk.Bytes())
	if err != nil {
		return nil, err
	}
	var secretKey *keyshare.SecretKey
	if b.cache {
		if secretKey, err = b.unseal(ctx, r); err != nil {
			return nil, err
		}
	}
	return b.admit(ctx, r, secretKey)
}

// admit adds a key to the open ones, or returns the open one. It takes over secretKey, which may be nil.
func (b *Backend) admit(ctx context.Context, r store.Record, secretKey *keyshare.SecretKey) (hsm.Key, error) {
	if !b.cache {
		secretKey.Destroy()
		secretKey = nil
	}
	public, err := keyshare.ParsePublicKey(r.PublicKey[:])
	if err != nil {
		secretKey.Destroy()
		return nil, b.corrupt(r, err)
	}
	k := &key{backend: b, public: public, record: r, secret: secretKey}
	b.mu.Lock()
	open, found := b.keys[public]
	closed := b.keys == nil
	if !found && !closed {
		b.keys[public] = k
	}
	b.mu.Unlock()
	switch {
	case closed:
		k.destroy()
		return nil, b.closed()
	case found:
		k.destroy()
		return open, nil
	}
	// Again, because it may have been deleted since the record was read.
	if _, err := b.store.Get(ctx, r.PublicKey); err != nil {
		b.forget(public)
		return nil, err
	}
	return k, nil
}

// forget makes an open key unusable.
func (b *Backend) forget(pk keyshare.PublicKey) {
	b.mu.Lock()
	k := b.keys[pk]
	delete(b.keys, pk)
	b.mu.Unlock()
	if k != nil {
		k.destroy()
	}
}

// List implements hsm.Backend. Keys come in ascending order of their bytes.
func (b *Backend) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	return func(yield func(keyshare.PublicKey, error) bool) {
		if err := b.usable(ctx); err != nil {
			yield(keyshare.PublicKey{}, err)
			return
		}
		for raw, err := range b.store.List(ctx) {
			var pk keyshare.PublicKey
			if err == nil {
				if pk, err = keyshare.ParsePublicKey(raw[:]); err != nil {
					err = fmt.Errorf("%s: record %#x: %w: %w", b.name, raw, hsm.ErrCorrupt, err)
				}
			}
			if !yield(pk, err) || err != nil {
				return
			}
		}
	}
}

// Delete implements hsm.Backend. Another process that shares the store and has the key open with a cache can use it until
// it is closed.
func (b *Backend) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	err := b.store.Delete(ctx, pk.Bytes())
	if err == nil || errors.Is(err, hsm.ErrNotFound) { // another process may have deleted it
		b.forget(pk)
	}
	return err
}
