package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/claystack/dvkeys/examples/internal/prompt"
)

// askPassphrase asks for the passphrase on the terminal, twice if the key file is to
// be made.
func askPassphrase(ctx context.Context, keys string, diag io.Writer) ([]byte, error) {
	pass, err := prompt.Secret(ctx, diag, fmt.Sprintf("Passphrase of %s: ", keys))
	if errors.Is(err, prompt.ErrNoTerminal) {
		return nil, errors.New("no passphrase: give -passphrase-file, or run on a terminal")
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(keys); err == nil {
		return pass, nil
	}
	again, err := prompt.Secret(ctx, diag, fmt.Sprintf("The same again for the new %s: ", keys))
	if err == nil && !bytes.Equal(pass, again) {
		err = errors.New("the two passphrases differ")
	}
	clear(again)
	if err != nil {
		clear(pass)
		return nil, err
	}
	return pass, nil
}
