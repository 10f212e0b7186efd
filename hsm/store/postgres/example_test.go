package postgres_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store/postgres"
)

// A set of keys is opened by name; the backend that seals its records takes it as its store. Here nothing listens.
func ExampleOpen() {
	keys, err := postgres.Open(context.Background(), "postgres://signer@127.0.0.1:1/custody", "validators")
	if errors.Is(err, hsm.ErrUnavailable) {
		fmt.Println("no database")
		return
	}
	defer keys.Close()
	// Output: no database
}
