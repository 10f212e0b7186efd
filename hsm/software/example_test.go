package software_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

// A key is made, used, and found again after the file was closed. Real programs use software.PassphraseFile, or a
// function that prompts.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	passphrase := func() ([]byte, error) { return []byte("correct horse battery staple"), nil }

	keys, err := software.Open(filepath.Join(dir, "keys.db"), passphrase, nil)
	if err != nil {
		log.Fatal(err)
	}
	key, err := keys.Generate(ctx, "validator 1")
	if err != nil {
		log.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		log.Fatal(err)
	}

	keys, err = software.Open(filepath.Join(dir, "keys.db"), passphrase, &software.Options{MustExist: true})
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	again, err := keys.Open(ctx, key.PublicKey())
	if err != nil {
		log.Fatal(err)
	}
	root := keyshare.Root{1}
	sigs, err := again.SignRoots(ctx, root)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.PublicKey().Verify(root, sigs[0]), keys.Info().Protection)
	// Output: true Enveloped
}
