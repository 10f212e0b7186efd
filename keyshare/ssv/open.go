package ssv

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
)

// OpenShare decrypts the share of the operator whose RSA key is given: an
// *rsa.PrivateKey, or one that stays in a token. The operator is found by the
// key. The item is verified first, and the decrypted share must belong to the
// public key that sharesData gives it; otherwise the network would not take it.
// The share is the caller's to Destroy.
//
// The error does not say why a share does not open, and a token that fails looks
// like a share that is bad. Who has to tell them apart looks at what the key's
// Decrypt returned, as examples/operator does.
func OpenShare(it *Item, key crypto.Decrypter) (*keyshare.Share, error) {
	r := newFaults(-1)
	share := r.open(it, key)
	if err := r.err(); err != nil {
		return nil, err
	}
	return share, nil
}

// VerifyShares checks, with the private key of one operator, that his share in
// every item decrypts and matches the public key that sharesData gives it. It
// includes [Verify]; the error is of the same kind. The key is used from several
// goroutines at once.
func VerifyShares(f *File, key crypto.Decrypter, o *VerifyOptions) error {
	return verifyFile(f, o, func(r *faults, it *Item) {
		if share := r.open(it, key); share != nil {
			share.Destroy()
		}
	})
}

// open returns the share of key's operator. It adds the faults it finds and
// returns nil when there are any.
func (r *faults) open(it *Item, key crypto.Decrypter) *keyshare.Share {
	before := r.count()
	g, s := r.verify(it)
	if r.count() > before {
		return nil
	}
	i, err := operatorOf(key, it.Data.Operators)
	if err != nil {
		r.add("data.operators", "%v", err)
		return nil
	}
	id := it.Data.Operators[i].ID
	share, err := keyshare.Open(s.Shares[i], id, key, g)
	if err != nil {
		r.add(fmt.Sprintf("payload.sharesData.ciphertexts[%d]", i), "of operator %d: %s", id, cause(err))
		return nil
	}
	return share
}

// operatorOf returns the position of the operator that holds the key.
func operatorOf(key crypto.Decrypter, operators []keyshare.Operator) (int, error) {
	if key == nil {
		return 0, errors.New("no private key is given")
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return 0, fmt.Errorf("the private key's other half is %T, want an RSA key", key.Public())
	}
	i := slices.IndexFunc(operators, func(o keyshare.Operator) bool { return o.PublicKey.Equal(public) })
	if i < 0 {
		return 0, errors.New("none of them holds the given private key")
	}
	return i, nil
}
