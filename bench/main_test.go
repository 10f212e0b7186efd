package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/claystack/dvkeys/internal/pgtest"
)

// scratch is a folder for what several rows use. It goes with the test program.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "bench"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		pgtest.Durable()
		return pgtest.Run(m)
	}())
}

// listing makes every row return at once, so that rows can be counted.
var listing = os.Getenv("DVKEYS_BENCH_LIST") != ""

// row runs one row of the results. Its name is made of key=value pairs, a key and a value in turn.
func row(b *testing.B, f func(b *testing.B), pairs ...any) {
	var name []string
	for pair := range slices.Chunk(pairs, 2) {
		name = append(name, fmt.Sprintf("%v=%v", pair...))
	}
	b.Run(strings.Join(name, "/"), func(b *testing.B) {
		if !listing {
			f(b)
		}
	})
}

// cores are the numbers of cores that rows use: one, and all.
func cores() []int { return slices.Compact([]int{1, runtime.NumCPU()}) }

// rounds is how many rounds a row has at least: the large batches would have one.
func rounds(batch int) int {
	if batch < 1000 {
		return 1
	}
	return 3
}

// folder returns an empty folder of that name.
func folder(b *testing.B, name string) string {
	b.Helper()
	dir := filepath.Join(scratch, name)
	must(b, os.Mkdir(dir, 0o700))
	return dir
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
