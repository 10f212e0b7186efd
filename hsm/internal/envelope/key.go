package envelope

import (
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
	record  store.Record
	secret  *keyshare.SecretKey // nil without a cache

	mu      sync.Mutex
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
	plain, err := k.backend.sealer.Open(ctx, recordContext(k.record), k.record.Sealed)
	if err != nil {
		return nil, k.explain(err)
	}
	defer plain.Destroy()
	return keyshare.SignRoots(ctx, plain.Bytes(), roots...)
}

func (k *key) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	if err := errors.Join(hsm.CheckSplit(threshold, to), k.usable(ctx)); err != nil {
		return nil, nil, err
	}
	secretKey := k.secret
	if secretKey == nil {
		var err error
		if secretKey, err = k.backend.unseal(ctx, k.record); err != nil {
			return nil, nil, k.explain(err)
		}
		defer secretKey.Destroy()
	}
	group, sealed, err := hsm.Split(ctx, secretKey, threshold, to)
	return group, sealed, k.explain(err)
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
