//go:build cgo

package bls

import (
	"crypto/rand"

	blst "github.com/supranational/blst/bindings/go"
)

// Verify reports whether s is key's signature of the hashed root.
func Verify(key PublicKey, h *Hash, s Signature) bool {
	if key.IsZero() || s.IsZero() {
		return false
	}
	return pairingsEqual([]blst.P1Affine{key.p}, []*Hash{h}, &s.p)
}

// pairingsEqual reports whether the product of e(keys[i], hashes[i]) is
// e(G1, sig): whether it is 1 when multiplied by e(-G1, sig). The Miller loops run
// side by side and share their squarings.
func pairingsEqual(keys []blst.P1Affine, hashes []*Hash, sig *blst.P2Affine) bool {
	product := blst.PairingCtx(true, nil) // a tag is for hashing, which is done
	for i := range keys {
		blst.PairingRawAggregate(product, hashes[i].pairing(), &keys[i])
	}
	blst.PairingRawAggregate(product, sig, &minusG1)
	blst.PairingCommit(product)
	return blst.PairingFinalVerify(product)
}

// minusG1 is the generator of G1, negated.
var minusG1 = *new(blst.P1).SubAssign(blst.P1Generator()).ToAffine()

// Signed is one claim that a batch verification checks.
type Signed struct {
	Key       PublicKey
	Hash      *Hash
	Signature Signature
}

// weightBits is the length of the random weights of a batch verification: a
// batch with a wrong signature passes with probability 2^-128.
const weightBits = 128

// VerifyBatch reports whether every claim holds, by one check of a random linear
// combination with 128-bit weights: one pairing per distinct root and one more.
// It can not say which claim fails. An empty batch is false.
func VerifyBatch(claims []Signed) bool {
	if len(claims) == 0 {
		return false
	}
	weights := make([]byte, len(claims)*weightBits/8)
	rand.Read(weights)

	sigs := make([]blst.P2Affine, len(claims))
	groups := make(map[blst.P2Affine][]int) // by hash, which tells tags apart as the root does not
	for i, c := range claims {
		if c.Key.IsZero() || c.Signature.IsZero() {
			return false
		}
		sigs[i] = c.Signature.p
		h := *c.Hash.pairing()
		groups[h] = append(groups[h], i)
	}
	sum := sumG2(sigs, weights)

	keys := make([]blst.P1Affine, 0, len(groups))
	hashes := make([]*Hash, 0, len(groups))
	for _, group := range groups {
		members := make([]blst.P1Affine, len(group))
		w := make([]byte, 0, len(group)*weightBits/8)
		for j, i := range group {
			members[j] = claims[i].Key.p
			w = append(w, weights[i*weightBits/8:(i+1)*weightBits/8]...)
		}
		keys = append(keys, sumG1(members, w))
		hashes = append(hashes, claims[group[0]].Hash)
	}
	return pairingsEqual(keys, hashes, &sum)
}

// sumG1 returns the sum of the points by their public weights, 16 little-endian
// bytes each.
func sumG1(points []blst.P1Affine, weights []byte) blst.P1Affine {
	return *blst.P1AffinesMult(points, weights, weightBits).ToAffine()
}

// sumG2 is sumG1 in G2.
func sumG2(points []blst.P2Affine, weights []byte) blst.P2Affine {
	return *blst.P2AffinesMult(points, weights, weightBits).ToAffine()
}
