//go:build cgo

package bls

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"
)

// claimsFor returns n true claims over the given number of roots.
func claimsFor(t *testing.T, n, roots int) []Signed {
	claims := make([]Signed, n)
	for i := range claims {
		root := [32]byte{0xba, byte(i % roots)}
		key, sig := pair(t, root)
		claims[i] = Signed{key, HashRoot(root), sig}
	}
	return claims
}

// verifiers are the two libraries' ways to verify a batch.
var verifiers = map[string]func([]Signed) bool{"blst": VerifyBatch, "herumi": verifyIndependent}

func verifyIndependent(claims []Signed) bool {
	rooted := make([]SignedRoot, len(claims))
	for i, c := range claims {
		rooted[i] = SignedRoot{c.Key, c.Hash.Root(), c.Signature}
	}
	return VerifyBatchIndependent(rooted)
}

// Some implementations of batch verification leave signatures at certain places unchecked; here one wrong claim at any
// place of a batch of any size up to 40 is noticed.
func TestBatchNoticesEachWrongClaim(t *testing.T) {
	const largest = 40
	all := claimsFor(t, largest, 3)
	_, stranger := pair(t, [32]byte{1})
	for n := 1; n <= largest; n++ {
		claims := slices.Clone(all[:n])
		require.True(t, VerifyBatch(claims), n)
		require.True(t, verifyIndependent(claims), n)
		for i := range claims {
			if testing.Short() && i != 0 && i < n-2 {
				continue
			}
			right := claims[i]
			claims[i].Signature = stranger
			require.False(t, VerifyBatch(claims), "claim %d of %d has another key's signature", i, n)
			require.False(t, verifyIndependent(claims), "claim %d of %d has another key's signature", i, n)
			claims[i] = right
		}
	}
}

// Two signatures changed by δ and -δ add up to the right sum.
func TestBatchNoticesErrorsThatCancelOut(t *testing.T) {
	for _, roots := range []int{1, 2} {
		claims := claimsFor(t, 2, roots)
		_, δ := pair(t, [32]byte{2})
		var a, b blst.P2
		a.FromAffine(&claims[0].Signature.p)
		b.FromAffine(&claims[1].Signature.p)
		before := aggregate([]Signature{claims[0].Signature, claims[1].Signature})
		claims[0].Signature = Signature{*a.AddAssign(&δ.p).ToAffine()}
		claims[1].Signature = Signature{*b.SubAssign(&δ.p).ToAffine()}
		require.Equal(t, before, aggregate([]Signature{claims[0].Signature, claims[1].Signature}), "the plain sum does not notice")
		for range 20 {
			require.False(t, VerifyBatch(claims))
			require.False(t, verifyIndependent(claims))
		}
	}
}

// A key chosen as the difference to another makes a signature that nobody made verify for the sum of both keys.
func TestBatchNoticesRogueKey(t *testing.T) {
	root := [32]byte{3}
	honest, _ := pair(t, root)
	mine, sig := pair(t, root)
	var rogue blst.P1
	rogue.FromAffine(&mine.p)
	rogue.SubAssign(&honest.p)
	key := PublicKey{*rogue.ToAffine()}

	both := PublicKey{sumG1([]blst.P1Affine{honest.p, key.p}, one(2))}
	require.True(t, Verify(both, HashRoot(root), sig), "the plain sum does not notice")
	_, other := pair(t, root)
	var rest blst.P2
	rest.FromAffine(&sig.p)
	rest.SubAssign(&other.p)
	for name, verify := range verifiers {
		require.False(t, verify([]Signed{
			{honest, HashRoot(root), other},
			{key, HashRoot(root), Signature{*rest.ToAffine()}},
		}), name)
	}
}

func TestBatchRefusesNothingAndZero(t *testing.T) {
	for name, verify := range verifiers {
		require.False(t, verify(nil), name)
		require.False(t, verify([]Signed{}), name)
		claims := claimsFor(t, 3, 3)
		require.True(t, verify(claims), name)
		for i := range claims {
			broken := slices.Clone(claims)
			broken[i].Key = PublicKey{}
			require.False(t, verify(broken), name)
			broken = slices.Clone(claims)
			broken[i].Signature = Signature{}
			require.False(t, verify(broken), name)
			broken[i].Key = PublicKey{}
			require.False(t, verify(broken), name)
		}
	}
	key, sig := pair(t, [32]byte{})
	h := HashRoot([32]byte{})
	require.True(t, Verify(key, h, sig))
	for _, c := range []Signed{{PublicKey{}, h, sig}, {key, h, Signature{}}, {PublicKey{}, h, Signature{}}} {
		require.False(t, Verify(c.Key, h, c.Signature))
		require.False(t, VerifyIndependent(c.Key, [32]byte{}, c.Signature))
	}
}

func TestBatchSwappedRoots(t *testing.T) {
	claims := claimsFor(t, 4, 4)
	claims[1].Hash, claims[2].Hash = claims[2].Hash, claims[1].Hash
	for name, verify := range verifiers {
		require.False(t, verify(claims), name)
	}
}

// One root hashed under two tags is two things to sign.
func TestBatchTellsTagsApart(t *testing.T) {
	root := [32]byte{4}
	sign := func(h *Hash) (PublicKey, Signature) {
		sk, err := GenerateScalar()
		require.NoError(t, err)
		defer sk.Destroy()
		key, err := PublicKeyOf(sk.Bytes())
		require.NoError(t, err)
		sigs, err := Sign(sk.Bytes(), h)
		require.NoError(t, err)
		return key, sigs[0]
	}
	usual, basic := HashRoot(root), HashRootBasic(root)
	key1, sig1 := sign(usual)
	key2, sig2 := sign(basic)
	require.True(t, VerifyBatch([]Signed{{key1, usual, sig1}, {key2, basic, sig2}}))
	require.False(t, VerifyBatch([]Signed{{key1, usual, sig1}, {key2, usual, sig2}}))
	require.False(t, VerifyBatch([]Signed{{key2, basic, sig2}, {key1, basic, sig1}}))
}
