package keyshare

import "github.com/claystack/dvkeys/internal/bls"

// Signed is the claim that a key signed a root.
type Signed struct {
	PublicKey PublicKey
	Root      Root
	Signature Signature
}

// VerifyBatch reports whether every claim holds, by one check of their random linear
// combination with weights of 128 bits: a false claim passes with a probability of
// 2^-128. It costs one pairing a distinct root and one more, so that the signatures of
// one root by many keys, or of many shares, are verified at little more than the cost
// of one. It does not say which claim fails. Without claims it is false.
func VerifyBatch(claims []Signed) bool {
	batch := make([]bls.Signed, len(claims))
	for i, c := range claims {
		batch[i] = bls.Signed{Key: c.PublicKey.p, Hash: bls.HashRoot(c.Root), Signature: c.Signature.p}
	}
	return bls.VerifyBatch(batch)
}

// VerifyBatchIndependent is VerifyBatch by a second BLS library, which shares no code
// with the one that signs: of signatures of one root it costs a quarter, of distinct roots
// little more than a half of asking [PublicKey.VerifyIndependent] for each.
func VerifyBatchIndependent(claims []Signed) bool {
	batch := make([]bls.SignedRoot, len(claims))
	for i, c := range claims {
		batch[i] = bls.SignedRoot{Key: c.PublicKey.p, Root: c.Root, Signature: c.Signature.p}
	}
	return bls.VerifyBatchIndependent(batch)
}
