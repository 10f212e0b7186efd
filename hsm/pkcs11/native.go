//go:build cgo && unix

package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/keyshare"
)

// Native is a token whose own mechanism signs BLS12-381. It implements hsm.Backend; keys are generated and used in the
// token and are in this process at no time, but for those that are imported, during the import.
//
// # What is stored
//
// Each key is a private and a public token object, which have the same CKA_ID; the label is the CKA_LABEL of both. A key
// counts when both are there. Keys that another program makes in this way are seen too.
//
// # What it cannot do
//
// A key cannot be split: PKCS #11 has nothing that computes with a secret and gives out ciphertexts, and a token that
// could give the key out would not protect it. Split is hsm.ErrDenied. Split a key where it is made (hsm/software, or a
// key generation without a dealer), and import the shares.
//
// A token cannot refuse a second object with a label that is there already. Of several processes that call Generate with
// one label at the same time, each may make a key; later calls then fail and name the label.
type Native struct {
	token   *Token
	device  *device
	module  *module
	profile Profile
	info    hsm.Info

	changing chan struct{} // a ticket for who makes or deletes keys
}

// OpenNative opens a token as Open does and has it sign by its own mechanism. The configuration has no store: the token
// keeps the keys.
//
// It has the token make a key that lasts no longer than a session, sign with it, and verifies the signature by both BLS
// libraries. A token that signs in any other way than Ethereum, or than its profile says, is a *MismatchError.
func OpenNative(ctx context.Context, c Config, p Profile) (*Native, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if c.Store != nil || c.Cache || c.CreateKEK {
		return nil, &Error{Fault: "a store, a cache or a key-encryption key for a token that keeps the keys itself", Remedy: "leave Store, Cache and CreateKEK out"}
	}
	t, err := Open(ctx, c)
	if err != nil {
		return nil, err
	}
	b := &Native{token: t, device: t.device, module: t.device.module, profile: p, changing: make(chan struct{}, 1)}
	b.info = b.measure()
	if err := b.selfTest(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return b, nil
}

// testTokens is the manufacturer of package testtoken's token, a program that keeps the keys in a process of its own.
const testTokens = "dvkeys testtoken"

// measure says what the token is. That it is hardware is believed if Open believes it, or if it is of the model that the
// profile is for; a program that is not known to be another process may be in this one.
func (b *Native) measure() hsm.Info {
	info := b.token.Info()
	_, token := b.device.place()
	if b.profile.Model != "" && token.Model == b.profile.Model && !isSoftware(token.ManufacturerID) {
		info.HardwareBacked = true
	}
	switch {
	case info.HardwareBacked:
		info.Protection = hsm.Native
	case token.ManufacturerID == testTokens:
		info.Protection = hsm.Isolated
	default:
		info.Protection = hsm.Enveloped
	}
	return info
}

// Info says what the token is. The level is hsm.Native for hardware. For a token that is a program it is no more than
// hsm.Enveloped, since its keys may be in this process, or hsm.Isolated for the test token, where they are not.
func (b *Native) Info() hsm.Info { return b.info }

// String names the backend and its device.
func (b *Native) String() string { return b.token.String() }

// Close implements hsm.Backend, as Token.Close. Keys stay in the token.
func (b *Native) Close() error { return b.token.Close() }

// change makes or deletes keys, one change at a time: otherwise two calls at once could both find a label free. What has
// begun is finished, also when ctx ends and nobody waits for it any more.
func change[T any](ctx context.Context, b *Native, work func(context.Context) (T, error)) (none T, err error) {
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("pkcs11: %w", err)
	}
	select {
	case b.changing <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("pkcs11: another key is being made or deleted: %w: %w", hsm.ErrUnavailable, ctx.Err())
	}
	return await(ctx, func() (T, error) {
		defer func() { <-b.changing }()
		return work(context.WithoutCancel(ctx))
	}, nil)
}

// Generate implements hsm.Backend. The key is generated in the token.
func (b *Native) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := hsm.CheckLabel(label); err != nil {
		return nil, err
	}
	return change(ctx, b, func(ctx context.Context) (hsm.Key, error) {
		if label != "" {
			if k, err := b.labelled(ctx, label); !errors.Is(err, hsm.ErrNotFound) {
				return tested(ctx, k, err)
			}
		}
		id := make([]byte, 32)
		rand.Read(id)
		_, err := use(ctx, b.device, "generating a key", func(s pkcs11.SessionHandle) (struct{}, error) {
			_, _, err := b.generateKeyPair(s, true, id, label)
			return struct{}{}, err
		}, nil)
		if err != nil {
			return nil, err
		}
		k, err := b.lookup(ctx, pkcs11.NewAttribute(pkcs11.CKA_ID, id), "the key that was generated")
		return tested(ctx, k, err)
	})
}

func (b *Native) generateKeyPair(s pkcs11.SessionHandle, onToken bool, id []byte, label string) (public, private pkcs11.ObjectHandle, err error) {
	m := pkcs11.NewMechanism(b.profile.Generate.Type, b.profile.Generate.Parameter)
	return b.module.raw.GenerateKeyPair(s, []*pkcs11.Mechanism{m},
		b.profile.publicTemplate(onToken, id, label), b.profile.privateTemplate(onToken, id, label))
}

// tested returns a key as it was found in the token, after a test signature.
func tested(ctx context.Context, k *nativeKey, err error) (hsm.Key, error) {
	if err == nil {
		err = hsm.TestSign(ctx, k)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Import implements hsm.Backend. The secret is in this process during the call, in guarded memory; what the module copies
// of it is the module's to wipe.
func (b *Native) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := hsm.CheckLabel(label); err != nil {
		return nil, err
	}
	secret, err := envelope.CopySecret(k)
	if err != nil {
		return nil, fmt.Errorf("pkcs11: import: %w", err)
	}
	defer secret.Destroy() // work that goes on has it opened, or fails
	return change(ctx, b, func(ctx context.Context) (hsm.Key, error) {
		pk := secret.PublicKey()
		stored, err := b.stored(ctx, pk, label)
		if errors.Is(err, hsm.ErrNotFound) {
			_, err = use(ctx, b.device, "importing a key", func(s pkcs11.SessionHandle) (struct{}, error) {
				return struct{}{}, b.create(s, secret, label)
			}, nil)
			if err == nil {
				stored, err = b.find(ctx, pk)
			}
		}
		return tested(ctx, stored, err)
	})
}

// stored returns the key that is to be imported if it is there with its label, or hsm.ErrNotFound. If the key has another
// label, or the label another key, it is hsm.ErrExists.
func (b *Native) stored(ctx context.Context, pk keyshare.PublicKey, label string) (*nativeKey, error) {
	k, err := b.find(ctx, pk)
	if errors.Is(err, hsm.ErrNotFound) && label != "" {
		k, err = b.labelled(ctx, label)
	}
	if err == nil && (k.pk != pk || k.label != label) {
		return nil, fmt.Errorf("pkcs11: import of key %s with the label %q: %w: key %s has the label %q", pk, label, hsm.ErrExists, k.pk, k.label)
	}
	return k, err
}

// create makes the two objects of an imported key, the private one first: a public one alone would be no key. What an
// interrupted import left is used.
func (b *Native) create(s pkcs11.SessionHandle, k *keyshare.SecretKey, label string) error {
	pk := k.PublicKey()
	compressed := pk.Bytes()
	id := sha256.Sum256(compressed[:])
	left, err := b.search(s, pkcs11.CKO_PRIVATE_KEY, pkcs11.NewAttribute(pkcs11.CKA_ID, id[:]))
	if err != nil {
		return err
	}
	if len(left) == 0 {
		template := append(b.profile.privateTemplate(true, id[:], label), pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, b.profile.Curve))
		err := k.Use(func(secret []byte) error {
			_, err := b.module.cryptoki.create(s, template, secret)
			return err
		})
		if err != nil {
			return err
		}
	}
	template := append(b.profile.publicTemplate(true, id[:], label), b.profile.pointAttribute(pk))
	_, err = b.module.raw.CreateObject(s, template)
	return err
}

// Open implements hsm.Backend. A key that the token would give out, which another program made, is refused with
// hsm.ErrDenied.
func (b *Native) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	k, err := b.find(ctx, pk)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// List implements hsm.Backend. It reads all keys before the first is yielded.
func (b *Native) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	return func(yield func(keyshare.PublicKey, error) bool) {
		keys, err := use(ctx, b.device, "listing keys", func(s pkcs11.SessionHandle) ([]keyshare.PublicKey, error) {
			return b.all(ctx, s)
		}, nil)
		for _, pk := range keys {
			if err = ctx.Err(); err != nil {
				break
			}
			if !yield(pk, nil) {
				return
			}
		}
		if err != nil {
			yield(keyshare.PublicKey{}, err)
		}
	}
}

// Delete implements hsm.Backend. The private key goes first; what an interrupted Delete left of a key is removed too.
func (b *Native) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if pk.IsZero() {
		return notFound(pk)
	}
	_, err := change(ctx, b, func(ctx context.Context) (struct{}, error) {
		return use(ctx, b.device, "deleting a key", func(s pkcs11.SessionHandle) (none struct{}, err error) {
			public, err := b.search(s, pkcs11.CKO_PUBLIC_KEY, b.profile.pointAttribute(pk))
			for i := 0; err == nil && i < len(public); i++ {
				err = b.destroy(s, public[i])
			}
			if err == nil && len(public) == 0 {
				err = notFound(pk)
			}
			return none, err
		}, nil)
	})
	return err
}
