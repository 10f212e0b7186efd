package hsm_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

// split makes a key in whatever custody it is given and shares it among operators. Killed and called again with the
// same label, it goes on with the same key.
func split(ctx context.Context, keys hsm.Backend, label string, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	key, err := keys.Generate(ctx, label)
	if err != nil {
		return nil, nil, err
	}
	return key.Split(ctx, 3, to)
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keys, err := software.Open(filepath.Join(dir, "keys.db"), func() ([]byte, error) { return []byte("passphrase"), nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()

	var operators []keyshare.Operator
	for id := range keyshare.Index(4) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			log.Fatal(err)
		}
		operators = append(operators, keyshare.Operator{ID: id + 1, PublicKey: &key.PublicKey})
	}
	group, sealed, err := split(context.Background(), keys, "batch 7, validator 1", operators)
	if err != nil {
		log.Fatal(err)
	}
	again, _, err := split(context.Background(), keys, "batch 7, validator 1", operators)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(sealed), "sealed shares, of which", group.Threshold(), "are needed")
	fmt.Println("the same validator again:", group.PublicKey() == again.PublicKey())
	fmt.Println(keys.Info().Kind, keys.Info().Protection, keys.Info().HardwareBacked)
	// Output:
	// 4 sealed shares, of which 3 are needed
	// the same validator again: true
	// software Enveloped false
}
