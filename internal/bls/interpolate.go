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
