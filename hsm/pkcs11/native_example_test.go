//go:build cgo && unix

package pkcs11_test

import (
	"context"
	"fmt"

	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/keyshare"
)

// A token that signs by itself. In place of an IBM card this is a test token, whose keys are in another process.
func ExampleOpenNative() {
	token, err := testtoken.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer token.Close()

	ctx := context.Background()
	keys, err := pkcs11.OpenNative(ctx, pkcs11.Config{
		Module: token.Module(), // "/usr/lib64/opencryptoki/libopencryptoki.so"
		Token:  testtoken.Label,
		PIN:    func() ([]byte, error) { return []byte(testtoken.PIN), nil },
	}, pkcs11.IBMEP11())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	key, err := keys.Generate(ctx, "validator 1")
	if err != nil {
		fmt.Println(err)
		return
	}
	root := keyshare.Root{1}
	signatures, err := key.SignRoots(ctx, root)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(keys.Info().Protection, key.PublicKey().Verify(root, signatures[0]))
	// Output: Isolated true
}
