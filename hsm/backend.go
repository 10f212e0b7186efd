package hsm

import (
	"context"
	"iter"

	"github.com/claystack/dvkeys/keyshare"
)

// Backend keeps BLS secrets and uses them for the caller. It is safe for concurrent use.
type Backend interface {
	// Info says what the backend is and how far it protects.
	Info() Info

	// Generate makes a new key in the backend. If the label is not "" and a key has it already, it returns that key and
	// makes none; of several calls with one label at the same time all return the same key. A label that CheckLabel
	// refuses is an error.
	Generate(ctx context.Context, label string) (Key, error)

	// Import stores a secret that exists outside: a keyshare.SecretKey or a keyshare.Share, of which only the secret
	// is kept, under its own public key; a share's index and group remain with the caller. The secret remains the
	// caller's to destroy. If the key is stored under the same label, Import returns it. The key under another label,
	// or another key under this label, is ErrExists, whose text names what is stored.
	Import(ctx context.Context, label string, k keyshare.Secret) (Key, error)

	// Open returns a stored key, or ErrNotFound.
	Open(ctx context.Context, pk keyshare.PublicKey) (Key, error)

	// List yields the public keys of all stored keys, each once, in no promised order, and stops after the first error.
	// The loop's body may call the backend. Keys stored or deleted meanwhile may or may not be listed.
	List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error]

	// Delete removes a key and its label, or fails with ErrNotFound. Keys that are open stop to work. There is no way
	// back: without a copy elsewhere the validator can neither sign nor exit.
	Delete(ctx context.Context, pk keyshare.PublicKey) error

	// Close ends the use of the backend and of all its keys, which then fail with ErrClosed, and wipes what secrets
	// this process has. A second Close does nothing.
	Close() error
}

// Key is one key in custody. It is safe for concurrent use, and usable until its backend is closed or the key deleted
// (then it fails with ErrNotFound). It needs no closing of its own.
type Key interface {
	keyshare.Key

	// Split shares the key among operators inside the custody boundary, so that any threshold of them can sign: only
	// ciphertexts and public points come out, the sealed shares in the order of the operators. Arguments that
	// CheckSplit refuses are an error before anything is computed. Each call draws new shares, which do not mix with
	// those of another call.
	Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error)
}
