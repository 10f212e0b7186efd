package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/hsm/store"
)

// A record is made once: neither its public key nor its label may be taken.
func ExampleOpenFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keys, err := store.OpenFile(filepath.Join(dir, "keys.db"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()

	ctx := context.Background()
	fmt.Println(keys.Put(ctx, store.Record{PublicKey: [48]byte{1}, Label: "validator 1", Sealed: []byte("…")}))
	err = keys.Put(ctx, store.Record{PublicKey: [48]byte{2}, Label: "validator 1", Sealed: []byte("…")})
	var exists *store.ExistsError
	fmt.Println(errors.As(err, &exists) && exists.PublicKey == [48]byte{1})
	// Output:
	// <nil>
	// true
}
