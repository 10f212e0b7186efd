//go:build cgo

package bls

import (
	"errors"
	"fmt"
	"math/big"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// order is r, the order of the groups and of the scalar field.
var order, _ = new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)

// Weights are the Lagrange coefficients that give a polynomial's value at 0 from
// its values at a set of x-coordinates: f(0) = Σ λ_i f(x_i). They depend on
// nothing secret. Making them costs a field inversion; they are meant to be kept
// per set.
//
// Each λ_i is held as a whole number over a denominator that all share, since
// for small x-coordinates these numbers are short, which makes the sums of points
// short too.
type Weights struct {
	scalars []blst.Scalar // λ_i mod r
	sums    plan          // for sums of points: the numerators
	inverse *blst.Scalar  // of the common denominator; nil when that is 1
}

// NewWeights returns the coefficients for the given x-coordinates: not zero, no
// two equal, at least one.
func NewWeights(xs []uint64) (*Weights, error) {
	if len(xs) == 0 {
		return nil, errors.New("bls: interpolation over no points")
	}
	seen := make(map[uint64]bool, len(xs))
	for _, x := range xs {
		if x == 0 {
			return nil, errors.New("bls: x-coordinate 0, which is the secret itself")
		}
		if seen[x] {
			return nil, fmt.Errorf("bls: x-coordinate %d twice", x)
		}
		seen[x] = true
	}
	w := &Weights{scalars: make([]blst.Scalar, len(xs))}
	numerators, denominator, short := integerWeights(xs)
	if !short {
		numerators, denominator = fieldWeights(xs), big.NewInt(1)
	}
	w.sums = newPlan(numerators)
	inverse := new(big.Int).ModInverse(denominator, order)
	for i, c := range numerators {
		λ := new(big.Int).Mul(c, inverse)
		w.scalars[i] = *scalarFrom(λ.Mod(λ, order))
	}
	if denominator.Cmp(big.NewInt(1)) != 0 {
		w.inverse = scalarFrom(inverse)
	}
	return w, nil
}

// scalarFrom encodes a public number in 1 … r-1.
func scalarFrom(x *big.Int) *blst.Scalar {
	return new(blst.Scalar).FromBEndian(x.FillBytes(make([]byte, ScalarSize)))
}

// CombineSecret returns Σ λ_i·values[i], the polynomial's value at 0, in a
// guarded buffer that the caller destroys. The values are secret scalars in the
// order of the x-coordinates.
func (w *Weights) CombineSecret(values [][]byte) (*secret.Buffer, error) {
	if len(values) != len(w.scalars) {
		return nil, fmt.Errorf("bls: %d values for %d coefficients", len(values), len(w.scalars))
	}
	buf, err := secret.New(2 * ScalarSize)
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	sum, term := scalarAt(buf.Bytes()), scalarAt(buf.Bytes()[ScalarSize:])
	for i, v := range values {
		if err := CheckScalar(v); err != nil {
			return nil, err
		}
		reverse(buf.Bytes()[ScalarSize:], v)
		term.MulAssign(&w.scalars[i])
		sum.AddAssign(term)
	}
	out, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	reverse(out.Bytes(), buf.Bytes()[:ScalarSize])
	if err := CheckScalar(out.Bytes()); err != nil {
		out.Destroy()
		return nil, err
	}
	return out, nil
}

// CombineKeys returns Σ λ_i·keys[i]: the group's public key from its shares'.
func (w *Weights) CombineKeys(keys []PublicKey) (PublicKey, error) {
	if len(keys) != len(w.scalars) {
		return PublicKey{}, fmt.Errorf("bls: %d keys for %d coefficients", len(keys), len(w.scalars))
	}
	points := make([]*blst.P1Affine, len(keys))
	for i := range keys {
		points[i] = &keys[i].p
	}
	whole := sum[blst.P1](w.sums, points, affineG1)
	if w.inverse != nil {
		whole.MultAssign(w.inverse)
	}
	return keyFrom(whole)
}

// CombineSignatures returns Σ λ_i·partials[i]: the group's signature from its
// members' partial signatures. It is right only if all of them are: verify it.
func (w *Weights) CombineSignatures(partials []Signature) (Signature, error) {
	if len(partials) != len(w.scalars) {
		return Signature{}, fmt.Errorf("bls: %d partial signatures for %d coefficients", len(partials), len(w.scalars))
	}
	points := make([]*blst.P2Affine, len(partials))
	for i := range partials {
		points[i] = &partials[i].p
	}
	whole := sum[blst.P2](w.sums, points, affineG2)
	if w.inverse != nil {
		whole.MultAssign(w.inverse)
	}
	s := Signature{*whole.ToAffine()}
	if s.IsZero() {
		return Signature{}, ErrSignature
	}
	return s, nil
}

// CombineWire is CombineSignatures over the 96-byte compressed forms. It skips
// the subgroup check of each partial signature and makes it once, of the sum. The
// caller verifies the sum, which is what makes that safe: a signature that
// verifies is the right one whatever it was summed from.
func (w *Weights) CombineWire(partials [][]byte) (Signature, error) {
	points := make([]Signature, len(partials))
	for i, b := range partials {
		var err error
		if points[i], err = parseUnchecked(b); err != nil {
			return Signature{}, err
		}
	}
	s, err := w.CombineSignatures(points)
	if err != nil {
		return Signature{}, err
	}
	if !s.p.SigValidate(true) {
		return Signature{}, ErrSignature
	}
	return s, nil
}

func affineG1(points []blst.P1) []blst.P1Affine { return blst.P1s(points).ToAffine() }

func affineG2(points []blst.P2) []blst.P2Affine { return blst.P2s(points).ToAffine() }
