package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress is a line at the bottom of a terminal that says what is being measured. Elsewhere it shows nothing: the results
// come as they are measured.
type progress struct {
	w           io.Writer // nil if there is no terminal
	columns     int
	done, total int
	began       time.Time
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total, began: time.Now()}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.w, p.columns = file, 80
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			p.columns = columns
		}
	}
	return p
}

// show draws the line.
func (p *progress) show(row string) {
	if p.w != nil {
		fmt.Fprint(p.w, p.line(row, time.Since(p.began)))
	}
}

func (p *progress) line(row string, elapsed time.Duration) string {
	const width = 20
	filled, left := 0, ""
	if p.total > 0 {
		filled = min(width*p.done/p.total, width)
	}
	if p.done > 0 && p.done < p.total {
		rest := elapsed * time.Duration(p.total-p.done) / time.Duration(p.done)
		left = fmt.Sprintf(", about %s left", rest.Round(time.Second))
	}
	text := []rune(fmt.Sprintf("[%s%s] %d/%d%s  %s", strings.Repeat("#", filled), strings.Repeat(".", width-filled), p.done, p.total, left, row))
	return string(text[:min(len(text), p.columns-1)])
}

// clear takes the line away.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
