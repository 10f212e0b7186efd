package software

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// key is an open key. Its secret is encrypted in ordinary memory and decrypted into guarded memory for each use.
type key struct {
	backend *Backend
	secret  *keyshare.SecretKey
}

func (k *key) PublicKey() keyshare.PublicKey { return k.secret.PublicKey() }

// String returns the public key.
func (k *key) String() string { return k.secret.String() }

func (k *key) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	sigs, err := k.secret.SignRoots(ctx, roots...)
	return sigs, k.explain(err)
}

func (k *key) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	group, sealed, err := hsm.Split(ctx, k.secret, threshold, to)
	return group, sealed, k.explain(err)
}

// explain says why the secret is gone, if that is what failed.
func (k *key) explain(err error) error {
	if !errors.Is(err, secret.ErrDestroyed) {
		return translate(err)
	}
	k.backend.mu.Lock()
	closed := k.backend.keys == nil
	k.backend.mu.Unlock()
	if closed {
		return &fault{hsm.ErrClosed, errors.New("the key file is closed")}
	}
	return &fault{hsm.ErrNotFound, fmt.Errorf("key %s was deleted", k.PublicKey())}
}
