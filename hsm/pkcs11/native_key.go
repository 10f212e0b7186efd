//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

// nativeKey is a key in the token.
type nativeKey struct {
	backend *Native
	pk      keyshare.PublicKey
	id      []byte // CKA_ID
	label   string

	mu     sync.Mutex
	handle pkcs11.ObjectHandle
	era    uint64 // of the handle; see device
}

func (k *nativeKey) PublicKey() keyshare.PublicKey { return k.pk }

// String returns the public key.
func (k *nativeKey) String() string { return k.pk.String() }

// SignRoots signs in the token, one root after the other.
func (k *nativeKey) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	b, roots := k.backend, slices.Clone(roots) // for a call that may go on after this one has returned
	return use(ctx, b.device, "signing", func(s pkcs11.SessionHandle) ([]keyshare.Signature, error) {
		private, err := k.private(s)
		if err != nil {
			return nil, err
		}
		sigs := make([]keyshare.Signature, len(roots))
		for i := range roots {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("pkcs11: signing: %w", err)
			}
			signed, err := b.module.cryptoki.sign(s, private, b.profile.Sign, roots[i][:])
			if err != nil {
				return nil, err
			}
			if sigs[i], err = b.profile.parseSignature(signed); err != nil {
				return nil, err
			}
		}
		return sigs, nil
	}, nil)
}

// private returns the handle of the private key, and looks it up again if it may have become void.
func (k *nativeKey) private(s pkcs11.SessionHandle) (pkcs11.ObjectHandle, error) {
	era := k.backend.device.currentEra()
	k.mu.Lock()
	handle, known := k.handle, k.era == era
	k.mu.Unlock()
	if known {
		return handle, nil
	}
	handle, err := k.backend.privateOf(s, k.id)
	if errors.Is(err, hsm.ErrNotFound) {
		return 0, notFound(k.pk)
	}
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	k.handle, k.era = handle, era
	k.mu.Unlock()
	return handle, nil
}

// Split is not possible in a token: see Native. After the checks of its arguments it is hsm.ErrDenied.
func (k *nativeKey) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	if err := errors.Join(hsm.CheckSplit(threshold, to), ctx.Err()); err != nil {
		return nil, nil, err
	}
	if _, err := k.backend.find(ctx, k.pk); err != nil {
		return nil, nil, err
	}
	return nil, nil, &Error{
		Fault:  fmt.Sprintf("key %s is in the token, which signs with it and cannot split it", k.pk),
		Remedy: "split a key where it is made, such as in hsm/software, and import the shares",
		is:     hsm.ErrDenied,
	}
}
