package slashing_test

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

// A history is made once, opened for one chain, and asked before each signature.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "history")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "history.db")
	chain := signer.Hoodi.GenesisValidatorsRoot()

	if err := slashing.Create(path, chain, slashing.Complete); err != nil {
		log.Fatal(err)
	}
	history, err := slashing.Open(ctx, path, chain, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer history.Close()

	key, err := keyshare.Generate()
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()
	block := signer.Block{Slot: 3_000_000, BodyRoot: keyshare.Root{1}}
	other := signer.Block{Slot: 3_000_000, BodyRoot: keyshare.Root{2}}
	for _, d := range []signer.Block{block, other, block} {
		root, err := signer.SigningRoot(signer.Hoodi, d)
		if err != nil {
			log.Fatal(err)
		}
		err = history.Protect(ctx, signer.Claim{Validator: key.PublicKey(), Duty: d, Root: root})[0]
		fmt.Println(err, errors.Is(err, signer.ErrSlashable))
	}

	_, err = history.Export(ctx, key.PublicKey())
	if err != nil {
		log.Fatal(err)
	}
	err = history.Protect(ctx, signer.Claim{Validator: key.PublicKey(), Duty: signer.Block{Slot: 3_000_001}})[0]
	fmt.Println("after the export:", errors.Is(err, slashing.ErrStopped))
	// Output:
	// <nil> false
	// signer: slashable: block at slot 3000000: another one has been signed true
	// <nil> false
	// after the export: true
}
