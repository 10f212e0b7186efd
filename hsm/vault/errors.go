package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// Error says what Vault refused or could not do, and what to do about it. It wraps the sentinel of package hsm on which a
// caller branches.
type Error struct {
	Doing  string // what was asked for
	Status int    // of the HTTP answer; 0 if there was none
	Fault  string // what Vault said, or what was found
	Remedy string // what to do; may be empty

	is     error // a sentinel of package hsm, or nil
	cause  error // why there was no answer, or nil
	undone bool  // whether it is certain that nothing was done
}

// Error gives everything in one line.
func (e *Error) Error() string {
	text := "vault: " + e.Doing + ": " + e.Fault
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d)", e.Status)
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// Unwrap returns the sentinel, and the error of a context that ended.
func (e *Error) Unwrap() (errs []error) {
	for _, err := range []error{e.is, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// failure turns what a request came back with into an *Error.
func failure(ctx context.Context, doing string, err error) *Error {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		e := &Error{Doing: doing, Fault: "no answer", is: hsm.ErrUnavailable, cause: err}
		if cause := ctx.Err(); cause != nil {
			e.Fault, e.cause = "no answer in time", cause
		} else {
			e.Fault += ": " + err.Error()
		}
		dial := (*net.OpError)(nil)
		e.undone = errors.As(err, &dial) && dial.Op == "dial"
		return e
	}
	e := &Error{Doing: doing, Status: answer.StatusCode, Fault: said(answer)}
	switch {
	case answer.StatusCode == http.StatusForbidden && strings.Contains(e.Fault, "invalid token"):
		e.is, e.Remedy = hsm.ErrAuth, "the token has expired or was revoked: log in again"
	case answer.StatusCode == http.StatusForbidden:
		e.is, e.Remedy = hsm.ErrDenied, "let the token's policy, or the secrets engine's configuration, allow it"
	case answer.StatusCode == http.StatusNotFound && strings.Contains(e.Fault, "no handler for route"):
		e.is, e.Remedy = hsm.ErrUnavailable, "mount the secrets engine there, or set Mount to where it is"
	case answer.StatusCode == http.StatusNotFound:
		e.is = hsm.ErrNotFound
	case answer.StatusCode == http.StatusConflict:
		e.is = hsm.ErrExists
	case answer.StatusCode == http.StatusUnprocessableEntity:
		e.is, e.Remedy = hsm.ErrCorrupt, restore
	case strings.Contains(strings.ToLower(e.Fault), "vault is sealed"):
		e.is, e.Remedy, e.undone = hsm.ErrUnavailable, "unseal it", true
	case unavailable(answer.StatusCode):
		e.is = hsm.ErrUnavailable
	}
	return e
}

// restore is the remedy for a damaged record.
const restore = "restore a snapshot of Vault's storage that has it"

// unavailable reports whether a status says that the same request may succeed later or on another node.
func unavailable(status int) bool {
	switch status {
	case http.StatusTooManyRequests,
		http.StatusPreconditionFailed, // the node has not yet seen an earlier write
		472, 473:                      // a standby
		return true
	}
	return status >= 500 || status/100 == 3
}

// maxSaid bounds what is quoted from an answer, in bytes.
const maxSaid = 400

// said returns Vault's own words in one line.
func said(answer *api.ResponseError) string {
	text := strings.Join(answer.Errors, "; ")
	if answer.RawError {
		text = "an answer that is not Vault's"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	if text == "" {
		text = "no reason given"
	}
	return text
}

// nonsense is the error of an answer that the engine can not have meant. Repeating the call does not help; a key's secret
// was not harmed.
func nonsense(doing, format string, args ...any) *Error {
	return &Error{Doing: doing, Fault: fmt.Sprintf(format, args...), Remedy: "see that the mount is the secrets engine of this library, and of its version", is: hsm.ErrUnavailable}
}

// dutyError is the fault of one element of a batch.
type dutyError struct {
	why       *Error
	slashable bool
}

func (e *dutyError) Error() string { return e.why.Error() }
func (e *dutyError) Unwrap() error { return e.why }

// Slashable reports whether the engine refused because the duty contradicts what it signed before.
func (e *dutyError) Slashable() bool { return e.slashable }

func fault(doing string, f *wire.Fault) error {
	e := &Error{Doing: doing, Fault: f.Text}
	switch f.Code {
	case wire.Slashable, wire.Denied:
		e.is = hsm.ErrDenied
	case wire.NotFound:
		e.is = hsm.ErrNotFound
	case wire.Corrupt:
		e.is, e.Remedy = hsm.ErrCorrupt, restore
	case wire.Unavailable:
		e.is = hsm.ErrUnavailable
	}
	return &dutyError{e, f.Code == wire.Slashable}
}

func closed() error { return fmt.Errorf("vault: %w", hsm.ErrClosed) }
