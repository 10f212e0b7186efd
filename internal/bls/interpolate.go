//go:build cgo

package bls

import (
	"fmt"
	"math/big"

	blst "github.com/supranational/blst/bindings/go"
)

// InterpolateCommitment returns the Feldman commitment of the one polynomial of
// degree below len(xs) whose values at xs, times the generator, are the given
// keys. The x-coordinates are checked as in NewWeights.
func InterpolateCommitment(xs []uint64, keys []PublicKey) ([]PublicKey, error) {
	if len(xs) != len(keys) {
		return nil, fmt.Errorf("bls: %d keys for %d x-coordinates", len(keys), len(xs))
	}
	if _, err := NewWeights(xs); err != nil { // the checks, and no more
		return nil, err
	}
	basis := lagrangeBasis(xs)
	points := make([]*blst.P1Affine, len(keys))
	for i := range keys {
		points[i] = &keys[i].p
	}
	commitment := make([]PublicKey, len(xs))
	for k := range commitment {
		coefficients := make([]*big.Int, len(xs))
		for i := range xs {
			coefficients[i] = basis[i][k]
		}
		var err error
		if commitment[k], err = keyFrom(sum[blst.P1](newPlan(coefficients), points, affineG1)); err != nil {
			return nil, fmt.Errorf("bls: the keys lie on a polynomial of lower degree: its coefficient %d is zero", k)
		}
	}
	return commitment, nil
}

// lagrangeBasis returns the coefficients, constant term first and modulo r, of
// the polynomials that are 1 at one x-coordinate and 0 at the others.
func lagrangeBasis(xs []uint64) [][]*big.Int {
	basis := make([][]*big.Int, len(xs))
	for i, xi := range xs {
		poly := []*big.Int{big.NewInt(1)}
		denominator := big.NewInt(1)
		bi := new(big.Int).SetUint64(xi)
		for j, xj := range xs {
			if j == i {
				continue
			}
			bj := new(big.Int).SetUint64(xj)
			poly = mulLinear(poly, bj)
			denominator.Mul(denominator, new(big.Int).Sub(bi, bj))
			denominator.Mod(denominator, order)
		}
		inverse := denominator.ModInverse(denominator, order)
		for k := range poly {
			poly[k].Mul(poly[k], inverse)
			poly[k].Mod(poly[k], order)
		}
		basis[i] = poly
	}
	return basis
}

// mulLinear returns poly·(x - root), coefficients modulo r.
func mulLinear(poly []*big.Int, root *big.Int) []*big.Int {
	out := make([]*big.Int, len(poly)+1)
	for k := range out {
		c := new(big.Int)
		if k > 0 {
			c.Set(poly[k-1])
		}
		if k < len(poly) {
			c.Sub(c, new(big.Int).Mul(poly[k], root))
		}
		out[k] = c.Mod(c, order)
	}
	return out
}
