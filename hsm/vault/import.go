package vault

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

// Import implements hsm.Backend. The secret is encrypted to a one-time RSA key of the engine before it is sent, so it is
// in the clear neither on the wire nor in what Vault logs. crypto/rsa pads it in ordinary memory, masked; what it leaves
// there can be unmasked by who finds all of it before the garbage collector overwrites it. With a keyshare.Share goes the
// public key of its group, which is what the deposits name that it signs.
func (b *Backend) Import(ctx context.Context, label string, k keyshare.Secret) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), b.session.usable(ctx)); err != nil {
		return nil, err
	}
	secretKey, err := envelope.CopySecret(k)
	if err != nil {
		return nil, fmt.Errorf("vault: import: %w", err)
	}
	defer secretKey.Destroy()
	validator := ""
	if share, ok := k.(*keyshare.Share); ok {
		validator = share.Group().PublicKey().String()
	}
	pk := secretKey.PublicKey()
	name := nameOfImport(pk)
	if label != "" {
		name = nameOf(label)
	}
	// The wrapping key is good for one request, so what is repeated is both steps. The name keeps that from making a
	// second key.
	var stored *key
	err = persist(ctx, b.session.config.Patience, false, func() error {
		stored, err = b.importOnce(ctx, name, label, validator, secretKey)
		return err
	})
	switch {
	case err == nil:
		return stored, nil
	case !errors.Is(err, hsm.ErrExists):
		return nil, err
	}
	existing, of, ferr := b.find(ctx, pk)
	switch {
	case ferr == nil && of == label:
		return existing, nil
	case ferr == nil:
		return nil, fmt.Errorf("vault: import of key %s with the label %q: it is stored with the label %q: %w", pk, label, of, err)
	case !errors.Is(ferr, hsm.ErrNotFound):
		return nil, ferr
	}
	other, ferr := b.read(ctx, "looking a key up", name)
	if ferr != nil {
		return nil, errors.Join(err, ferr)
	}
	return nil, fmt.Errorf("vault: import of key %s with the label %q: the label is that of key %.100s: %w", pk, label, other.PublicKey, err)
}

func (b *Backend) importOnce(ctx context.Context, name, label, validator string, k *keyshare.SecretKey) (*key, error) {
	const doing = "importing a key"
	var wrapping wire.WrappingKey
	if err := b.session.do(ctx, &request{doing: doing, method: http.MethodPut, path: b.mount + "/import/wrapping", read: into(&wrapping)}); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(wrapping.PublicKey)
	to, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || to.Size() < 256 || to.Size() > 512 {
		return nil, nonsense(doing, "the engine's wrapping key is not RSA with 2048 to 4096 bits")
	}
	pk := k.PublicKey()
	r := wire.Import{Name: name, Label: label, PublicKey: pk.String(), Validator: validator, WrappingID: wrapping.ID}
	err = k.Use(func(plain []byte) (err error) {
		r.Wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, to, plain, wire.ImportLabel(name, pk.Bytes()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("vault: %s: %w", doing, err)
	}
	var made wire.Key
	if err := b.session.do(ctx, &request{doing: doing, method: http.MethodPut, path: b.mount + "/import", body: r, once: true, read: into(&made)}); err != nil {
		return nil, err
	}
	stored, err := b.key(doing, made)
	if err != nil {
		return nil, err
	}
	if stored.public != pk || made.Name != name {
		return nil, nonsense(doing, "the engine answered with the key %s under the name %.80q, asked for %s under %s", stored.public, made.Name, pk, name)
	}
	if got := labelOf(made.Name, made.Label); got != label {
		return nil, &Error{Doing: doing, Fault: fmt.Sprintf("the name %s is that of a key with the label %q", name, got), is: hsm.ErrExists}
	}
	return stored, nil
}
