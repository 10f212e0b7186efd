package secret_test

import (
	"fmt"
	"log"

	"github.com/claystack/dvkeys/internal/secret"
)

// A secret arrives, is kept encrypted, is used, and is written to a file under a key.
func Example() {
	arrived := []byte("a secret from somewhere else")
	buf, err := secret.Take(arrived) // arrived is zeros now
	if err != nil {
		log.Fatal(err)
	}
	defer buf.Destroy()

	box, err := secret.Seal(buf.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	defer box.Destroy()

	key, err := secret.NewKey()
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()

	err = box.Use(func(plain []byte) error {
		record, err := key.Seal([]byte("record 7"), plain)
		fmt.Println(len(plain), "bytes become a record of", len(record))
		return err
	})
	fmt.Println(err, box, arrived[:4])
	// Output:
	// 28 bytes become a record of 68
	// <nil> [secret] [0 0 0 0]
}
