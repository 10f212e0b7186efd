package software

import (
	"errors"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/internal/secret"
)

// fault is an error that wraps a sentinel of package hsm and leaves the wording to its cause.
type fault struct{ sentinel, cause error }

func (f *fault) Error() string   { return "software: " + f.cause.Error() }
func (f *fault) Unwrap() []error { return []error{f.sentinel, f.cause} }

var sentinels = []struct{ of, is error }{
	{keyfile.ErrNotFound, hsm.ErrNotFound},
	{keyfile.ErrCorrupt, hsm.ErrCorrupt},
	{keyfile.ErrInUse, hsm.ErrUnavailable},
	{keyfile.ErrNoSpace, hsm.ErrUnavailable},
	{keyfile.ErrFailed, hsm.ErrUnavailable},
	{keyfile.ErrClosed, hsm.ErrClosed},
	{secret.ErrLocked, hsm.ErrUnavailable},
	{secret.ErrDestroyed, hsm.ErrClosed},
}

// translate wraps the sentinel of package hsm that fits the error of a package below.
func translate(err error) error {
	for _, s := range sentinels {
		if errors.Is(err, s.of) {
			return &fault{s.is, err}
		}
	}
	return err
}
