//go:build cgo

package bls

import (
	"crypto/rand"
	"math"
	"math/big"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"
	"pgregory.net/rapid"
)

// xCoordinates draws n distinct x-coordinates: consecutive from some point on, small, or anywhere up to 2^64-1, with the
// ends more often than chance has them.
func xCoordinates(t *rapid.T, n int) []uint64 {
	if rapid.Bool().Draw(t, "consecutive") {
		first := rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(1, 2000), rapid.Just(uint64(math.MaxUint64-40))).Draw(t, "first")
		xs := make([]uint64, n)
		for i := range xs {
			xs[i] = first + uint64(i)
		}
		return rapid.Permutation(xs).Draw(t, "order")
	}
	x := rapid.OneOf(rapid.Uint64Range(1, 2000), rapid.Uint64Range(1, math.MaxUint64), rapid.Uint64Range(math.MaxUint64-40, math.MaxUint64))
	return rapid.SliceOfNDistinct(x, n, n, rapid.ID).Draw(t, "xs")
}

// number draws a whole number of up to 256 bits, of either sign.
func number(t *rapid.T) *big.Int {
	bits := rapid.IntRange(0, 256).Draw(t, "bits")
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "number"))
	n.Mod(n, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	if rapid.Bool().Draw(t, "negative") {
		n.Neg(n)
	}
	return n
}

// reference computes the Lagrange coefficients at 0 modulo any prime, from their definition.
func reference(xs []uint64, modulus *big.Int) []*big.Int {
	out := make([]*big.Int, len(xs))
	for i, xi := range xs {
		λ := big.NewInt(1)
		for j, xj := range xs {
			if j == i {
				continue
			}
			bj := new(big.Int).SetUint64(xj)
			d := new(big.Int).Sub(bj, new(big.Int).SetUint64(xi))
			λ.Mul(λ, bj)
			λ.Mul(λ, d.ModInverse(d.Mod(d, modulus), modulus))
			λ.Mod(λ, modulus)
		}
		out[i] = λ
	}
	return out
}

func TestWeightsAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := xCoordinates(t, rapid.IntRange(1, 20).Draw(t, "n"))
		w, err := NewWeights(xs)
		require.NoError(t, err)
		want := reference(xs, order)
		require.Equal(t, want, fieldWeights(xs))
		for i := range xs {
			require.Equal(t, want[i], new(big.Int).SetBytes(w.scalars[i].ToBEndian()))
		}
		numerators, denominator, short := integerWeights(xs)
		if !short {
			require.Nil(t, w.inverse)
			require.Greater(t, len(xs), 3, "three x-coordinates of 64 bits never need so many bits")
			return
		}
		require.Equal(t, 1, denominator.Sign())
		total := new(big.Int)
		for i := range xs {
			require.Less(t, numerators[i].BitLen(), maxNumerator)
			total.Add(total, numerators[i])
			back := new(big.Int).Mul(want[i], denominator)
			require.Zero(t, back.Sub(back, numerators[i]).Mod(back, order).Sign(), "c_i = λ_i·D")
		}
		require.Equal(t, denominator, total, "the coefficients of the constant polynomial add up to 1")
	})
}

// Many far-apart x-coordinates, whose whole-number coefficients would have thousands of bits, cost no more than their
// number squared. What they cost is told by the memory that the numbers took, which no other load on the machine changes.
func TestManyWeights(t *testing.T) {
	xs := make([]uint64, 200)
	for i := range xs {
		xs[i] = math.MaxUint64 / uint64(i+1)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w, err := NewWeights(xs)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20), "it takes a third of that, and three times as much if the numbers grow without bound")
	basis := lagrangeBasis(xs)
	for i, λ := range reference(xs, order) {
		require.Equal(t, λ, new(big.Int).SetBytes(w.scalars[i].ToBEndian()))
		require.Equal(t, λ, basis[i][0], "the basis at 0")
	}
}

func TestWeightsRefusals(t *testing.T) {
	for _, c := range []struct {
		xs   []uint64
		want string
	}{
		{nil, "bls: interpolation over no points"},
		{[]uint64{1, 0}, "bls: x-coordinate 0, which is the secret itself"},
		{[]uint64{7, 3, 7}, "bls: x-coordinate 7 twice"},
	} {
		_, err := NewWeights(c.xs)
		require.EqualError(t, err, c.want)
		_, err = InterpolateCommitment(c.xs, make([]PublicKey, len(c.xs)))
		require.EqualError(t, err, c.want)
	}
	w, err := NewWeights([]uint64{1, 2})
	require.NoError(t, err)
	_, err = w.CombineSecret(make([][]byte, 3))
	require.EqualError(t, err, "bls: 3 values for 2 coefficients")
	_, err = w.CombineKeys(make([]PublicKey, 1))
	require.EqualError(t, err, "bls: 1 keys for 2 coefficients")
	_, err = w.CombineSignatures(nil)
	require.EqualError(t, err, "bls: 0 partial signatures for 2 coefficients")
	_, err = InterpolateCommitment([]uint64{1}, nil)
	require.EqualError(t, err, "bls: 0 keys for 1 x-coordinates")
}

// A plan holds exactly the coefficients it was made from.
func TestPlanHoldsTheCoefficients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cs := make([]*big.Int, rapid.IntRange(1, 17).Draw(t, "n"))
		for i := range cs {
			cs[i] = number(t)
		}
		p := newPlan(cs)
		for i, want := range cs {
			got := new(big.Int)
			for _, masks := range p.masks {
				got.Lsh(got, 1)
				got.Or(got, big.NewInt(int64(masks[i/p.width]>>(i%p.width)&1)))
			}
			if p.negative[i] {
				got.Neg(got)
			}
			require.Zero(t, want.Cmp(got))
		}
	})
}

// The sum over a plan is that of blst's own multi-scalar multiplication.
func TestSumAgainstBlst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "n")
		cs := make([]*big.Int, n)
		scalars := make([]*blst.Scalar, n)
		g1, g2 := make([]*blst.P1Affine, n), make([]*blst.P2Affine, n)
		for i := range n {
			cs[i] = number(t)
			scalars[i] = scalarFrom(new(big.Int).Mod(cs[i], order))
			if scalars[i] == nil { // blst's word for zero
				scalars[i] = new(blst.Scalar)
			}
			seed := rapid.Uint64Range(1, 5).Draw(t, "point") // points may be equal
			g1[i] = blst.P1Generator().Mult(publicScalar(seed)).ToAffine()
			g2[i] = blst.P2Generator().Mult(publicScalar(seed)).ToAffine()
		}
		p := newPlan(cs)
		require.Equal(t, *blst.P1AffinesMult(g1, scalars, 255).ToAffine(), *sum[blst.P1](p, g1, affineG1).ToAffine())
		require.Equal(t, *blst.P2AffinesMult(g2, scalars, 255).ToAffine(), *sum[blst.P2](p, g2, affineG2).ToAffine())
	})
}

// valuesAt returns the coefficients of f as numbers and its values at xs, computed with big.Int.
func valuesAt(f *Polynomial, xs []uint64) (coefficients, values []*big.Int) {
	for k := range f.terms() {
		le := slices.Clone(f.at(k))
		slices.Reverse(le)
		coefficients = append(coefficients, new(big.Int).SetBytes(le))
	}
	for _, x := range xs {
		v := new(big.Int)
		for k := f.terms() - 1; k >= 0; k-- {
			v.Mul(v, new(big.Int).SetUint64(x))
			v.Add(v, coefficients[k]).Mod(v, order)
		}
		values = append(values, v)
	}
	return coefficients, values
}

// Evaluation, commitment, interpolation in the field, in G1 and in G2 agree with each other and with big.Int.
func TestPolynomials(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := rapid.IntRange(1, 9).Draw(t, "terms")
		xs := xCoordinates(t, terms)
		sk, err := GenerateScalar()
		require.NoError(t, err)
		defer sk.Destroy()
		f, err := NewPolynomial(sk.Bytes(), terms)
		require.NoError(t, err)
		defer f.Destroy()
		coefficients, values := valuesAt(f, xs)
		require.Equal(t, new(big.Int).SetBytes(sk.Bytes()), coefficients[0])
		commitment := f.Commit()
		require.Len(t, commitment, terms)

		h := HashRoot([32]byte{9})
		shares, keys, partials, wire := make([][]byte, terms), make([]PublicKey, terms), make([]Signature, terms), make([][]byte, terms)
		for i, x := range xs {
			v, err := f.Evaluate(x)
			require.NoError(t, err)
			defer v.Destroy()
			require.Equal(t, values[i], new(big.Int).SetBytes(v.Bytes()))
			shares[i] = v.Bytes()
			keys[i], err = PublicKeyOf(v.Bytes())
			require.NoError(t, err)
			at, err := EvaluateCommitment(commitment, x)
			require.NoError(t, err)
			require.Equal(t, keys[i], at)
			sigs, err := Sign(v.Bytes(), h)
			require.NoError(t, err)
			partials[i] = sigs[0]
			b := sigs[0].Bytes()
			wire[i] = b[:]
		}
		w, err := NewWeights(xs)
		require.NoError(t, err)
		whole, err := w.CombineSecret(shares)
		require.NoError(t, err)
		defer whole.Destroy()
		require.Equal(t, sk.Bytes(), whole.Bytes())
		key, err := w.CombineKeys(keys)
		require.NoError(t, err)
		require.Equal(t, commitment[0], key)
		want, err := Sign(sk.Bytes(), h)
		require.NoError(t, err)
		sig, err := w.CombineSignatures(partials)
		require.NoError(t, err)
		require.Equal(t, want[0], sig)
		sig, err = w.CombineWire(wire)
		require.NoError(t, err)
		require.Equal(t, want[0], sig)
		back, err := InterpolateCommitment(xs, keys)
		require.NoError(t, err)
		require.Equal(t, commitment, back)
	})
}

func TestPolynomialRefusals(t *testing.T) {
	sk, err := GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	_, err = NewPolynomial(sk.Bytes(), 0)
	require.EqualError(t, err, "bls: polynomial with 0 terms, expected at least 1")
	f, err := NewPolynomial(sk.Bytes(), 3)
	require.NoError(t, err)
	defer f.Destroy()
	_, err = f.Evaluate(0)
	require.ErrorContains(t, err, "the secret itself")
	_, err = EvaluateCommitment(f.Commit(), 0)
	require.Error(t, err)
	_, err = EvaluateCommitment(nil, 1)
	require.Error(t, err)

	// x - 5 is 0 at 5; its commitment evaluates to infinity there.
	minus := make([]byte, ScalarSize)
	new(big.Int).Sub(order, big.NewInt(5)).FillBytes(minus)
	line, err := NewPolynomial(minus, 2)
	require.NoError(t, err)
	defer line.Destroy()
	clear(line.at(1))
	line.at(1)[0] = 1
	_, err = line.Evaluate(5)
	require.ErrorIs(t, err, ErrScalar)
	_, err = EvaluateCommitment(line.Commit(), 5)
	require.ErrorIs(t, err, ErrPublicKey)
	v, err := line.Evaluate(6)
	require.NoError(t, err)
	defer v.Destroy()
	require.Equal(t, big.NewInt(1), new(big.Int).SetBytes(v.Bytes()))

	// Three keys on a line are on no parabola.
	var keys []PublicKey
	for _, x := range []uint64{1, 2, 3} {
		k, err := EvaluateCommitment(line.Commit(), x)
		require.NoError(t, err)
		keys = append(keys, k)
	}
	_, err = InterpolateCommitment([]uint64{1, 2, 3}, keys)
	require.EqualError(t, err, "bls: the keys lie on a polynomial of lower degree: its coefficient 2 is zero")

	// Values 1 and 2 at 1 and 2 have the value 0 at 0.
	one, two := make([]byte, ScalarSize), make([]byte, ScalarSize)
	one[31], two[31] = 1, 2
	w, err := NewWeights([]uint64{1, 2})
	require.NoError(t, err)
	_, err = w.CombineSecret([][]byte{one, two})
	require.ErrorIs(t, err, ErrScalar)
	k1, err := PublicKeyOf(one)
	require.NoError(t, err)
	k2, err := PublicKeyOf(two)
	require.NoError(t, err)
	_, err = w.CombineKeys([]PublicKey{k1, k2})
	require.ErrorIs(t, err, ErrPublicKey)
}

func TestReduceWide(t *testing.T) {
	check := func(in *big.Int) {
		b, out := in.FillBytes(make([]byte, 48)), make([]byte, 32)
		out[5] = 0xee
		require.NoError(t, ReduceWide(out, b))
		require.Equal(t, new(big.Int).Mod(in, order).FillBytes(make([]byte, 32)), out, in)
	}
	top := new(big.Int).Lsh(big.NewInt(1), 384)
	most := new(big.Int).Quo(top, order)
	most.Mul(most, order) // the largest multiple of r
	for _, base := range []*big.Int{new(big.Int), order, new(big.Int).Lsh(order, 1), new(big.Int).Lsh(order, 128), new(big.Int).Lsh(big.NewInt(1), 256), most, top} {
		for d := int64(-2); d <= 2; d++ {
			if x := new(big.Int).Add(base, big.NewInt(d)); x.Sign() >= 0 && x.Cmp(top) < 0 {
				check(x)
			}
		}
	}
	for range 1000 {
		x, err := rand.Int(rand.Reader, top)
		require.NoError(t, err)
		check(x)
	}
}

// A root is hashed once and the result shared.
func TestHashRoot(t *testing.T) {
	root := [32]byte{0xaa}
	_, _ = rand.Read(root[1:])
	h := HashRoot(root)
	require.Same(t, h, HashRoot(root))
	require.Equal(t, root, h.Root())
	var all sync.WaitGroup
	for range 8 { // whoever comes first normalises the point, and all see it whole
		all.Go(func() { assert.True(t, h.pairing().InG2()) })
	}
	all.Wait()
	require.True(t, h.pairing().InG2())
	require.Equal(t, *h.point.ToAffine(), *h.pairing())
	root[0]++
	require.NotEqual(t, *h.pairing(), *HashRoot(root).pairing())
}
