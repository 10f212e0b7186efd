package keyshare_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log"

	"github.com/claystack/dvkeys/keyshare"
)

// The path of a validator key: generated, split among four operators, each share sealed to its operator's RSA key and
// opened by him, and the partial signatures of three operators combined to the validator's.
func Example() {
	ctx := context.Background()

	// The owner.
	key, err := keyshare.Generate()
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()
	operatorKeys := map[keyshare.Index]*rsa.PrivateKey{}
	members := []keyshare.Index{378, 379, 381, 382}
	for _, id := range members {
		if operatorKeys[id], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			log.Fatal(err)
		}
	}
	group, shares, err := keyshare.Split(key, 3, members)
	if err != nil {
		log.Fatal(err)
	}
	var published []keyshare.Sealed
	for _, share := range shares {
		operator := keyshare.Operator{ID: share.Index(), PublicKey: &operatorKeys[share.Index()].PublicKey}
		sealed, err := share.Seal(operator)
		if err != nil {
			log.Fatal(err)
		}
		share.Destroy()
		published = append(published, sealed)
	}

	// Three of the operators.
	root := keyshare.Root{0x2a} // of what is to be signed; package signer computes and guards it
	partials := map[keyshare.Index]keyshare.Signature{}
	for _, sealed := range published[1:] {
		share, err := keyshare.Open(sealed, sealed.ID, operatorKeys[sealed.ID], group)
		if err != nil {
			log.Fatal(err)
		}
		signatures, err := share.SignRoots(ctx, root)
		if err != nil {
			log.Fatal(err)
		}
		share.Destroy()
		partials[share.Index()] = signatures[0]
	}

	// Anybody.
	signature, err := group.Combine(root, partials)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the validator's signature:", group.PublicKey().Verify(root, signature))
	whole, err := key.SignRoots(ctx, root)
	fmt.Println("as if by the whole key:", err == nil && whole[0] == signature)

	partials[381] = partials[382]
	_, err = group.Combine(root, partials)
	var failed *keyshare.CombineError
	fmt.Println("bad:", errors.As(err, &failed), failed.Bad)

	// Output:
	// the validator's signature: true
	// as if by the whole key: true
	// bad: true [381]
}
