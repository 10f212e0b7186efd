package keyshare

import "context"

// Key is a BLS key that may be anywhere: in this process, in a token, in another
// machine.
//
// SignRoots signs what it is given and knows nothing of slots and epochs, so it
// can not refuse to sign twice. Signing a validator's duties goes through package
// signer, which can.
type Key interface {
	// PublicKey returns the key that the signatures verify under. For a share
	// that is the share's own public key, not the validator's.
	PublicKey() PublicKey

	// SignRoots returns one signature per root, in order, or an error and no
	// signature. It honours the context between roots.
	SignRoots(ctx context.Context, roots ...Root) ([]Signature, error)
}

// Secret is a key whose bytes can be read, for the time of a call: a [SecretKey]
// or a [Share]. It is how a key enters custody.
type Secret interface {
	// PublicKey returns the secret times the generator of G1.
	PublicKey() PublicKey

	// Use lends the secret to f: 32 bytes, big-endian, in locked memory that is
	// wiped when f returns. f must not keep them.
	Use(f func(secret []byte) error) error
}

var (
	_ Key    = (*SecretKey)(nil)
	_ Secret = (*SecretKey)(nil)
	_ Key    = (*Share)(nil)
	_ Secret = (*Share)(nil)
)
