// Operator is the side of an SSV operator whose RSA key lives in a PKCS #11 token.
//
//	go run ./examples/operator -token operator -pin-file pin -generate
//
// makes the RSA key in the token, and prints its public key in the form in which it is registered with the SSV network.
//
//	go run ./examples/operator -token operator -pin-file pin -store shares.db keyshares.json
//
// opens the operator's share of every validator in a keyshares file with that key, says of each whether it is good, and
// puts the good ones into custody: sealed by the token, in the store. Run again, it finds those that are there already.
// It exits with 1 if a share is bad, and stops when the token fails. Without -store or -postgres it only checks.
package main

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/claystack/dvkeys/examples/internal/tokenflag"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

// run is the program: results go to out, prompts and help to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	fs := flag.NewFlagSet("operator", flag.ContinueOnError)
	fs.SetOutput(diag)
	flags := tokenflag.Register(fs)
	label := fs.String("rsa", "operator", "`label` of the operator's RSA key in the token")
	generate := fs.Bool("generate", false, "make the RSA key in the token")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 1 {
		return fmt.Errorf("%d arguments, expected one keyshares file at most", fs.NArg())
	}
	var file *ssv.File
	if fs.NArg() == 1 {
		b, err := os.ReadFile(fs.Arg(0))
		if err != nil {
			return err
		}
		if file, err = ssv.ParseFile(b); err != nil {
			return fmt.Errorf("%s: %w", fs.Arg(0), err)
		}
	}
	config, err := flags.Config(ctx, diag)
	if err != nil {
		return err
	}
	token, err := pkcs11.Open(ctx, config)
	if err != nil {
		return err
	}
	defer token.Close()

	if *generate {
		if _, err := token.GenerateRSA(ctx, *label); err != nil {
			return err
		}
	}
	key := token.RSA(*label)
	public, err := key.PublicKey(ctx)
	if err != nil {
		return err
	}
	text, err := ssv.FormatOperatorKey(public)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "operator key %s\n", text)
	if file == nil {
		return nil
	}
	return takeShares(ctx, file, key, token, config.Store != nil, out)
}

// watched is a key that remembers how its token failed. keyshare.Open has one error for all that keeps a share from
// opening, lest it help a forger; but that the token is gone says nothing of the share.
type watched struct {
	crypto.Decrypter
	fault error
}

func (k *watched) Decrypt(random io.Reader, ciphertext []byte, options crypto.DecrypterOpts) ([]byte, error) {
	plain, err := k.Decrypter.Decrypt(random, ciphertext, options)
	if err != nil && !errors.Is(err, pkcs11.ErrDecrypt) {
		k.fault = err
	}
	return plain, err
}

// takeShares opens the operator's share of each validator and puts it into custody. It stops when the token fails.
func takeShares(ctx context.Context, file *ssv.File, operator crypto.Decrypter, token *pkcs11.Token, keep bool, out io.Writer) error {
	key, bad := &watched{Decrypter: operator}, 0
	for i := range file.Items {
		if err := ctx.Err(); err != nil {
			return err
		}
		item := &file.Items[i]
		share, err := ssv.OpenShare(item, key)
		if key.fault != nil {
			return fmt.Errorf("validator %s: %w", item.Data.PublicKey, key.fault)
		}
		if err != nil {
			bad++
			fmt.Fprintf(out, "%d %s BAD: %v\n", i, item.Data.PublicKey, err)
			continue
		}
		what := "good"
		if keep {
			// The label names validator and operator, so that a second run finds the key.
			_, err = token.Import(ctx, fmt.Sprintf("%s/%d", item.Data.PublicKey, share.Index()), share)
			what = "good, in custody"
		}
		share.Destroy()
		if err != nil {
			return fmt.Errorf("validator %s: %w", item.Data.PublicKey, err)
		}
		fmt.Fprintf(out, "%d %s %s: share %d, %s\n", i, item.Data.PublicKey, what, share.Index(), share.PublicKey())
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d shares are bad", bad, len(file.Items))
	}
	return nil
}
