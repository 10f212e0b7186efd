package keyshare

import "github.com/claystack/dvkeys/internal/bls"

// Claim says that a signature is a key's, of a root.
type Claim struct {
	PublicKey PublicKey
	Root      Root
	Signature Signature
}

// VerifyBatch reports whether every claim holds, at the cost of one pairing for each
// distinct root and one more. It can not say which claim fails: verify them one by one
// then. A batch with a wrong claim passes with probability 2^-128; an empty batch is
// false.
func VerifyBatch(claims []Claim) bool {
	signed := make([]bls.Signed, len(claims))
	for i, c := range claims {
		signed[i] = bls.Signed{Key: c.PublicKey.p, Hash: bls.HashRoot(c.Root), Signature: c.Signature.p}
	}
	return bls.VerifyBatch(signed)
}
