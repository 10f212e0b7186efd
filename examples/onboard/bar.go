package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/claystack/dvkeys"
)

// bar shows progress: a line that is drawn over on a terminal, and elsewhere one
// line when each stage is complete.
type bar struct {
	w        io.Writer
	total    int
	done     int // stages of all validators
	terminal bool
}

func newBar(w io.Writer, validators int) *bar {
	f, ok := w.(*os.File)
	return &bar{w: w, total: validators * int(dvkeys.StageDone), terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (b *bar) show(p dvkeys.Progress) {
	b.done++
	if b.terminal {
		const width = 30
		filled := width * b.done / b.total
		fmt.Fprintf(b.w, "\r[%s%s] %3d%%  %-16s %*d/%d", strings.Repeat("#", filled), strings.Repeat(".", width-filled), 100*b.done/b.total, p.Stage, len(strconv.Itoa(p.Total)), p.Done, p.Total)
	} else if p.Done == p.Total {
		fmt.Fprintf(b.w, "%-16s %d/%d\n", p.Stage, p.Done, p.Total)
	}
}

func (b *bar) finish() {
	if b.terminal && b.done > 0 {
		fmt.Fprintln(b.w)
	}
}
