package software_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

// A key leaves for another signer as an EIP-2335 keystore.
func ExampleBackend_DangerouslyExport() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	keys, err := software.Open(filepath.Join(dir, "keys.db"), func() ([]byte, error) { return []byte("of the file"), nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	key, err := keys.Generate(ctx, "")
	if err != nil {
		log.Fatal(err)
	}

	var path string
	err = keys.DangerouslyExport(ctx, key.PublicKey(), func(s keyshare.Secret) error {
		file, err := keystore.Encrypt(s, []byte("of the keystore"), nil)
		if err != nil {
			return err
		}
		path, err = file.WriteFile(dir)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	// A key that signs in two places is slashed: it is deleted here before it signs there.
	if err := keys.Delete(ctx, key.PublicKey()); err != nil {
		log.Fatal(err)
	}
	file, err := keystore.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.PublicKey == key.PublicKey())
	// Output: true
}
