package ssv_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// A validator's key is split among four operators, written as a keyshares file
// and turned into the call that registers it; then one operator opens his share.
func Example() {
	// The operators, as [ssv.ReadOperators] would read them.
	var operators []keyshare.Operator
	var operatorKey *rsa.PrivateKey
	for _, id := range []keyshare.Index{5, 17, 142, 1001} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			log.Fatal(err)
		}
		operators = append(operators, keyshare.Operator{ID: id, PublicKey: &key.PublicKey})
		operatorKey = key
	}

	// The validator's key, its shares, and its signature over owner and nonce.
	secret, err := keyshare.Generate()
	if err != nil {
		log.Fatal(err)
	}
	defer secret.Destroy()
	threshold, err := ssv.Threshold(len(operators))
	if err != nil {
		log.Fatal(err)
	}
	group, shares, err := keyshare.Split(secret, threshold, []keyshare.Index{5, 17, 142, 1001})
	if err != nil {
		log.Fatal(err)
	}
	var sealed []keyshare.Sealed
	for i, share := range shares {
		s, err := share.Seal(operators[i])
		if err != nil {
			log.Fatal(err)
		}
		sealed = append(sealed, s)
		share.Destroy()
	}
	owner, err := keyshare.ParseAddress("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494")
	if err != nil {
		log.Fatal(err)
	}
	signatures, err := secret.SignRoots(context.Background(), ssv.OwnerNonceRoot(owner, 0))
	if err != nil {
		log.Fatal(err)
	}

	// The file. NewItem has checked everything that can be checked.
	item, err := ssv.NewItem(group, sealed, operators, owner, 0, signatures[0])
	if err != nil {
		log.Fatal(err)
	}
	file := &ssv.File{Items: []ssv.Item{*item}}
	text, err := file.Bytes()
	if err != nil {
		log.Fatal(err)
	}

	// Whoever gets the file verifies it before paying for a registration.
	read, err := ssv.ParseFile(text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Version, ssv.Verify(read, &ssv.VerifyOptions{Owner: owner, Operators: operators}))
	call, err := ssv.RegisterValidator(read.Items[0].Payload, nil, ssv.EmptyCluster(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x, %d bytes of sharesData\n", call.Data[:4], len(item.Payload.SharesData))

	share, err := ssv.OpenShare(&read.Items[0], operatorKey)
	if err != nil {
		log.Fatal(err)
	}
	defer share.Destroy()
	fmt.Println("operator", share.Index(), "of", share.Group().Members())
	// Output:
	// v1.2.0 <nil>
	// b84319fd, 1312 bytes of sharesData
	// operator 1001 of [5 17 142 1001]
}
