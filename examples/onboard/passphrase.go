package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/claystack/dvkeys/hsm/software"
)

// prompt asks for the passphrase on the terminal, twice if the key file is to be
// made.
func prompt(keys string, diag io.Writer) software.Passphrase {
	return func() ([]byte, error) {
		stdin := int(os.Stdin.Fd())
		if !term.IsTerminal(stdin) {
			return nil, errors.New("no passphrase: give -passphrase-file, or run on a terminal")
		}
		ask := func(what string) ([]byte, error) {
			fmt.Fprintf(diag, "%s %s: ", what, keys)
			defer fmt.Fprintln(diag)
			return term.ReadPassword(stdin)
		}
		pass, err := ask("Passphrase of")
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(keys); err == nil {
			return pass, nil
		}
		again, err := ask("The same again for the new")
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
}
