package postgres_test

import (
	"context"
	"fmt"

	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing/postgres"
)

// Signers that share a history open it by name. Here nothing listens.
func ExampleOpen() {
	history, err := postgres.Open(context.Background(), "postgres://signer@127.0.0.1:1/slashing", "cluster-1", signer.Hoodi.GenesisValidatorsRoot())
	if err != nil {
		fmt.Println("no database")
		return
	}
	defer history.Close()
	// Output: no database
}
