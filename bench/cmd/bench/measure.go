package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/claystack/dvkeys/bench/internal/report"
)

// listVariable makes the benchmarks name their rows and measure none.
const listVariable = "DVKEYS_BENCH_LIST"

// measure builds the benchmarks, counts their rows, and runs them. What they print goes to out as it comes.
func measure(ctx context.Context, o options, results *report.Results, out, diag io.Writer) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)                      // and with it what the benchmarks leave behind when they are interrupted
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL may run as another user
		return err
	}
	program := filepath.Join(dir, "bench.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "github.com/claystack/dvkeys/bench")
	build.Stdout, build.Stderr = diag, diag
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the benchmarks: %w", err)
	}
	args := []string{"-test.run=^$", "-test.v", "-test.timeout=2h", "-test.bench=" + o.bench}
	if o.short {
		args = append(args, "-test.short")
	}
	rows := 0
	err = stream(ctx, program, append(args, "-test.benchtime=1x"), diag, []string{"TMPDIR=" + dir, listVariable + "=1"}, func(_ string, kind report.Kind) {
		if kind == report.Result {
			rows++
		}
	}, &report.Results{})
	if err != nil {
		return err
	}
	machine := fmt.Sprintf("%s: %s", report.MachineKey, report.ThisMachine())
	fmt.Fprintln(out, machine)
	if _, err := results.Line(machine); err != nil {
		return err
	}
	p := newProgress(diag, rows)
	defer p.clear()
	known := map[string]bool{}
	return stream(ctx, program, append(args, "-test.benchtime="+o.benchtime), diag, []string{"TMPDIR=" + dir}, func(line string, kind report.Kind) {
		p.clear()
		if ctx.Err() != nil {
			return // what now fails does so because the program was interrupted
		}
		switch kind {
		case report.Started:
			p.show(strings.TrimPrefix(line, "Benchmark"))
			return
		case report.Result, report.Skip:
			p.done++
			for _, m := range results.Rows[len(results.Rows)-1].Metrics {
				if !known[m.Unit] && (strings.HasSuffix(m.Unit, "/s") || strings.HasPrefix(m.Unit, "x-")) {
					known[m.Unit] = true
					fmt.Fprintf(out, "Unit %s better=higher\n", m.Unit) // for benchstat
				}
			}
		}
		fmt.Fprintln(out, line)
	}, results)
}

// stream runs the program and hands over each line of its output, with what it was.
func stream(ctx context.Context, program string, args []string, diag io.Writer, env []string, each func(line string, kind report.Kind), results *report.Results) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it stops servers that it started
	cmd.WaitDelay = 10 * time.Second
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), diag
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var fault error
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		kind, err := results.Line(lines.Text())
		fault = errors.Join(fault, err)
		each(lines.Text(), kind)
	}
	fault = errors.Join(fault, lines.Err())
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return errors.Join(fmt.Errorf("the benchmarks failed: %w", err), fault)
	}
	return fault
}
