package dkg_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
)

// Four operators make a key that none of them ever has.
func ExampleRun() {
	params := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: 1, Threshold: 3}
	rand.Read(params.Nonce[:])
	var identities []*rsa.PrivateKey // each of them is in another machine, or in a token
	for id := keyshare.Index(1); id <= 4; id++ {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		identities = append(identities, key)
		params.Operators = append(params.Operators, dkg.Operator{Operator: keyshare.Operator{ID: id, PublicKey: &key.PublicKey}, Scheme: dkg.PSS})
	}
	// A real custody stores the share: hsm.Backend.Import.
	custody := func(_ context.Context, _ string, share *keyshare.Share) (key keyshare.Key, err error) {
		err = share.Use(func(b []byte) error { key, err = keyshare.ParseSecretKey(b); return err })
		return key, err
	}
	network := transport.NewMemory(1)
	results := make([]*dkg.Result, 4)
	var all sync.WaitGroup
	for i, identity := range identities {
		dir, err := os.MkdirTemp("", "dkg")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		journal, err := dkg.OpenJournal(dir, params.Session())
		if err != nil {
			panic(err)
		}
		end := network.Join()
		all.Go(func() {
			config := dkg.Config{Params: params, ID: keyshare.Index(i + 1), Identity: identity, Decrypter: identity}
			if results[i], err = dkg.Run(context.Background(), config, journal, custody, end, nil); err != nil {
				panic(err)
			}
		})
	}
	all.Wait()

	group := results[0].Groups()[0]
	root := keyshare.Root{1}
	partials := map[keyshare.Index]keyshare.Signature{}
	for i, r := range results[:3] {
		sigs, err := r.Keys[0].SignRoots(context.Background(), root)
		if err != nil {
			panic(err)
		}
		partials[keyshare.Index(i+1)] = sigs[0]
	}
	signature, err := group.Combine(root, partials)
	fmt.Println(group.Threshold(), "of", len(group.Members()), err, group.PublicKey().Verify(root, signature))
	// Output: 3 of 4 <nil> true
}
