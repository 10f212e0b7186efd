//go:build cgo

package bls

import (
	"crypto/rand"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
)

// SignedRoot is one claim that VerifyBatchIndependent checks.
type SignedRoot struct {
	Key       PublicKey
	Root      [32]byte
	Signature Signature
}

// VerifyBatchIndependent is [VerifyBatch] by herumi's library, as
// [VerifyIndependent] is Verify. It uses the pairings of that library and not its
// batch verification, which overlooks signatures of batches of certain sizes. A batch
// with a wrong signature passes with probability 2^-128; an empty one is false.
func VerifyBatchIndependent(claims []SignedRoot) bool {
	if len(claims) == 1 {
		return VerifyIndependent(claims[0].Key, claims[0].Root, claims[0].Signature)
	}
	if len(claims) == 0 || startHerumi() != nil {
		return false
	}
	random := make([]byte, len(claims)*weightBits/8)
	rand.Read(random)

	sigs, weights := make([]herumi.G2, len(claims)), make([]herumi.Fr, len(claims))
	roots := make([][32]byte, 0, len(claims))         // each once
	keys := make(map[[32]byte]herumi.G1, len(claims)) // by root, the sum of the weighted keys
	for i, c := range claims {
		if c.Key.IsZero() || c.Signature.IsZero() {
			return false
		}
		key, keyOK := herumiKey(c.Key)
		var ok bool
		sigs[i], ok = herumiSignature(c.Signature)
		if !keyOK || !ok || weights[i].SetBigEndianMod(random[:weightBits/8]) != nil {
			return false
		}
		random = random[weightBits/8:]
		herumi.G1Mul(&key, &key, &weights[i])
		if others, found := keys[c.Root]; found {
			herumi.G1Add(&key, &key, &others)
		} else {
			roots = append(roots, c.Root)
		}
		keys[c.Root] = key
	}
	left := make([]herumi.G1, 0, len(roots)+1)
	right := make([]herumi.G2, 0, len(roots)+1)
	for _, root := range roots {
		hash := herumi.HashAndMapToSignature(append([]byte(nil), root[:]...))
		if hash == nil {
			return false
		}
		left, right = append(left, keys[root]), append(right, *herumi.CastFromSign(hash))
	}
	generator, ok := herumiKey(PublicKey{minusG1})
	var sum herumi.G2
	herumi.G2MulVec(&sum, sigs, weights)
	left, right = append(left, generator), append(right, sum)

	var product herumi.GT
	herumi.MillerLoopVec(&product, left, right)
	herumi.FinalExp(&product, &product)
	return ok && product.IsOne()
}
