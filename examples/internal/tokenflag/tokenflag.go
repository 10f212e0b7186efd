// Package tokenflag reads from the command line which PKCS #11 token to use, and the store of the keys that it seals. The
// example programs share it.
package tokenflag

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/store/postgres"
)

// Flags are the flags of a token.
type Flags struct {
	config              pkcs11.Config
	slot                int
	pinFile             string
	file, database, set string
}

// Register adds the flags of a token to a set.
func Register(fs *flag.FlagSet) *Flags {
	f := &Flags{}
	fs.StringVar(&f.config.Module, "module", "/usr/lib/softhsm/libsofthsm2.so", "PKCS #11 library of the token, a `path`")
	fs.StringVar(&f.config.Token, "token", "", "`label` of the token")
	fs.StringVar(&f.config.Serial, "serial", "", "serial `number` of the token, instead of its label")
	fs.IntVar(&f.slot, "slot", -1, "`number` of the token's slot, instead of its label")
	fs.StringVar(&f.pinFile, "pin-file", "", "`file` with the token's PIN; asked for on the terminal if not given")
	fs.StringVar(&f.config.KEK, "kek", pkcs11.DefaultKEK, "`label` of the token's AES key that seals the keys of a new store")
	fs.StringVar(&f.file, "store", "", "`file` for the sealed keys")
	fs.StringVar(&f.database, "postgres", "", "PostgreSQL `connection` for the sealed keys, instead of a file; its password goes into the file named by PGPASSFILE")
	fs.StringVar(&f.set, "set", "validators", "`name` of the set of keys in the database")
	return f
}

// Config returns the token's configuration, which has a store if one was named. The PIN is asked for on the terminal, with
// the prompt on diag, unless a file was named.
func (f *Flags) Config(ctx context.Context, diag io.Writer) (c pkcs11.Config, err error) {
	c = f.config
	c.CreateKEK = true
	if f.slot >= 0 {
		slot := uint(f.slot)
		c.Slot = &slot
	}
	c.PIN = prompt(ctx, os.Stdin, diag)
	if f.pinFile != "" {
		c.PIN = pkcs11.PINFile(f.pinFile)
	}
	switch {
	case f.file != "" && f.database != "":
		err = errors.New("both -store and -postgres are given, expected one")
	case f.file != "":
		c.Store, err = store.OpenFile(f.file, nil)
	case f.database != "":
		var s *postgres.Store
		if s, err = postgres.Open(ctx, f.database, f.set); err == nil {
			c.Store = s
		}
	}
	return c, err
}

// prompt asks for the PIN without echo. When ctx ends meanwhile, it leaves the terminal as it was.
func prompt(ctx context.Context, terminal *os.File, diag io.Writer) pkcs11.PIN {
	return func() ([]byte, error) {
		fd := int(terminal.Fd())
		before, err := term.GetState(fd)
		if err != nil {
			return nil, errors.New("give -pin-file, or run on a terminal")
		}
		fmt.Fprint(diag, "PIN of the token: ")
		defer fmt.Fprintln(diag)
		stop := context.AfterFunc(ctx, func() { _ = term.Restore(fd, before) })
		defer stop()
		return term.ReadPassword(fd)
	}
}
