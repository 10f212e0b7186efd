// Package prompt asks for a secret on the terminal. The example programs share it.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal says that standard input is no terminal, so that nobody can be asked.
var ErrNoTerminal = errors.New("standard input is not a terminal")

// Secret writes a question to diag and returns the line that is typed at standard
// input, without echo. If the context ends first, as by Ctrl-C in a program that
// catches it, Secret leaves the terminal as it was and returns the context's cause.
// The caller wipes the line.
func Secret(ctx context.Context, diag io.Writer, question string) ([]byte, error) {
	stdin := int(os.Stdin.Fd())
	if !term.IsTerminal(stdin) {
		return nil, ErrNoTerminal
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	before, err := term.GetState(stdin)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(diag, question)
	defer fmt.Fprintln(diag)

	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // reads on until the program ends if nobody answers
		line, err := term.ReadPassword(stdin)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		return a.line, a.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(stdin, before))
	}
}
