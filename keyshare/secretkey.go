package keyshare

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/shamir"
)

// SecretKey is a whole BLS secret key in guarded memory: a number in 1 … r-1. It
// prints, in every format, as the public key it belongs to. It is safe for
// concurrent use.
type SecretKey struct{ guarded }

// guarded is a secret and its public key: what a whole key and a share have in
// common.
type guarded struct {
	scalar *shamir.Scalar
	public PublicKey
}

// ErrSecretKey is returned where bytes are no secret key: not 32, zero, or not
// below the group order.
var ErrSecretKey = errors.New("keyshare: secret key must be 32 big-endian bytes in the range 1 to r-1")

// Generate returns a uniformly random key.
func Generate() (*SecretKey, error) { return newSecretKey(shamir.RandomScalar()) }

// ParseSecretKey copies a key from its 32 big-endian bytes, which the caller
// wipes. Zero, numbers from the group order on and other lengths are ErrSecretKey.
func ParseSecretKey(b []byte) (*SecretKey, error) {
	scalar, err := shamir.ParseScalar(b)
	if errors.Is(err, shamir.ErrScalar) {
		return nil, ErrSecretKey
	}
	return newSecretKey(scalar, err)
}

// newSecretKey takes the scalar over.
func newSecretKey(scalar *shamir.Scalar, err error) (*SecretKey, error) {
	if err != nil {
		return nil, fmt.Errorf("keyshare: %w", err)
	}
	k := &SecretKey{guarded{scalar: scalar}}
	err = scalar.Use(func(b []byte) (err error) {
		k.public.p, err = bls.PublicKeyOf(b)
		return err
	})
	if err != nil {
		scalar.Destroy()
		return nil, fmt.Errorf("keyshare: %w", err)
	}
	return k, nil
}

// PublicKey returns the secret times the generator of G1.
func (k *guarded) PublicKey() PublicKey { return k.public }

// SignRoots implements [Key]. The signatures are deterministic.
func (k *guarded) SignRoots(ctx context.Context, roots ...Root) (sigs []Signature, err error) {
	err = k.scalar.Use(func(b []byte) error {
		sigs, err = SignRoots(ctx, b, roots...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keyshare: %w", err)
	}
	return sigs, nil
}

// SignRoots signs with a secret of 32 big-endian bytes in guarded memory, such as [Secret] lends. It does not compute the
// public key, which costs a quarter of a signature: it is for custody that opens a secret for one call and knows by an
// authenticated encryption whose it is. Zero and numbers from the group order on are ErrSecretKey.
func SignRoots(ctx context.Context, secret []byte, roots ...Root) ([]Signature, error) {
	sigs := make([]Signature, 0, len(roots))
	for _, root := range roots {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		made, err := bls.Sign(secret, bls.HashRoot(root))
		if errors.Is(err, bls.ErrScalar) {
			return nil, ErrSecretKey
		}
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, Signature{made[0]})
	}
	return sigs, nil
}

// Use implements [Secret].
func (k *guarded) Use(f func(secret []byte) error) error { return k.scalar.Use(f) }

// Equal reports in constant time whether both are the same key.
func (k *SecretKey) Equal(other *SecretKey) bool { return k.scalar.Equal(other.scalar) }

// Destroy wipes the secret; every later use is an error. It may be called again, and
// on a nil key.
func (k *SecretKey) Destroy() {
	if k != nil {
		k.scalar.Destroy()
	}
}

// String returns the public key: 0x and 96 hex digits.
func (k guarded) String() string { return k.public.String() }

// Format prints the public key, whatever the verb.
func (k guarded) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.public.String()) }

// MarshalText returns the public key, as String.
func (k guarded) MarshalText() ([]byte, error) { return k.public.MarshalText() }

// LogValue returns the public key.
func (k guarded) LogValue() slog.Value { return slog.StringValue(k.public.String()) }
