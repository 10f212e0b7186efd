package plugin

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Of the RSA keys that secrets are imported under.
const (
	wrappingBits = 3072
	wrappingLife = 10 * time.Minute
	wrappingMost = 64 // that wait for their import
)

// wrapping has the one-time RSA keys that were given out. They exist in this process only.
type wrapping struct {
	mu   sync.Mutex
	keys map[string]wrappingKey // by id
}

type wrappingKey struct {
	private *rsa.PrivateKey
	expires time.Time
}

// add gives out a key, unless too many wait.
func (w *wrapping) add(k *rsa.PrivateKey) (id string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for id, old := range w.keys {
		if now.After(old.expires) {
			delete(w.keys, id)
		}
	}
	if len(w.keys) >= wrappingMost {
		return "", &fault{503, "dvkeys: too many imports are under way: 64 wrapping keys wait to be used or to expire"}
	}
	if w.keys == nil {
		w.keys = map[string]wrappingKey{}
	}
	id = randomID()
	w.keys[id] = wrappingKey{k, now.Add(wrappingLife)}
	return id, nil
}

// take returns a key for the only time, nil if there is none.
func (w *wrapping) take(id string) *rsa.PrivateKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.keys[id]
	delete(w.keys, id)
	if !ok || time.Now().After(k.expires) {
		return nil
	}
	return k.private
}

func (w *wrapping) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = nil
}

func (b *backend) importPaths() []*framework.Path {
	return []*framework.Path{
		b.write("import/wrapping$", b.newWrapping, "Makes an RSA key for one import."),
		b.write("import$", b.importKey, "Stores a key from outside, encrypted to an RSA key of import/wrapping."),
	}
}

func (b *backend) newWrapping(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	if err := decode(req, &struct{}{}); err != nil {
		return nil, err
	}
	var k *rsa.PrivateKey
	err := b.compute(ctx, func() (err error) {
		k, err = rsa.GenerateKey(rand.Reader, wrappingBits)
		return err
	})
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	id, err := b.wrapping.add(k)
	if err != nil {
		return nil, err
	}
	return answer(wire.WrappingKey{ID: id, PublicKey: der})
}

func (b *backend) importKey(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	var want wire.Import
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	private := b.wrapping.take(want.WrappingID)
	if private == nil {
		return nil, invalid("dvkeys: wrapping_id: no such wrapping key, or it was used or has expired: ask for another one")
	}
	if err := checkImport(want); err != nil {
		return nil, err
	}
	pk, err := parsePublicKey(want.PublicKey)
	if err != nil {
		return nil, err
	}
	var validator keyshare.PublicKey
	if want.Validator != "" {
		if validator, err = parsePublicKey(want.Validator); err != nil {
			return nil, invalid("dvkeys: validator: %v", err)
		}
	}
	k, err := unwrap(private, want, pk)
	if err != nil {
		return nil, err
	}
	defer k.Destroy()

	lock := locksutil.LockForKey(b.names, want.Name)
	lock.Lock()
	defer lock.Unlock()
	owner := locksutil.LockForKey(b.publics, pk.String())
	owner.Lock()
	defer owner.Unlock()
	r, err := readRecord(ctx, req.Storage, want.Name)
	switch {
	case err != nil:
		return nil, err
	case r != nil && r.PublicKey != pk:
		return nil, exists("dvkeys: the name %q is that of the key %v", r.Name, r.PublicKey)
	case r != nil:
		return b.publishOne(ctx, req.Storage, r)
	}
	other, err := nameOf(ctx, req.Storage, pk)
	if err != nil {
		return nil, err
	}
	if other != "" {
		return nil, exists("dvkeys: the key is stored under the name %q", other)
	}
	r = &record{Name: want.Name, PublicKey: pk, Label: want.Label, Validator: validator, Imported: true, Created: time.Now().UTC()}
	if err := b.newRecord(ctx, req.Storage, r, k); err != nil {
		return nil, err
	}
	return b.publishOne(ctx, req.Storage, r)
}

func (b *backend) publishOne(ctx context.Context, s logical.Storage, r *record) (*logical.Response, error) {
	m := &making{stored: r}
	b.publish(ctx, s, []*making{m})
	return m.answer()
}

func checkImport(want wire.Import) error {
	if err := checkName(want.Name); err != nil {
		return err
	}
	if err := hsm.CheckLabel(want.Label); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// unwrap decrypts the secret and checks that it is that of the public key. crypto/rsa leaves copies of it in ordinary
// memory, of which the one that it returns is wiped.
func unwrap(private *rsa.PrivateKey, want wire.Import, pk keyshare.PublicKey) (*keyshare.SecretKey, error) {
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, private, want.Wrapped, wire.ImportLabel(want.Name, pk.Bytes()))
	defer secret.Wipe(plain)
	if err != nil {
		return nil, invalid("dvkeys: wrapped: it does not open under the wrapping key for this name and public key")
	}
	k, err := keyshare.ParseSecretKey(plain)
	if err != nil {
		return nil, invalid("dvkeys: wrapped: %v", err)
	}
	if k.PublicKey() != pk {
		k.Destroy()
		return nil, invalid("dvkeys: public_key: it is not that of the wrapped secret")
	}
	return k, nil
}
