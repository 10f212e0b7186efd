package signer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// A guard signs an attestation once, refuses what contradicts it, and signs no exit
// unless that was enabled.
func ExampleGuard() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "guard")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	network := signer.Hoodi
	path := filepath.Join(dir, "history.db")
	if err := slashing.Create(path, network.GenesisValidatorsRoot(), slashing.Complete); err != nil {
		log.Fatal(err)
	}
	history, err := slashing.Open(ctx, path, network.GenesisValidatorsRoot(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer history.Close()
	key, err := keyshare.Generate() // or a share, or a key in custody
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()

	guard, err := signer.NewGuard(network, key.PublicKey(), key, history, nil)
	if err != nil {
		log.Fatal(err)
	}
	vote := signer.Attestation{
		Slot:   60_000 * 32,
		Source: signer.Checkpoint{Epoch: 59_999},
		Target: signer.Checkpoint{Epoch: 60_000},
	}
	other := vote
	other.BeaconBlockRoot = keyshare.Root{1}
	results, err := guard.Sign(ctx, vote, other, signer.VoluntaryExit{ValidatorIndex: 7})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(!r.Signature.IsZero(), errors.Is(r.Err, signer.ErrSlashable), errors.Is(r.Err, signer.ErrDenied))
	}
	// Output:
	// true false false
	// false true false
	// false false true
}
