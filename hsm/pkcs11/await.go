//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
)

// await runs work, which calls the module and may hang there, and returns when it ends or when ctx does. Nothing can
// stop a call into a module, so work is then left to itself, and what it returns at last is given to drop.
func await[T any](ctx context.Context, work func() (T, error), drop func(T)) (T, error) {
	if ctx.Done() == nil {
		return work()
	}
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := work()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		if o.err != nil && errors.Is(o.err, ctx.Err()) {
			o.err = interrupted(ctx)
		}
		return o.value, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil && drop != nil {
				drop(o.value)
			}
		}()
		var none T
		return none, interrupted(ctx)
	}
}
