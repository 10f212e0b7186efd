// Dkg makes SSV validators whose keys nobody ever has whole: four operator processes on
// this machine generate them together, sign the deposits and registrations, and each
// puts its shares into a custody of its own.
//
//	go run ./examples/dkg -out dkg-out
//
// writes what examples/onboard writes, and a folder for each operator. Verify the files
// with
//
//	go run ./examples/onboard -verify -keys '' -out dkg-out
//
// where no key file is named, since nobody has the whole keys. The operators talk to each
// other over HTTP/2 on loopback. An operator that is killed is started again and goes on
// where it was: do so by hand, with the process number that is printed, or let -kill do
// it. If the program itself is killed, run it again with the same -out.
//
// This is an example in that all four operators run on one machine and under one user. What
// each of them does is in operator.go.
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

	"github.com/claystack/dvkeys"
)

// asOperator is the first argument of the processes that this program starts.
const asOperator = "-as-operator"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	var err error
	if len(os.Args) > 1 && os.Args[1] == asOperator {
		err = runOperator(ctx, os.Args[2:], os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "dkg:", err)
		os.Exit(1)
	}
}

// run is the program: it prepares the ceremony, has the operators run it, and writes the
// files.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	fs := flag.NewFlagSet("dkg", flag.ContinueOnError)
	fs.SetOutput(diag)
	dir := fs.String("out", "dkg-out", "`folder` for what is made")
	count := fs.Int("validators", 2, "how many validators to make")
	kill := fs.Int("kill", 0, "kill operator `n`, 1 to 4, in the middle, to see it come back")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: every value is given by a flag", fs.Arg(0))
	}
	if *kill < 0 || *kill > operators {
		return fmt.Errorf("-kill: %d, expected 1 to %d", *kill, operators)
	}
	if _, err := dvkeys.CheckFolder(*dir); err != nil {
		return err
	}
	params, err := prepare(*dir, *count, out)
	if err != nil {
		return err
	}
	if err := supervise(ctx, *dir, params, *kill, out); err != nil {
		return err
	}
	return finish(ctx, *dir, params, out)
}
