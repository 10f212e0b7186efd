package recent_test

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/recent"
)

// A function whose last results are remembered.
func Example() {
	squares := recent.Cache[int, int]{Size: 100, Make: func(n int) (int, error) {
		fmt.Println("computing")
		return n * n, nil
	}}
	for range 2 {
		fmt.Println(squares.Get(12))
	}

	// Output:
	// computing
	// 144 <nil>
	// 144 <nil>
}
