package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
)

// vaultFlags say which Vault keeps the keys, and how to log in.
type vaultFlags struct {
	config                      vault.Config
	roleID, secretID, tokenFile string
	wrapped                     bool
	set                         *flag.FlagSet // the flags of Vault alone
}

func (v *vaultFlags) register(fs *flag.FlagSet) {
	v.set = flag.NewFlagSet("", flag.ContinueOnError)
	v.set.StringVar(&v.config.Address, "vault-addr", "https://127.0.0.1:8200", "`URL` of the Vault server")
	v.set.StringVar(&v.config.Mount, "vault-mount", vault.DefaultMount, "`path` where the secrets engine is mounted")
	v.set.StringVar(&v.config.TLS.CAFile, "vault-ca", "", "`file` with the certificate authority of the server, if the system does not know it")
	v.set.StringVar(&v.roleID, "vault-role-id", "", "role `id` of an AppRole to log in with")
	v.set.StringVar(&v.secretID, "vault-secret-id-file", "", "`file` with the AppRole's secret id")
	v.set.BoolVar(&v.wrapped, "vault-secret-id-wrapped", false, "the file has a response-wrapping token that opens to the secret id, once")
	v.set.StringVar(&v.tokenFile, "vault-token-file", "", "`file` with a token, instead of an AppRole")
	v.set.VisitAll(func(f *flag.Flag) { fs.Var(f.Value, f.Name, f.Usage) })
}

// check finds what is wrong with the flags.
func (v *vaultFlags) check() error {
	switch approle := v.roleID != "" || v.secretID != ""; {
	case approle == (v.tokenFile != ""):
		return errors.New("-custody vault: either -vault-token-file, or -vault-role-id with -vault-secret-id-file, expected")
	case approle && (v.roleID == "" || v.secretID == ""):
		return errors.New("-custody vault: -vault-role-id and -vault-secret-id-file go together")
	case v.wrapped && !approle:
		return errors.New("-custody vault: -vault-secret-id-wrapped is of -vault-secret-id-file")
	case approle:
		v.config.Auth = vault.AppRole(v.roleID, vault.File(v.secretID), &vault.AppRoleOptions{Wrapped: v.wrapped})
	default:
		v.config.Auth = vault.TokenFile(v.tokenFile)
	}
	return nil
}

func (v *vaultFlags) open(ctx context.Context) (hsm.Backend, error) {
	config := v.config
	config.Coalesce = 5 * time.Millisecond // many validators are worked on at a time
	keys, err := vault.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return keys, nil
}
