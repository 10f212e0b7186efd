// Doctor looks at a PKCS #11 token and prints what works, what does not, and what to do about it. It tries out what the
// library needs and leaves nothing in the token.
//
//	go run ./examples/doctor -token validators -pin-file pin
//
// It exits with 1 if something is wrong. With -store or -postgres it looks at the store of the sealed keys, and the key
// that seals them, too.
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
	"text/tabwriter"

	"github.com/claystack/dvkeys/examples/internal/tokenflag"
	"github.com/claystack/dvkeys/hsm/pkcs11"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "doctor:", err)
		os.Exit(1)
	}
}

// run is the program: the table goes to out, prompts and help to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	fs := flag.NewFlagSet("doctor", flag.ContinueOnError)
	fs.SetOutput(diag)
	token := tokenflag.Register(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: every value is given by a flag", fs.Arg(0))
	}
	config, err := token.Config(ctx, diag)
	if err != nil {
		return err
	}
	if config.Store != nil {
		defer config.Store.Close()
	}
	return table(pkcs11.Diagnose(ctx, config), out)
}

// table prints the checks and fails if one of them does.
func table(checks []pkcs11.Check, out io.Writer) error {
	wrong := 0
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		if c.Err == nil {
			fmt.Fprintf(w, "ok\t%s\t%s\n", c.Name, c.Found)
			continue
		}
		wrong++
		var fault *pkcs11.Error
		if !errors.As(c.Err, &fault) {
			fmt.Fprintf(w, "FAIL\t%s\t%v\n", c.Name, c.Err)
			continue
		}
		fmt.Fprintf(w, "FAIL\t%s\t%s\n", c.Name, fault.Fault)
		if fault.Code != 0 {
			fmt.Fprintf(w, "\t\tthe module says %s\n", fault.CodeName())
		}
		if fault.Remedy != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", fault.Remedy)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks failed", wrong, len(checks))
	}
	return nil
}
