//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"iter"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Generate implements hsm.Backend. The secret is made in this process, from crypto/rand, and sealed by the token.
func (t *Token) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	return t.keys.Generate(ctx, label)
}

// Import implements hsm.Backend.
func (t *Token) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	return t.keys.Import(ctx, label, k)
}

// Open implements hsm.Backend. It reads the record; the token is asked when the key signs, or now if there is a cache.
func (t *Token) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	return t.keys.Open(ctx, pk)
}

// List implements hsm.Backend. Keys come in ascending order of their bytes.
func (t *Token) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	if err := t.usable(ctx); err != nil {
		return func(yield func(keyshare.PublicKey, error) bool) { yield(keyshare.PublicKey{}, err) }
	}
	return t.keys.List(ctx)
}

// Delete implements hsm.Backend. Another process that shares the store and has the key open can use it until it opens
// it anew; to stop it at once, disable the key-encryption key. Sealed bytes remain in backups, and in unused pages of a
// store for a while.
func (t *Token) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	return t.keys.Delete(ctx, pk)
}

// SignAll signs one root with many keys of the store, in order, and holds one of the token's sessions for all of them.
// It fails as a whole.
func (t *Token) SignAll(ctx context.Context, root keyshare.Root, keys ...keyshare.PublicKey) ([]keyshare.Signature, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	if t.cache {
		return t.signEach(ctx, root, keys)
	}
	records := make([]store.Record, len(keys))
	for i, pk := range keys {
		r, err := envelope.Record(ctx, t.keys, pk)
		if err != nil {
			return nil, err
		}
		records[i] = r
	}
	sigs, err := use(ctx, t.device, "signing with many keys", func(session pkcs11.SessionHandle) ([]keyshare.Signature, error) {
		sigs := make([]keyshare.Signature, 0, len(records))
		for _, r := range records {
			plain, err := t.unseal(session, r)
			if err != nil {
				return nil, err
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
	if errors.Is(err, hsm.ErrDenied) || errors.Is(err, hsm.ErrCorrupt) {
		return t.signEach(ctx, root, keys) // they may have been sealed anew by another process, which each key notices
	}
	return sigs, err
}

// signEach signs with one key after the other.
func (t *Token) signEach(ctx context.Context, root keyshare.Root, keys []keyshare.PublicKey) ([]keyshare.Signature, error) {
	sigs := make([]keyshare.Signature, 0, len(keys))
	for _, pk := range keys {
		k, err := t.keys.Open(ctx, pk)
		if err != nil {
			return nil, err
		}
		made, err := k.SignRoots(ctx, root)
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, made...)
	}
	return sigs, nil
}

// sealer has a token seal the records of its store. It implements envelope.Sealer.
type sealer struct{ *Token }

func (s sealer) Seal(ctx context.Context, r store.Record, k *keyshare.SecretKey) ([]byte, error) {
	kek, err := s.currentKEK(ctx)
	if err != nil {
		return nil, err
	}
	return use(ctx, s.device, "sealing a key", func(session pkcs11.SessionHandle) (sealed []byte, err error) {
		err = k.Use(func(plain []byte) error { // here, since nobody may wait for the token any more
			sealed, err = s.seal(session, r, kek, plain)
			return err
		})
		return sealed, err
	}, nil)
}

func (s sealer) Open(ctx context.Context, r store.Record) (*secret.Buffer, error) {
	return use(ctx, s.device, "opening a key", func(session pkcs11.SessionHandle) (*secret.Buffer, error) {
		return s.unseal(session, r)
	}, (*secret.Buffer).Destroy)
}

// rotated is a token's store, where new records are sealed under the key-encryption key that is current once they are
// stored.
type rotated struct {
	store.Store
	token *Token
}

func (s rotated) Put(ctx context.Context, r store.Record) error {
	if err := s.Store.Put(ctx, r); err != nil {
		return err
	}
	// A rotation that began before the record was stored, and did not see it, has changed the header by now.
	sealed, _, err := cutRecord(r)
	if err != nil {
		return err
	}
	now, err := s.token.currentKEK(ctx)
	if err == nil && now != sealed {
		_, err = s.token.rewrap(ctx, r.PublicKey, now)
	}
	return err
}
