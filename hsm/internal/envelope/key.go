package envelope

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// key is an open key: its record, which the sealer opens for each call, or with a cache the secret itself.
type key struct {
	backend *Backend
	public  keyshare.PublicKey
	secret  *keyshare.SecretKey // nil without a cache

	mu      sync.Mutex
	record  store.Record
	deleted bool
}

func (k *key) PublicKey() keyshare.PublicKey { return k.public }

// String returns the public key.
func (k *key) String() string { return k.public.String() }

// GoString returns the public key.
func (k *key) GoString() string { return k.public.String() }

// SignRoots opens the record into guarded memory, once for all roots, signs and wipes it.
func (k *key) SignRoots(ctx context.Context, roots ...keyshare.Root) (sigs []keyshare.Signature, err error) {
	if err := k.usable(ctx); err != nil || len(roots) == 0 {
		return nil, err
	}
	if k.secret != nil {
		sigs, err = k.secret.SignRoots(ctx, roots...)
		return sigs, k.explain(err)
	}
	_, plain, err := k.open(ctx)
	if err != nil {
		return nil, k.explain(err)
	}
	defer plain.Destroy()
	return keyshare.SignRoots(ctx, scalar(plain), roots...)
}

func (k *key) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	if err := errors.Join(hsm.CheckSplit(threshold, to), k.usable(ctx)); err != nil {
		return nil, nil, err
	}
	secretKey := k.secret
	if secretKey == nil {
		r, plain, err := k.open(ctx)
		if err != nil {
			return nil, nil, k.explain(err)
		}
		secretKey, err = k.backend.parse(r, plain)
		plain.Destroy()
		if err != nil {
			return nil, nil, k.explain(err)
		}
		defer secretKey.Destroy()
	}
	group, sealed, err := hsm.Split(ctx, secretKey, threshold, to)
	return group, sealed, k.explain(err)
}

// open has the sealer open the record. If it does not open, the record is read again: another process that shares the
// store may have sealed it anew, under a key that replaced this one's.
func (k *key) open(ctx context.Context) (store.Record, *secret.Buffer, error) {
	r := k.current()
	plain, err := k.backend.sealer.Open(ctx, r)
	if !errors.Is(err, hsm.ErrDenied) && !errors.Is(err, hsm.ErrCorrupt) {
		return r, plain, err
	}
	again, rerr := k.backend.store.Get(ctx, r.PublicKey)
	if errors.Is(rerr, hsm.ErrNotFound) {
		k.backend.forget(k.public)
		return r, nil, rerr
	}
	if rerr != nil || bytes.Equal(again.Sealed, r.Sealed) {
		return r, nil, err
	}
	if plain, err = k.backend.sealer.Open(ctx, again); err == nil {
		k.mu.Lock()
		k.record = again
		k.mu.Unlock()
	}
	return again, plain, err
}

func (k *key) current() store.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.record
}

func (k *key) usable(ctx context.Context) error {
	k.mu.Lock()
	deleted := k.deleted
	k.mu.Unlock()
	if deleted {
		return k.explain(secret.ErrDestroyed)
	}
	return k.backend.usable(ctx)
}

// explain says why the secret is gone, if that is what failed.
func (k *key) explain(err error) error {
	if err == nil {
		return nil
	}
	k.backend.mu.Lock()
	closed := k.backend.keys == nil
	k.backend.mu.Unlock()
	switch {
	case closed:
		return k.backend.closed()
	case errors.Is(err, secret.ErrDestroyed):
		return fmt.Errorf("%s: %w: key %s was deleted", k.backend.name, hsm.ErrNotFound, k.public)
	}
	return err
}

// destroy makes the key unusable.
func (k *key) destroy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deleted = true
	k.secret.Destroy()
}

// Record returns a key's record as this process knows it, for a caller that has a faster way to use many at a time. Another
// process may have sealed it anew meanwhile: the key itself notices. (It is no method, so that what embeds a Backend does
// not export it.)
func Record(ctx context.Context, b *Backend, pk keyshare.PublicKey) (store.Record, error) {
	opened, err := b.Open(ctx, pk)
	if err != nil {
		return store.Record{}, err
	}
	k := opened.(*key)
	return k.current(), k.usable(ctx)
}
