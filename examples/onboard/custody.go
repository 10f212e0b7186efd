package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/claystack/dvkeys/examples/internal/tokenflag"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/keyshare"
)

// custody says which backend keeps the keys.
type custody struct {
	kind       string
	keys       string // file: the encrypted keys, or the records that the token has sealed
	missing    string // of verify: the default of keys, where no file is
	passphrase string // file: of the key file's passphrase
	token      *tokenflag.Flags
	tokenFlags *flag.FlagSet // those of token alone
	vault      vaultFlags
}

func (c *custody) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.kind, "custody", "software", "where the keys are kept: software (an encrypted file), pkcs11 (records that a token has sealed) or vault (its secrets engine)")
	fs.StringVar(&c.keys, "keys", "", "`file` of the encrypted or sealed keys (default keys.db in the folder of -out)")
	fs.StringVar(&c.passphrase, "passphrase-file", "", "`file` with the passphrase of the key file; asked for on the terminal if not given")
	c.tokenFlags = flag.NewFlagSet("", flag.ContinueOnError)
	c.token = tokenflag.Register(c.tokenFlags)
	c.tokenFlags.VisitAll(func(f *flag.Flag) { fs.Var(f.Value, f.Name, f.Usage) })
	c.vault.register(fs)
}

// check finds what is wrong with the flags, of which some were given.
func (c *custody) check(given map[string]bool) error {
	if c.kind != "software" && c.kind != "pkcs11" && c.kind != "vault" {
		return fmt.Errorf("-custody: %q, expected software, pkcs11 or vault", c.kind)
	}
	for name := range given {
		if c.kind != "vault" && c.vault.set.Lookup(name) != nil {
			return fmt.Errorf("-%s is of -custody vault", name)
		}
	}
	if c.kind == "vault" {
		c.keys = "" // there is no key file
		for _, name := range []string{"keys", "passphrase-file"} {
			if given[name] {
				return fmt.Errorf("-%s is not of -custody vault", name)
			}
		}
	}
	var stores []string
	for _, name := range []string{"keys", "store", "postgres"} {
		if given[name] {
			stores = append(stores, "-"+name)
		}
	}
	if c.kind == "pkcs11" {
		if given["passphrase-file"] {
			return errors.New("-passphrase-file is of -custody software")
		}
		if len(stores) > 1 {
			return fmt.Errorf("%s: expected one place for the sealed keys", strings.Join(stores, " and "))
		}
		return nil
	}
	for name := range given {
		if c.tokenFlags.Lookup(name) != nil {
			return fmt.Errorf("-%s is of -custody pkcs11", name)
		}
	}
	if c.kind == "vault" && !given["verify"] {
		return c.vault.check()
	}
	return nil
}

// place says where the keys are kept.
func (c *custody) place() string {
	if c.kind == "vault" {
		return c.vault.config.Address
	}
	value := func(name string) string { return c.tokenFlags.Lookup(name).Value.String() }
	switch {
	case value("postgres") != "":
		return fmt.Sprintf("PostgreSQL, set %q", value("set"))
	case value("store") != "":
		return value("store")
	}
	return c.keys
}

// ask gets the passphrase at once, from its file or the terminal, so that nothing is
// written if there is none. A token's PIN and a login to Vault come when they are needed.
func (c *custody) ask(ctx context.Context, diag io.Writer) (pass []byte, err error) {
	if c.kind != "software" {
		return nil, nil
	}
	if c.passphrase != "" {
		pass, err = software.PassphraseFile(c.passphrase)()
	} else {
		pass, err = askPassphrase(ctx, c.keys, diag)
	}
	if err == nil && len(pass) == 0 {
		err = errors.New("the passphrase is empty")
	}
	return pass, err
}

// verify holds that the key file is sound and has the keys. Its records name them, so
// that it takes no passphrase; with one, each key is decrypted too. If -custody was
// not given, it may be the file of either. Without any flag that asks for it the file
// may be missing: the keys may be in Vault, or their shares with operators who made
// them without a dealer.
func (c *custody) verify(ctx context.Context, keys []keyshare.PublicKey, given map[string]bool) error {
	if c.keys == "" {
		return nil // said by -keys ""
	}
	kinds := []string{"software", "store"}
	switch {
	case c.kind == "pkcs11":
		kinds = kinds[1:]
	case given["custody"] || given["passphrase-file"]:
		kinds = kinds[:1]
	}
	file, err := keyfile.Open(c.keys, kinds[0])
	if err != nil && len(kinds) > 1 {
		if other, e := keyfile.Open(c.keys, kinds[1]); e == nil {
			file, err = other, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) && !given["keys"] && !given["custody"] && !given["passphrase-file"] {
		c.missing, c.keys = c.keys, ""
		return nil
	}
	if err != nil {
		return err
	}
	for _, pk := range keys {
		if _, e := file.Get(pk.Bytes()); e != nil {
			err = e
			break
		}
	}
	if err := errors.Join(err, file.Close()); err != nil || !given["passphrase-file"] {
		return err
	}
	backend, err := software.Open(c.keys, software.PassphraseFile(c.passphrase), &software.Options{MustExist: true})
	if err != nil {
		return err
	}
	for _, pk := range keys {
		if _, err = backend.Open(ctx, pk); err != nil {
			break
		}
	}
	return errors.Join(err, backend.Close())
}

// open opens the backend, with the passphrase that ask got. Files are made if they are
// not there, and so is the token's key-encryption key.
func (c *custody) open(ctx context.Context, pass []byte, diag io.Writer) (hsm.Backend, error) {
	switch c.kind {
	case "software":
		return software.Open(c.keys, func() ([]byte, error) { return slices.Clone(pass), nil }, nil)
	case "vault":
		return c.vault.open(ctx)
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
	switch c.kind {
	case "software":
		return "the keys, encrypted: keep it and its passphrase"
	case "vault":
		return "the keys, in Vault"
	}
	return "the keys, sealed by the token: keep it and the token"
}
