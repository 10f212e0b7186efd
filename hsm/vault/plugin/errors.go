package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/signer"
)

// fault is an error that the client can tell from others.
type fault struct {
	status int
	text   string
}

func (f *fault) Error() string { return f.text }

func invalid(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func denied(format string, args ...any) error {
	return &fault{http.StatusForbidden, "dvkeys: the configuration denies it: " + fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &fault{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) error {
	return &fault{http.StatusConflict, fmt.Sprintf(format, args...)}
}

func unavailable(err error) error { return &fault{http.StatusServiceUnavailable, err.Error()} }

// recovered turns a panic into an error, so that one request cannot end the process in which all keys are. It is deferred
// where requests come in and in what they start.
func (b *backend) recovered(err *error) {
	if recover() == nil {
		return
	}
	*err = errors.New("dvkeys: internal fault")
	b.Logger().Error("a request panicked", "at", whereabouts()) // what with may hold a secret
}

// whereabouts are the functions that have called its caller, the last one first.
func whereabouts() (places []string) {
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		places = append(places, fmt.Sprintf("%s:%d", f.Function, f.Line))
	}
	return places
}

// guard turns errors into answers with a status.
func (b *backend) guard(f framework.OperationFunc) framework.OperationFunc {
	return func(ctx context.Context, req *logical.Request, d *framework.FieldData) (resp *logical.Response, err error) {
		defer b.recovered(&err)
		resp, err = f(ctx, req, d)
		var known *fault
		switch {
		case errors.As(err, &known):
			return nil, logical.CodedError(known.status, known.text)
		case errors.Is(err, errCorrupt):
			return nil, logical.CodedError(http.StatusUnprocessableEntity, err.Error())
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())
		}
		return resp, err // of Vault's storage; among them is one that sends the request to another node
	}
}

// lasting reports whether an error will not pass when the same is asked again.
func lasting(err error) bool {
	var known *fault
	return errors.Is(err, errCorrupt) || errors.As(err, &known) && known.status < http.StatusInternalServerError
}

// wireFault is an error of one element of a batch.
func wireFault(err error) *wire.Fault {
	code := wire.Unavailable
	var known *fault
	switch {
	case errors.Is(err, signer.ErrSlashable):
		code = wire.Slashable
	case errors.Is(err, errCorrupt):
		code = wire.Corrupt
	case errors.As(err, &known) && known.status == http.StatusBadRequest:
		code = wire.Invalid
	case errors.As(err, &known) && known.status == http.StatusForbidden:
		code = wire.Denied
	case errors.As(err, &known) && known.status == http.StatusNotFound:
		code = wire.NotFound
	}
	return &wire.Fault{Code: code, Text: err.Error()}
}
