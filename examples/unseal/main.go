// Unseal unseals a Vault with shares that a PKCS #11 token decrypts. The open edition
// of Vault has no seal of its own for tokens; this puts the shares of its unseal key
// under an RSA key that never leaves one.
//
// Once, when Vault is initialized:
//
//	vault operator init -format=json |
//	    go run ./examples/unseal -wrap -token vault -pin-file pin -shares shares.json > root-token
//
// makes the RSA key in the token if there is none, encrypts the shares to it, and
// prints the root token alone. Then, whenever Vault has started:
//
//	go run ./examples/unseal -token vault -pin-file pin -shares shares.json
//
// The shares are in the memory of this process in the clear, one after the other,
// while they are on their way: the token protects what lies on disks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/claystack/dvkeys/hsm/pkcs11"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "unseal:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	wrap            bool
	token           pkcs11.Config
	key             string // label of the RSA key
	shares          string // file
	address, caFile string
}

// run is the program: in is what Vault's init has printed, results go to out, help to diag.
func run(ctx context.Context, args []string, in io.Reader, out, diag io.Writer) error {
	o, err := parseFlags(args, diag)
	if err != nil {
		return err
	}
	token, err := pkcs11.Open(ctx, o.token)
	if err != nil {
		return err
	}
	defer token.Close()
	if o.wrap {
		return wrap(ctx, token, o, in, out)
	}
	return unseal(ctx, token, o, out)
}

func parseFlags(args []string, diag io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("unseal", flag.ContinueOnError)
	fs.SetOutput(diag)
	fs.BoolVar(&o.wrap, "wrap", false, "encrypt the shares of a new Vault, which stdin has as vault operator init -format=json prints them")
	fs.StringVar(&o.token.Module, "module", "/usr/lib/softhsm/libsofthsm2.so", "PKCS #11 `library` of the token")
	fs.StringVar(&o.token.Token, "token", "vault", "`label` of the token")
	pin := fs.String("pin-file", "", "`file` with the token's user PIN")
	fs.StringVar(&o.key, "key", "vault-unseal", "`label` of the RSA key in the token")
	fs.StringVar(&o.shares, "shares", "shares.json", "`file` of the encrypted shares")
	fs.StringVar(&o.address, "address", "https://127.0.0.1:8200", "Vault's `URL`")
	fs.StringVar(&o.caFile, "ca", "", "`file` with the certificate authority of Vault's certificate, in PEM; the system's if empty")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("there is an argument, %.40q: flags only expected", fs.Arg(0))
	case *pin == "":
		return nil, errors.New("-pin-file: is missing")
	}
	o.token.PIN = pkcs11.PINFile(*pin)
	return o, nil
}
