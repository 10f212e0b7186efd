//go:build cgo

package bls_test

import (
	"fmt"
	"log"

	"github.com/claystack/dvkeys/internal/bls"
)

// A key signs a root; both libraries verify the signature; a batch is verified at once.
func Example() {
	secret, err := bls.GenerateScalar()
	if err != nil {
		log.Fatal(err)
	}
	defer secret.Destroy()
	key, err := bls.PublicKeyOf(secret.Bytes())
	if err != nil {
		log.Fatal(err)
	}

	roots := [][32]byte{{1}, {2}}
	hashes := []*bls.Hash{bls.HashRoot(roots[0]), bls.HashRoot(roots[1])} // once a root, for all keys and for verification
	signatures, err := bls.Sign(secret.Bytes(), hashes...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bls.Verify(key, hashes[0], signatures[0]), bls.VerifyIndependent(key, roots[0], signatures[0]))
	fmt.Println(bls.Verify(key, hashes[0], signatures[1]), bls.VerifyIndependent(key, roots[0], signatures[1]))
	fmt.Println(bls.VerifyBatch([]bls.Signed{{Key: key, Hash: hashes[0], Signature: signatures[0]}, {Key: key, Hash: hashes[1], Signature: signatures[1]}}))

	infinity := [bls.SignatureSize]byte{0xc0}
	_, err = bls.ParseSignature(infinity[:])
	fmt.Println(err)

	// Output:
	// true true
	// false false
	// true
	// bls: not a compressed point of G2 in the prime-order subgroup other than infinity
}
