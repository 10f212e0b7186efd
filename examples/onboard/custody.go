package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/claystack/dvkeys/examples/internal/tokenflag"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/store"
)

// custody says which backend keeps the keys.
type custody struct {
	kind       string
	keys       string // file: the encrypted keys, or the records that the token has sealed
	passphrase software.Passphrase
	token      *tokenflag.Flags
}

func (c *custody) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.kind, "custody", "software", "where the keys are kept: software (an encrypted file) or pkcs11 (records that a token has sealed)")
	fs.StringVar(&c.keys, "keys", "", "`file` of the encrypted or sealed keys (default keys.db in the folder of -out)")
	c.token = tokenflag.Register(fs)
}

// check finds what is wrong with the flags.
func (c *custody) check() error {
	if c.kind != "software" && c.kind != "pkcs11" {
		return fmt.Errorf("-custody: %q, expected software or pkcs11", c.kind)
	}
	return nil
}

// open opens the backend. Both make their file if it is not there, and the token its
// key-encryption key.
func (c *custody) open(ctx context.Context, diag io.Writer) (hsm.Backend, error) {
	if c.kind == "software" {
		return software.Open(c.keys, c.passphrase, nil)
	}
	config, err := c.token.Config(ctx, diag)
	if err == nil && config.Store == nil {
		config.Store, err = store.OpenFile(c.keys, nil)
	}
	if err != nil {
		return nil, err
	}
	token, err := pkcs11.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return token, nil
}

// holds says what the key file is.
func (c *custody) holds() string {
	if c.kind == "software" {
		return "the keys, encrypted: keep it and its passphrase"
	}
	return "the keys, sealed by the token: keep it and the token"
}
