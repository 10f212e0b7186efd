//go:build cgo

package bls_test

import (
	"crypto/sha512"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
)

// about hashes a text and the commitments.
func about(text string) bls.Challenge {
	return func(commitments ...bls.PublicKey) [64]byte {
		b := []byte(text)
		for _, p := range commitments {
			point := p.Bytes()
			b = append(b, point[:]...)
		}
		return sha512.Sum512(b)
	}
}

// scalarAndKey draws a secret scalar and its key.
func scalarAndKey(t testing.TB) (*secret.Buffer, bls.PublicKey) {
	sk, err := bls.GenerateScalar()
	require.NoError(t, err)
	t.Cleanup(sk.Destroy)
	pk, err := bls.PublicKeyOf(sk.Bytes())
	require.NoError(t, err)
	return sk, pk
}

var groupOrder, _ = new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)

// addOrder returns the other encoding of a scalar, which is not canonical, if it fits.
func addOrder(z [32]byte) ([32]byte, bool) {
	sum := new(big.Int).Add(new(big.Int).SetBytes(z[:]), groupOrder)
	if sum.BitLen() > 256 {
		return z, false
	}
	return [32]byte(sum.FillBytes(make([]byte, 32))), true
}

func TestProve(t *testing.T) {
	for range 8 {
		sk, pk := scalarAndKey(t)
		nonce, r := scalarAndKey(t)
		_, other := scalarAndKey(t)
		p, err := bls.Prove(sk.Bytes(), nonce.Bytes(), about("text"))
		require.NoError(t, err)
		require.Equal(t, r, p.R)
		require.True(t, p.Verify(pk, about("text")))
		require.False(t, p.Verify(pk, about("another text")))
		require.False(t, p.Verify(other, about("text")))
		require.False(t, p.Verify(bls.PublicKey{}, about("text")))

		bad := p
		bad.R = other
		require.False(t, bad.Verify(pk, about("text")))
		bad = p
		bad.Z[31] ^= 1
		require.False(t, bad.Verify(pk, about("text")))
		bad.Z = [32]byte{}
		require.False(t, bad.Verify(pk, about("text")))
		if z, fits := addOrder(p.Z); fits {
			bad.Z = z
			require.False(t, bad.Verify(pk, about("text")), "a response that is not reduced")
		}
		require.False(t, bls.Proof{}.Verify(pk, about("text")))
	}
}

// Two proofs with one nonce reveal the secret: the response is what the textbook says.
func TestProveResponse(t *testing.T) {
	sk, _ := scalarAndKey(t)
	nonce, _ := scalarAndKey(t)
	response := func(text string) (c, z *big.Int) {
		p, err := bls.Prove(sk.Bytes(), nonce.Bytes(), about(text))
		require.NoError(t, err)
		wide := about(text)(p.R)
		return new(big.Int).SetBytes(wide[:]), new(big.Int).SetBytes(p.Z[:])
	}
	c1, z1 := response("a")
	c2, z2 := response("b")
	found := new(big.Int).Sub(z1, z2)
	found.Mul(found, new(big.Int).ModInverse(new(big.Int).Sub(c1, c2), groupOrder)).Mod(found, groupOrder)
	require.Equal(t, sk.Bytes(), found.FillBytes(make([]byte, 32)))
}

func TestProveEqual(t *testing.T) {
	for range 8 {
		a, pkA := scalarAndKey(t)
		b, pkB := scalarAndKey(t)
		nonce, _ := scalarAndKey(t)
		ab, err := bls.SharedPoint(a.Bytes(), pkB)
		require.NoError(t, err)
		ba, err := bls.SharedPoint(b.Bytes(), pkA)
		require.NoError(t, err)
		require.Equal(t, ab.Bytes(), ba.Bytes(), "both sides agree")
		shared, err := bls.ParsePublicKey(ab.Bytes())
		require.NoError(t, err)

		p, err := bls.ProveEqual(a.Bytes(), nonce.Bytes(), pkB, about("text"))
		require.NoError(t, err)
		require.True(t, p.Verify(pkA, pkB, shared, about("text")))
		require.False(t, p.Verify(pkA, pkB, shared, about("another text")))
		require.False(t, p.Verify(pkA, pkB, pkA, about("text")))
		require.False(t, p.Verify(pkB, pkA, shared, about("text")))
		require.False(t, p.Verify(pkA, pkB, bls.PublicKey{}, about("text")))
		for _, change := range []func(*bls.EqualProof){
			func(p *bls.EqualProof) { p.C[31] ^= 1 },
			func(p *bls.EqualProof) { p.Z[31] ^= 1 },
			func(p *bls.EqualProof) { p.C = [32]byte{} },
		} {
			bad := p
			change(&bad)
			require.False(t, bad.Verify(pkA, pkB, shared, about("text")))
		}
		ab.Destroy()
		ba.Destroy()
	}
	_, err := bls.SharedPoint(make([]byte, 32), bls.PublicKey{})
	require.ErrorIs(t, err, bls.ErrPublicKey)
	_, pk := scalarAndKey(t)
	_, err = bls.SharedPoint(make([]byte, 32), pk)
	require.ErrorIs(t, err, bls.ErrScalar)
}

func TestSums(t *testing.T) {
	var values [][]byte
	var keys []bls.PublicKey
	want := new(big.Int)
	for range 5 {
		sk, pk := scalarAndKey(t)
		values, keys = append(values, sk.Bytes()), append(keys, pk)
		want.Add(want, new(big.Int).SetBytes(sk.Bytes()))
	}
	sum, err := bls.SumSecrets(values)
	require.NoError(t, err)
	defer sum.Destroy()
	require.Equal(t, want.Mod(want, groupOrder).FillBytes(make([]byte, 32)), sum.Bytes())
	key, err := bls.SumKeys(keys)
	require.NoError(t, err)
	again, err := bls.PublicKeyOf(sum.Bytes())
	require.NoError(t, err)
	require.Equal(t, again, key)

	negative := new(big.Int).Sub(groupOrder, new(big.Int).SetBytes(values[0])).FillBytes(make([]byte, 32))
	_, err = bls.SumSecrets([][]byte{values[0], negative})
	require.ErrorIs(t, err, bls.ErrScalar)
	minus, err := bls.PublicKeyOf(negative)
	require.NoError(t, err)
	_, err = bls.SumKeys([]bls.PublicKey{keys[0], minus})
	require.ErrorIs(t, err, bls.ErrPublicKey)
	_, err = bls.SumKeys(nil)
	require.ErrorIs(t, err, bls.ErrPublicKey)
	_, err = bls.SumSecrets(nil)
	require.Error(t, err)
	_, err = bls.SumKeys([]bls.PublicKey{keys[0], {}})
	require.EqualError(t, err, "bls: key 1 of a sum is no key")
}

func TestDerivePolynomial(t *testing.T) {
	var values [][]byte
	for range 4 {
		sk, _ := scalarAndKey(t)
		values = append(values, sk.Bytes())
	}
	f, err := bls.DerivePolynomial(4, func(k int, out []byte) error { copy(out, values[k]); return nil })
	require.NoError(t, err)
	defer f.Destroy()
	want := new(big.Int)
	for k := 3; k >= 0; k-- {
		want.Mul(want, big.NewInt(7)).Add(want, new(big.Int).SetBytes(values[k]))
	}
	got, err := f.Evaluate(7)
	require.NoError(t, err)
	defer got.Destroy()
	require.Equal(t, want.Mod(want, groupOrder).FillBytes(make([]byte, 32)), got.Bytes())
	require.NoError(t, f.UseConstant(func(sk []byte) error { require.Equal(t, values[0], sk); return nil }))

	_, err = bls.DerivePolynomial(0, nil)
	require.Error(t, err)
	_, err = bls.DerivePolynomial(2, func(int, []byte) error { return nil })
	require.ErrorIs(t, err, bls.ErrScalar)
}

func TestReduceHash(t *testing.T) {
	for _, text := range []string{"", "a", "b"} {
		in := sha512.Sum512([]byte(text))
		out := make([]byte, 32)
		require.NoError(t, bls.ReduceHash(out, in[:]))
		want := new(big.Int).SetBytes(in[:])
		require.Equal(t, want.Mod(want, groupOrder).FillBytes(make([]byte, 32)), out)
	}
	require.Error(t, bls.ReduceHash(make([]byte, 32), make([]byte, 48)))
}
