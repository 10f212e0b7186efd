// Bench runs the benchmarks, shows how far they are, and writes a table and a plot of the results.
//
//	go run ./cmd/bench -out .                    in the folder bench: everything, into RESULTS.md, results.svg and results.txt
//	go run ./cmd/bench -out . -readme ../README.md   and the summary into the README
//	go run ./cmd/bench -bench Sign -benchtime 3s some of it, printed only
//	go run ./cmd/bench -from results.txt -out .  table and plot of what was measured before
//
// What it prints is the output of `go test -bench`, which benchstat reads.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/claystack/dvkeys/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	bench, benchtime, out, readme, from string
	short                               bool
}

// run is the program: results go to out, progress and help to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(diag)
	f.StringVar(&o.bench, "bench", ".", "the benchmarks to run: a `regexp`, as go test takes it")
	f.StringVar(&o.benchtime, "benchtime", "1s", "how long each row takes, or how many rounds: a `duration` or 5x")
	f.StringVar(&o.out, "out", "", "write RESULTS.md, results.svg and results.txt into this `folder`")
	f.StringVar(&o.readme, "readme", "", "write the summary into this `file`, between its marks")
	f.StringVar(&o.from, "from", "", "run nothing: read the output of an earlier run from this `file`")
	f.BoolVar(&o.short, "short", false, "few keys and small batches: a trial of the benchmarks, no measurement")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	results, text := &report.Results{}, &strings.Builder{}
	var err error
	if o.from != "" {
		err = reread(o.from, results, text)
	} else {
		err = measure(ctx, o, results, io.MultiWriter(out, text), diag)
	}
	if err != nil || o.out == "" && o.readme == "" {
		return err
	}
	if len(results.Rows) == 0 {
		return fmt.Errorf("no benchmark matches %q: nothing is written", o.bench)
	}
	if o.out != "" {
		err = write(o.out, results, text.String(), diag)
	}
	if err == nil && o.readme != "" {
		err = summarize(o.readme, results, diag)
	}
	return err
}

// summarize puts the summary into a file that has a place for it.
func summarize(path string, results *report.Results, diag io.Writer) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := results.Replace(string(content))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(diag, "wrote", path)
	return nil
}

// reread takes the output of an earlier run from a file.
func reread(path string, results *report.Results, text *strings.Builder) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text.Write(content)
	for line := range strings.Lines(string(content)) {
		if _, err := results.Line(line); err != nil {
			return err
		}
	}
	return nil
}

// write puts the results into a folder.
func write(dir string, results *report.Results, text string, diag io.Writer) error {
	var table, plot bytes.Buffer
	if err := errors.Join(results.WriteMarkdown(&table), results.WriteSVG(&plot)); err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{"RESULTS.md", table.Bytes()}, {"results.svg", plot.Bytes()}, {"results.txt", []byte(text)}} {
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path, file.content, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(diag, "wrote", path)
	}
	return nil
}
