//go:build cgo

package bls_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"time"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

var dst = []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")

// beside times ours and the baselines in turn, one operation each after prepare, which is not timed, so that whatever
// else the machine does falls on all of them alike. It reports the median of ours as ns/op, and for each baseline its own
// median and how many times as fast ours is.
func beside(b *testing.B, prepare, ours func(i int), baselines map[string]func(i int)) {
	names := slices.Sorted(maps.Keys(baselines))
	var mine []time.Duration
	theirs := make([][]time.Duration, len(names))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		prepare(i)
		b.StartTimer()
		mine = append(mine, timed(ours, i))
		for k, name := range names {
			theirs[k] = append(theirs[k], timed(baselines[name], i))
		}
	}
	b.ReportMetric(median(mine), "ns/op")
	for k, name := range names {
		b.ReportMetric(median(theirs[k]), name+"-ns/op")
		b.ReportMetric(median(theirs[k])/median(mine), "x-"+name)
	}
}

func timed(f func(i int), i int) time.Duration {
	start := time.Now()
	f(i)
	return time.Since(start)
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// freshRoot returns a root that was not hashed before, so that no cache helps.
func freshRoot() (r keyshare.Root) {
	_, _ = rand.Read(r[:])
	return r
}

// rawKey is the secret of k as blst wants it.
func rawKey(b *testing.B, k keyshare.Secret) *blst.SecretKey {
	var raw *blst.SecretKey
	require.NoError(b, k.Use(func(secret []byte) error {
		raw = new(blst.SecretKey).Deserialize(slices.Clone(secret))
		return nil
	}))
	return raw
}

func rawSign(sk *blst.SecretKey, root keyshare.Root) *blst.P2Affine {
	return new(blst.P2Affine).Sign(sk, root[:], dst)
}

// BenchmarkSign is one signature by a key in guarded memory, beside one by blst with the key in ordinary memory: of a new
// root each time, and of one root by many keys.
func BenchmarkSign(b *testing.B) {
	const keys = 64
	guarded := make([]*keyshare.SecretKey, keys)
	raw := make([]*blst.SecretKey, keys)
	for i := range guarded {
		k, err := keyshare.Generate()
		require.NoError(b, err)
		guarded[i], raw[i] = k, rawKey(b, k)
	}
	root := freshRoot()
	sign := func(i int) {
		_, err := guarded[i%keys].SignRoots(context.Background(), root)
		require.NoError(b, err)
	}
	baseline := map[string]func(int){"blst": func(i int) { rawSign(raw[i%keys], root) }}
	b.Run("distinct-roots", func(b *testing.B) { beside(b, func(int) { root = freshRoot() }, sign, baseline) })
	b.Run("one-root", func(b *testing.B) { beside(b, func(int) {}, sign, baseline) })
}

// BenchmarkVerify is the verification of one signature of a new root by blst, with its own decoded points, and by
// herumi's library, which is handed them.
func BenchmarkVerify(b *testing.B) {
	k, err := keyshare.Generate()
	require.NoError(b, err)
	raw, key := rawKey(b, k), k.PublicKey()
	point := new(blst.P1Affine).From(raw)
	var root keyshare.Root
	var sig keyshare.Signature
	var sigPoint *blst.P2Affine
	beside(b, func(int) {
		root = freshRoot()
		sigPoint = rawSign(raw, root)
		sig, err = keyshare.ParseSignature(sigPoint.Compress())
		require.NoError(b, err)
	}, func(int) {
		require.True(b, key.Verify(root, sig))
	}, map[string]func(int){
		"blst":        func(int) { require.True(b, sigPoint.Verify(false, point, false, root[:], dst)) },
		"independent": func(int) { require.True(b, key.VerifyIndependent(root, sig)) },
	})
}

// BenchmarkVerifyBatch is a batch of claims over one root and over distinct roots, beside one by one.
func BenchmarkVerifyBatch(b *testing.B) {
	for _, n := range []int{16, 128} {
		for _, roots := range []int{1, n} {
			claims := makeClaims(b, n, roots)
			b.Run(fmt.Sprintf("claims=%d/roots=%d", n, roots), func(b *testing.B) {
				beside(b, func(int) {}, func(int) {
					require.True(b, bls.VerifyBatch(claims))
				}, map[string]func(int){"singly": func(int) {
					for _, c := range claims {
						require.True(b, bls.Verify(c.Key, c.Hash, c.Signature))
					}
				}})
			})
		}
	}
}

// BenchmarkVerifyBatchIndependent is the same with herumi's library.
func BenchmarkVerifyBatchIndependent(b *testing.B) {
	for _, n := range []int{2, 16, 128} {
		for _, roots := range []int{1, n} {
			claims := make([]bls.SignedRoot, n)
			for i, c := range makeClaims(b, n, roots) {
				claims[i] = bls.SignedRoot{Key: c.Key, Root: c.Hash.Root(), Signature: c.Signature}
			}
			b.Run(fmt.Sprintf("claims=%d/roots=%d", n, roots), func(b *testing.B) {
				beside(b, func(int) {}, func(int) {
					require.True(b, bls.VerifyBatchIndependent(claims))
				}, map[string]func(int){"singly": func(int) {
					for _, c := range claims {
						require.True(b, bls.VerifyIndependent(c.Key, c.Root, c.Signature))
					}
				}})
			})
		}
	}
}

func makeClaims(b *testing.B, n, roots int) []bls.Signed {
	claims := make([]bls.Signed, n)
	for i := range claims {
		sk, err := bls.GenerateScalar()
		require.NoError(b, err)
		key, err := bls.PublicKeyOf(sk.Bytes())
		require.NoError(b, err)
		h := bls.HashRoot([32]byte{byte(i % roots)})
		sigs, err := bls.Sign(sk.Bytes(), h)
		require.NoError(b, err)
		sk.Destroy()
		claims[i] = bls.Signed{Key: key, Hash: h, Signature: sigs[0]}
	}
	return claims
}

// BenchmarkCombine turns a threshold of partial signatures, 96 bytes each as they arrive, into a verified signature of a
// root that was not hashed before. Beside it stands the usual way: decode and verify each, recover, verify the result;
// with herumi's library, and with blst, which has no recovery and is given the coefficients. (blst's own verification takes
// two cores where there are two; -cpu 1 compares work with work.)
func BenchmarkCombine(b *testing.B) {
	for _, c := range []struct {
		threshold int
		ids       string
		members   []keyshare.Index
	}{
		{3, "1..4", upTo(4)},
		{3, "ssv-378..382", []keyshare.Index{378, 379, 381, 382}},
		{3, "ssv-5..1377", []keyshare.Index{5, 378, 640, 1377}},
		{5, "1..7", upTo(7)},
		{5, "ssv-5..1377", []keyshare.Index{5, 88, 151, 378, 640, 1022, 1377}},
		{7, "1..10", upTo(10)},
		{7, "ssv-5..1377", []keyshare.Index{5, 42, 88, 151, 203, 378, 640, 871, 1022, 1377}},
		{9, "1..13", upTo(13)},
		{9, "ssv-5..1377", []keyshare.Index{5, 42, 88, 151, 203, 378, 412, 517, 640, 766, 871, 1022, 1377}},
		{9, "2^63..", []keyshare.Index{1<<63 + 5, 1<<63 + 42, 1<<63 + 88, 1<<63 + 151, 1<<62 + 203, 1<<62 + 378, 1<<62 + 640, 1<<60 + 871, 1<<60 + 1022}},
	} {
		b.Run(fmt.Sprintf("%d-of-%d/%s", c.threshold, len(c.members), c.ids), func(b *testing.B) {
			benchmarkCombine(b, c.threshold, c.members)
		})
	}
}

func upTo(n int) (ids []keyshare.Index) {
	for i := range n {
		ids = append(ids, keyshare.Index(i+1))
	}
	return ids
}

func benchmarkCombine(b *testing.B, threshold int, members []keyshare.Index) {
	key, err := keyshare.Generate()
	require.NoError(b, err)
	group, shares, err := keyshare.Split(key, threshold, members)
	require.NoError(b, err)
	raw := rawKey(b, key)
	rawShares := make([]*blst.SecretKey, len(shares))
	for i, s := range shares {
		rawShares[i] = rawKey(b, s)
	}
	usual := newUsualWay(b, group)

	var root keyshare.Root
	var want []byte
	wire := map[keyshare.Index][]byte{}
	beside(b, func(i int) {
		root = freshRoot()
		want = rawSign(raw, root).Compress()
		clear(wire)
		for k := range threshold { // a few subsets, so that coefficients are cached as they would be
			m := (k + i%4) % len(shares)
			wire[members[m]] = rawSign(rawShares[m], root).Compress()
		}
	}, func(int) {
		got, err := group.CombineBytes(root, wire)
		require.NoError(b, err)
		require.Equal(b, [96]byte(want), got.Bytes())
	}, map[string]func(int){
		"blst":   func(int) { require.Equal(b, want, usual.blst(b, root, wire)) },
		"herumi": func(int) { require.Equal(b, want, usual.herumi(b, root, wire)) },
	})
}

// usualWay has the public keys and ids of a group decoded.
type usualWay struct {
	herumiKey  *herumi.PublicKey
	herumiKeys map[keyshare.Index]*herumi.PublicKey
	herumiIDs  map[keyshare.Index]herumi.ID
	blstKey    *blst.P1Affine
	blstKeys   map[keyshare.Index]*blst.P1Affine
	scalars    map[string][]*blst.Scalar // coefficients by list of ids
}

func newUsualWay(b *testing.B, g *keyshare.Group) *usualWay {
	require.NoError(b, herumi.Init(herumi.BLS12_381))
	u := &usualWay{
		herumiKeys: map[keyshare.Index]*herumi.PublicKey{}, herumiIDs: map[keyshare.Index]herumi.ID{},
		blstKeys: map[keyshare.Index]*blst.P1Affine{}, scalars: map[string][]*blst.Scalar{},
	}
	u.herumiKey, u.blstKey = bothForms(b, g.PublicKey())
	for _, id := range g.Members() {
		k, _ := g.Member(id)
		u.herumiKeys[id], u.blstKeys[id] = bothForms(b, k)
		var h herumi.ID
		require.NoError(b, h.SetDecString(strconv.FormatUint(uint64(id), 10)))
		u.herumiIDs[id] = h
	}
	return u
}

func bothForms(b *testing.B, k keyshare.PublicKey) (*herumi.PublicKey, *blst.P1Affine) {
	wire := k.Bytes()
	h := new(herumi.PublicKey)
	require.NoError(b, h.Deserialize(slices.Clone(wire[:])))
	return h, new(blst.P1Affine).Uncompress(wire[:])
}

func (u *usualWay) herumi(b *testing.B, root keyshare.Root, wire map[keyshare.Index][]byte) []byte {
	msg := slices.Clone(root[:])
	var ids []herumi.ID
	var sigs []herumi.Sign
	for _, id := range slices.Sorted(maps.Keys(wire)) {
		var s herumi.Sign
		require.NoError(b, s.Deserialize(wire[id])) // with the subgroup check
		require.True(b, s.VerifyByte(u.herumiKeys[id], msg))
		ids, sigs = append(ids, u.herumiIDs[id]), append(sigs, s)
	}
	var whole herumi.Sign
	require.NoError(b, whole.Recover(sigs, ids))
	require.True(b, whole.VerifyByte(u.herumiKey, msg))
	return whole.Serialize()
}

func (u *usualWay) blst(b *testing.B, root keyshare.Root, wire map[keyshare.Index][]byte) []byte {
	ids := slices.Sorted(maps.Keys(wire))
	var sigs []*blst.P2Affine
	for _, id := range ids {
		s := new(blst.P2Affine).Uncompress(wire[id])
		require.True(b, s.Verify(true, u.blstKeys[id], false, root[:], dst))
		sigs = append(sigs, s)
	}
	list := fmt.Sprint(ids)
	if u.scalars[list] == nil {
		for _, id := range ids {
			u.scalars[list] = append(u.scalars[list], lagrangeScalar(id, ids))
		}
	}
	whole := blst.P2AffinesMult(sigs, u.scalars[list], 255).ToAffine()
	require.True(b, whole.Verify(true, u.blstKey, false, root[:], dst))
	return whole.Compress()
}

// lagrangeScalar returns the product of j/(j-id) over the other ids j.
func lagrangeScalar(id keyshare.Index, ids []keyshare.Index) *blst.Scalar {
	r, _ := new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)
	num, den := big.NewInt(1), big.NewInt(1)
	for _, j := range ids {
		if j != id {
			bj := new(big.Int).SetUint64(uint64(j))
			num.Mul(num, bj)
			den.Mul(den, bj.Sub(bj, new(big.Int).SetUint64(uint64(id))))
		}
	}
	num.Mul(num, den.ModInverse(den, r))
	return new(blst.Scalar).FromBEndian(num.Mod(num, r).FillBytes(make([]byte, 32)))
}
