package memscan_test

import (
	"fmt"
	"log"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/secret/memscan"
)

// A secret is in one place, and after Destroy in none. (There is no memory to search where the system is not Linux, so the
// example is compiled only.)
func Example() {
	key, err := secret.Random(32)
	if err != nil {
		log.Fatal(err)
	}
	pattern, err := memscan.Mask(key.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	key.Destroy()
	hits, err := memscan.Find(pattern)
	fmt.Println(len(hits), err)
}
