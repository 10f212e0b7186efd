//go:build cgo && unix

package pkcs11_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/hsm/pkcs11"
)

// A token is opened by its module, its label and its PIN, and what is wrong comes with what to do. With a store, which
// keeps the sealed keys, the token is a backend as any other; see examples/operator for the RSA key of an SSV operator.
func ExampleOpen() {
	_, err := pkcs11.Open(context.Background(), pkcs11.Config{
		Module:    "/nonexistent/libtoken.so",
		Token:     "validators",
		PIN:       pkcs11.PINFile("pin"),
		CreateKEK: true,
	})
	var fault *pkcs11.Error
	if errors.As(err, &fault) {
		fmt.Println(fault.Fault)
	}
	// Output: module /nonexistent/libtoken.so: no such file or directory
}
