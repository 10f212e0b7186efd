package signer

import (
	"context"

	"github.com/claystack/dvkeys/keyshare"
)

// Signer signs duties, and refuses those that it should not sign. A [Guard] is one,
// a [Quorum] of them is one, and so is whatever reaches one over a network.
type Signer interface {
	// PublicKey returns the key that the signatures verify under: of a share, the
	// share's own.
	PublicKey() keyshare.PublicKey

	// Sign returns one result a duty, in order, so that a duty that is refused does
	// not sink the others. The error is for what stops all of them; there are no
	// results then.
	Sign(ctx context.Context, duties ...Duty) ([]Result, error)
}

// Result is what became of one duty: a signature, or the reason why there is none.
type Result struct {
	Signature keyshare.Signature // the zero value if Err is not nil

	// Err wraps ErrDenied if the policy, and ErrSlashable if the history, refused
	// the duty. Any other error says that it failed: it could not be recorded or
	// signed.
	Err error
}
