package software

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Generate implements hsm.Backend.
func (b *Backend) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), ctx.Err()); err != nil {
		return nil, err
	}
	if label != "" {
		stored, err := b.file.Lookup(label)
		if err == nil {
			return b.stored(ctx, stored)
		}
		if !errors.Is(err, keyfile.ErrNotFound) {
			return nil, translate(err)
		}
	}
	secretKey, err := keyshare.Generate()
	if err != nil {
		return nil, translate(err)
	}
	defer secretKey.Destroy()
	err = b.put(secretKey, label)
	if exists := (*keyfile.ExistsError)(nil); errors.As(err, &exists) && exists.Label == label {
		// Another call made the label's key meanwhile. The one made here was never shown to anybody.
		return b.reread(ctx, exists.PublicKey)
	}
	if err != nil {
		return nil, translate(err)
	}
	return b.reread(ctx, secretKey.PublicKey().Bytes())
}

// Import implements hsm.Backend.
func (b *Backend) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), ctx.Err()); err != nil {
		return nil, err
	}
	secretKey, err := envelope.CopySecret(k)
	if err != nil {
		return nil, fmt.Errorf("software: import: %w", err)
	}
	defer secretKey.Destroy()
	pk := secretKey.PublicKey().Bytes()
	err = b.put(secretKey, label)
	if exists := (*keyfile.ExistsError)(nil); errors.As(err, &exists) && (exists.PublicKey != pk || exists.Label != label) {
		return nil, &fault{hsm.ErrExists, fmt.Errorf("import of key %s with the label %q: %w", secretKey.PublicKey(), label, exists)}
	} else if err != nil && exists == nil {
		return nil, translate(err)
	}
	return b.reread(ctx, pk)
}

// put seals the key and stores the record durably.
func (b *Backend) put(k *keyshare.SecretKey, label string) error {
	r := keyfile.Record{PublicKey: k.PublicKey().Bytes(), Label: label}
	err := k.Use(func(plain []byte) (err error) {
		r.Sealed, err = b.dataKey.Seal(b.context(r), plain)
		return err
	})
	if err != nil {
		return err
	}
	return b.file.Put(r)
}

// context is what the sealed bytes of a record are bound to.
func (b *Backend) context(r keyfile.Record) []byte {
	id := b.file.ID()
	return slices.Concat([]byte("dvkeys/software key record v1\x00"), id[:], r.PublicKey[:], []byte(r.Label))
}

// reread returns the key of a record as it is stored now.
func (b *Backend) reread(ctx context.Context, pk [keyfile.PublicKeySize]byte) (hsm.Key, error) {
	r, err := b.file.Get(pk)
	if err != nil {
		return nil, translate(err)
	}
	return b.stored(ctx, r)
}

// stored returns the key of a record after a test signature. The record's own bytes are decrypted for it, whether or not
// the key is open already: they are what a later run will have to live on.
func (b *Backend) stored(ctx context.Context, r keyfile.Record) (hsm.Key, error) {
	secretKey, err := b.unseal(r)
	if err != nil {
		return nil, err
	}
	if err := hsm.TestSign(ctx, secretKey); err != nil {
		secretKey.Destroy()
		return nil, translate(err)
	}
	return b.admit(secretKey)
}

// unseal decrypts a record.
func (b *Backend) unseal(r keyfile.Record) (*keyshare.SecretKey, error) {
	plain, err := b.dataKey.Open(b.context(r), r.Sealed)
	if errors.Is(err, secret.ErrOpen) {
		return nil, &fault{hsm.ErrCorrupt, fmt.Errorf("record of key %#x does not open: it was altered, or belongs to another key, label or file", r.PublicKey)}
	}
	if err != nil {
		return nil, translate(err)
	}
	defer plain.Destroy()
	secretKey, err := keyshare.ParseSecretKey(plain.Bytes())
	if err != nil {
		return nil, &fault{hsm.ErrCorrupt, fmt.Errorf("record of key %#x: %w", r.PublicKey, err)}
	}
	if own := secretKey.PublicKey(); own.Bytes() != r.PublicKey {
		secretKey.Destroy()
		return nil, &fault{hsm.ErrCorrupt, fmt.Errorf("record of key %#x holds the key %s", r.PublicKey, own)}
	}
	return secretKey, nil
}

// Open implements hsm.Backend. A key stays open, its secret encrypted in memory, until it is deleted or the backend
// closed; opening it again costs nothing.
func (b *Backend) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	k, open := b.keys[pk]
	b.mu.Unlock()
	if open {
		return k, nil
	}
	r, err := b.file.Get(pk.Bytes())
	if err != nil {
		return nil, translate(err)
	}
	secretKey, err := b.unseal(r)
	if err != nil {
		return nil, err
	}
	return b.admit(secretKey)
}

// admit adds a key to the open ones, or returns the open one.
func (b *Backend) admit(secretKey *keyshare.SecretKey) (hsm.Key, error) {
	pk := secretKey.PublicKey()
	b.mu.Lock()
	defer b.mu.Unlock()
	if k, open := b.keys[pk]; open {
		secretKey.Destroy()
		return k, nil
	}
	// Again, because it may have been deleted since the record was read.
	if _, err := b.file.Get(pk.Bytes()); err != nil {
		secretKey.Destroy()
		return nil, translate(err)
	}
	k := &key{b, secretKey}
	b.keys[pk] = k
	return k, nil
}

// listPage is how many keys are listed at a time. No transaction is open while the loop's body runs.
const listPage = 256

// List implements hsm.Backend. Keys come in ascending order of their bytes.
func (b *Backend) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	return func(yield func(keyshare.PublicKey, error) bool) {
		var last []byte
		for {
			page, err := b.file.After(last, listPage)
			if err == nil && len(page) == 0 {
				return
			}
			for i := 0; err == nil && i < len(page); i++ {
				if err = ctx.Err(); err != nil {
					break
				}
				var pk keyshare.PublicKey
				if pk, err = keyshare.ParsePublicKey(page[i][:]); err != nil {
					err = &fault{hsm.ErrCorrupt, fmt.Errorf("record %#x: %w", page[i], err)}
					break
				}
				if !yield(pk, nil) {
					return
				}
				last = page[i][:]
			}
			if err != nil {
				yield(keyshare.PublicKey{}, translate(err))
				return
			}
		}
	}
}

// Delete implements hsm.Backend. The record's sealed bytes remain in unused pages of the file for a while, and in copies
// of it.
func (b *Backend) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.file.Delete(pk.Bytes()); err != nil {
		return translate(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if k, open := b.keys[pk]; open {
		k.secret.Destroy()
		delete(b.keys, pk)
	}
	return nil
}

// DangerouslyExport lends a key's secret to f, for as long as f runs. It is the one way for a secret to leave the
// backend, for moving to another signer (an EIP-2335 keystore, say): a key that signs in two places is slashed. Whoever
// calls it takes over the protection of what f copies.
func (b *Backend) DangerouslyExport(ctx context.Context, pk keyshare.PublicKey, f func(keyshare.Secret) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := b.file.Get(pk.Bytes())
	if err != nil {
		return translate(err)
	}
	secretKey, err := b.unseal(r)
	if err != nil {
		return err
	}
	defer secretKey.Destroy()
	return f(secretKey)
}
