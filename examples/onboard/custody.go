package main

import (
	"context"
	"flag"
	"fmt"

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
	token      pkcs11.Config
	pinFile    string
}

func (c *custody) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.kind, "custody", "software", "where the keys are kept: software (an encrypted `file`) or pkcs11 (sealed by a token)")
	fs.StringVar(&c.keys, "keys", "", "`file` of the encrypted or sealed keys (default keys.db in the folder of -out)")
	fs.StringVar(&c.token.Module, "module", "/usr/lib/softhsm/libsofthsm2.so", "PKCS #11 `library` of the token")
	fs.StringVar(&c.token.Token, "token", "dvkeys", "`label` of the token")
	fs.StringVar(&c.pinFile, "pin-file", "", "`file` with the token's user PIN")
}

// check finds what is wrong with the flags.
func (c *custody) check() error {
	switch c.kind {
	case "software":
	case "pkcs11":
		if c.pinFile == "" {
			return fmt.Errorf("-pin-file: is missing: -custody pkcs11 takes the token's PIN from a file")
		}
		c.token.PIN, c.token.CreateKEK = pkcs11.PINFile(c.pinFile), true
	default:
		return fmt.Errorf("-custody: %q, expected software or pkcs11", c.kind)
	}
	return nil
}

// open opens the backend. Both make their file if it is not there, and the token its
// key-encryption key.
func (c *custody) open(ctx context.Context) (hsm.Backend, error) {
	if c.kind == "software" {
		return software.Open(c.keys, c.passphrase, nil)
	}
	records, err := store.OpenFile(c.keys, nil)
	if err != nil {
		return nil, err
	}
	token := c.token
	token.Store = records
	return pkcs11.Open(ctx, token)
}

// holds says what the key file is.
func (c *custody) holds() string {
	if c.kind == "software" {
		return "the keys, encrypted: keep it and its passphrase"
	}
	return "the keys, sealed by the token " + c.token.Token + ": keep it and the token"
}
