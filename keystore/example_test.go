package keystore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/claystack/dvkeys/keystore"
)

// The way from a mnemonic to a folder of keystores, and back to the keys.
func Example() {
	ctx := context.Background()
	words := []byte("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about")
	password := []byte("correct horse battery staple")
	dir, err := os.MkdirTemp("", "keystores")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	mnemonic, err := keystore.ParseMnemonic(words)
	if err != nil {
		panic(err)
	}
	defer mnemonic.Destroy()
	seed, err := mnemonic.Seed(nil)
	if err != nil {
		panic(err)
	}
	defer seed.Destroy()

	var entries []keystore.Entry
	for validator := range uint32(2) {
		path := keystore.SigningPath(validator)
		key, err := seed.Derive(path)
		if err != nil {
			panic(err)
		}
		defer key.Destroy()
		entries = append(entries, keystore.Entry{Key: key, Options: &keystore.Options{Path: path, PBKDF2: true}})
	}
	if _, err := keystore.WriteDir(ctx, dir, password, entries); err != nil {
		panic(err)
	}

	for file, err := range keystore.ReadDir(ctx, dir, password) {
		if err != nil {
			panic(err)
		}
		fmt.Println(file.Keystore.Path, file.Key)
		file.Key.Destroy()
	}
	// Output:
	// m/12381/3600/0/0/0 0xb3e445d43871965d890a398f719348a1405ac72e35b92727cc570026f54471af7ea7b2040622a8fd0b5bfb2a209b5911
	// m/12381/3600/1/0/0 0xaeb399bf5648b0e9980c1731824c269631a41320c3d7f730c40587e1a37a5e1c8b5755fd90080a7b3fb90d3fd419c0a7
}
