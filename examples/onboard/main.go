// Onboard makes SSV validators that are ready to register and to deposit for: it
// generates their keys in custody, splits and encrypts them to the operators, signs
// deposits and owner nonces, and writes what the SSV network, the deposit contract
// and the staking launchpad take.
//
//	go run ./examples/onboard -passphrase-file pass
//
// Without further flags it makes four validators on the hoodi test network with
// real operators and example addresses. It may be killed at any point and run again
// with the same flags: it goes on with the same validators.
//
//	go run ./examples/onboard -verify -out onboard-out
//
// verifies a folder that it wrote, offline, and says what is wrong with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "onboard:", err)
		os.Exit(1)
	}
}

// run is the program: results go to out, progress and help to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	c, err := parseFlags(args, diag)
	if err != nil {
		return err
	}
	if c.verify {
		return verify(ctx, c, out)
	}
	switch written, err := dvkeys.CheckFolder(c.out); {
	case len(written) > 0:
		return finished(c, written, out)
	case errors.Is(err, dvkeys.ErrOutput):
		return fmt.Errorf("%w; verify it with -verify, or give another folder with -out", err)
	case err != nil:
		return fmt.Errorf("-out: %w", err)
	}
	if err := c.spec.Check(); err != nil {
		return err
	}
	mnemonic, err := c.readMnemonic()
	if err != nil {
		return err
	}
	defer mnemonic.destroy()

	pass, err := c.custody.ask(ctx, diag)
	if err != nil {
		return err
	}
	defer clear(pass)
	if c.custody.place() == filepath.Join(c.out, "keys.db") { // the key file comes into the folder, too
		if err := os.MkdirAll(c.out, 0o700); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
	}
	keys, err := c.custody.open(ctx, pass, diag)
	if err != nil {
		return err
	}
	batch, err := onboard(ctx, keys, c, mnemonic, diag)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: run it again with the same flags to go on", err)
	}
	if err := errors.Join(err, keys.Close()); err != nil {
		return err
	}
	paths, err := batch.WriteFiles(c.out, &dvkeys.FileOptions{KeySharesVersion: c.format})
	if err != nil {
		return err
	}
	if err := dvkeys.VerifyFiles(c.out, c.expect()); err != nil {
		return fmt.Errorf("the files just written do not verify: %w", err)
	}
	summarize(out, c, batch, paths)
	return nil
}

// finished ends a run whose predecessor, with the same flags, died while it wrote its
// files. They have just been completed.
func finished(c *config, written []string, out io.Writer) error {
	for _, path := range written {
		fmt.Fprintln(out, "finished writing", path)
	}
	if err := dvkeys.VerifyFiles(c.out, c.expect()); err != nil {
		return fmt.Errorf("a run with other flags was interrupted in %s, and its files are complete now; give another folder with -out: %w", c.out, err)
	}
	fmt.Fprintf(out, "%s: the batch of the interrupted run is complete and verified\n", c.out)
	return nil
}

// onboard makes the batch and shows how far it is.
func onboard(ctx context.Context, keys hsm.Backend, c *config, m *seed, diag io.Writer) (*dvkeys.Batch, error) {
	bar := newBar(diag, c.spec.Count)
	defer bar.finish()
	o := &dvkeys.Options{Progress: bar.show}
	if m != nil {
		o.Key = func(ctx context.Context, i int, label string) (hsm.Key, error) {
			return m.importKey(ctx, keys, i, label)
		}
	}
	return dvkeys.Onboard(ctx, keys, c.spec, o)
}

// verify checks a folder against what the flags say.
func verify(ctx context.Context, c *config, out io.Writer) error {
	if err := dvkeys.VerifyFiles(c.out, c.expect()); err != nil {
		return err
	}
	keys, err := depositKeys(c.out)
	if err == nil {
		err = c.custody.verify(ctx, keys, c.given)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: deposits, keyshares and transactions verify and fit together\n", c.out)
	switch {
	case c.custody.keys != "":
		fmt.Fprintf(out, "%s: is sound and has their keys\n", c.custody.keys)
	case c.custody.missing != "":
		fmt.Fprintf(out, "%s: is not there, so that their keys have to be elsewhere; -keys asks for a file\n", c.custody.missing)
	default:
		fmt.Fprintln(out, "their keys are in no file that was looked at")
	}
	return nil
}

// depositKeys returns the public keys of a folder that was verified.
func depositKeys(dir string) ([]keyshare.PublicKey, error) {
	found, err := filepath.Glob(filepath.Join(dir, "deposit_data-*.json"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%s: %d files of deposits, expected one", dir, len(found))
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	deposits, err := signer.ParseDeposits(b)
	keys := make([]keyshare.PublicKey, len(deposits))
	for i, d := range deposits {
		keys[i] = d.PublicKey
	}
	return keys, err
}
