package bench

import (
	"fmt"
	"os"
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
		defer func() {
			for _, f := range slices.Backward(atEnd) {
				f()
			}
		}()
		pgtest.Durable()
		return pgtest.Run(m)
	}())
}

// atEnd is done when the test program ends.
var atEnd []func()

// lasting is a benchmark that starts something for those after it, too.
type lasting struct{ *testing.B }

func (lasting) Cleanup(f func()) { atEnd = append(atEnd, f) }

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
	return 5
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
