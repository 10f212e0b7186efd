//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// key is an open key: its record, which the token opens for each call, or with a cache the secret itself.
type key struct {
	token  *Token
	public keyshare.PublicKey

	mu      sync.Mutex
	record  store.Record
	secret  *keyshare.SecretKey // nil without a cache
	deleted bool
}

func newKey(t *Token, r store.Record) (*key, error) {
	public, err := keyshare.ParsePublicKey(r.PublicKey[:])
	if err != nil {
		return nil, corrupt(r, err)
	}
	return &key{token: t, public: public, record: r}, nil
}

func (k *key) PublicKey() keyshare.PublicKey { return k.public }

// String returns the public key.
func (k *key) String() string { return k.public.String() }

// GoString returns the public key.
func (k *key) GoString() string { return k.public.String() }

// SignRoots has the token open the record into guarded memory, once for all roots, signs and wipes it.
func (k *key) SignRoots(ctx context.Context, roots ...keyshare.Root) (sigs []keyshare.Signature, err error) {
	err = k.withBytes(ctx, func(plain []byte) error {
		sigs, err = keyshare.SignRoots(ctx, plain, roots...)
		return err
	})
	if err != nil {
		return nil, k.explain(err)
	}
	return sigs, nil
}

func (k *key) Split(ctx context.Context, threshold int, to []keyshare.Operator) (group *keyshare.Group, sealed []keyshare.Sealed, err error) {
	if err := hsm.CheckSplit(threshold, to); err != nil {
		return nil, nil, err
	}
	err = k.withSecret(ctx, func(s *keyshare.SecretKey) error {
		group, sealed, err = hsm.Split(ctx, s, threshold, to)
		return err
	})
	if err != nil {
		return nil, nil, k.explain(err)
	}
	return group, sealed, nil
}

// withBytes lends the secret to f.
func (k *key) withBytes(ctx context.Context, f func(plain []byte) error) error {
	k.mu.Lock()
	cached, deleted := k.secret, k.deleted
	k.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("pkcs11: %w", ctx.Err())
	case deleted:
		return secret.ErrDestroyed
	case cached != nil:
		return cached.Use(f)
	case k.token.cache:
		return k.withSecret(ctx, func(s *keyshare.SecretKey) error { return s.Use(f) })
	}
	plain, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer plain.Destroy()
	return f(plaintext(plain))
}

// withSecret lends the secret, whose public key was computed and found to be the record's, to f. With a cache the key
// keeps it.
func (k *key) withSecret(ctx context.Context, f func(*keyshare.SecretKey) error) error {
	k.mu.Lock()
	cached, deleted := k.secret, k.deleted
	k.mu.Unlock()
	switch {
	case deleted:
		return secret.ErrDestroyed
	case cached != nil:
		return f(cached)
	}
	plain, err := k.open(ctx)
	if err != nil {
		return err
	}
	parsed, err := keyshare.ParseSecretKey(plaintext(plain))
	plain.Destroy()
	if err != nil {
		if errors.Is(err, keyshare.ErrSecretKey) {
			err = corrupt(k.record, errors.New("holds no secret key"))
		}
		return err
	}
	if parsed.PublicKey() != k.public {
		err := corrupt(k.record, fmt.Errorf("holds the key %s", parsed.PublicKey()))
		parsed.Destroy()
		return err
	}
	if k.token.cache {
		if parsed = k.keep(parsed); parsed == nil {
			return secret.ErrDestroyed
		}
	} else {
		defer parsed.Destroy()
	}
	return f(parsed)
}

// keep puts a secret into the cache and returns the one that is there.
func (k *key) keep(parsed *keyshare.SecretKey) *keyshare.SecretKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.secret != nil || k.deleted {
		parsed.Destroy()
		return k.secret
	}
	k.secret = parsed
	return parsed
}

// open has the token open the record.
func (k *key) open(ctx context.Context) (*secret.Buffer, error) {
	return use(ctx, k.token.device, "opening a key", func(session pkcs11.SessionHandle) (*secret.Buffer, error) {
		return k.unseal(ctx, session)
	}, (*secret.Buffer).Destroy)
}

// unseal opens the record. If it does not open, it is read again: another process that shares the store may have sealed it
// anew, under a key-encryption key that replaced this one's.
func (k *key) unseal(ctx context.Context, session pkcs11.SessionHandle) (*secret.Buffer, error) {
	k.mu.Lock()
	r, deleted := k.record, k.deleted
	k.mu.Unlock()
	if deleted {
		return nil, secret.ErrDestroyed
	}
	plain, err := k.token.unseal(session, r)
	if classify(err) != forbidden && !errors.Is(err, hsm.ErrDenied) && !errors.Is(err, hsm.ErrCorrupt) {
		return plain, err
	}
	again, rerr := k.token.store.Get(ctx, r.PublicKey)
	if errors.Is(rerr, hsm.ErrNotFound) {
		k.token.forget(k.public)
		return nil, rerr
	}
	if rerr != nil || bytes.Equal(again.Sealed, r.Sealed) {
		return nil, err
	}
	if plain, err = k.token.unseal(session, again); err == nil {
		k.mu.Lock()
		k.record = again
		k.mu.Unlock()
	}
	return plain, err
}

// explain says why the secret is gone, if that is what failed.
func (k *key) explain(err error) error {
	if !errors.Is(err, secret.ErrDestroyed) {
		return err
	}
	k.token.mu.Lock()
	closed := k.token.keys == nil
	k.token.mu.Unlock()
	if closed {
		return fmt.Errorf("pkcs11: %w", hsm.ErrClosed)
	}
	return fmt.Errorf("pkcs11: %w: key %s was deleted", hsm.ErrNotFound, k.public)
}

// destroy makes the key unusable.
func (k *key) destroy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deleted = true
	if k.secret != nil {
		k.secret.Destroy()
	}
}

// SignAll signs one root with many keys of the store, in order, and holds one of the token's sessions for all of them.
// It fails as a whole.
func (t *Token) SignAll(ctx context.Context, root keyshare.Root, keys ...keyshare.PublicKey) ([]keyshare.Signature, error) {
	open := make([]*key, len(keys))
	for i, pk := range keys {
		k, err := t.Open(ctx, pk)
		if err != nil {
			return nil, err
		}
		open[i] = k.(*key)
	}
	if t.cache {
		sigs := make([]keyshare.Signature, len(open))
		for i, k := range open {
			made, err := k.SignRoots(ctx, root)
			if err != nil {
				return nil, err
			}
			sigs[i] = made[0]
		}
		return sigs, nil
	}
	return use(ctx, t.device, "signing with many keys", func(session pkcs11.SessionHandle) ([]keyshare.Signature, error) {
		sigs := make([]keyshare.Signature, 0, len(open))
		for _, k := range open {
			plain, err := k.unseal(ctx, session)
			if err != nil {
				return nil, k.explain(err)
			}
			made, err := keyshare.SignRoots(ctx, plaintext(plain), root)
			plain.Destroy()
			if err != nil {
				return nil, err
			}
			sigs = append(sigs, made...)
		}
		return sigs, nil
	}, nil)
}
