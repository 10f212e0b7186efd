package shamir

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

// CommitmentOf returns the commitment with the given coefficients, 1 to
// MaxThreshold of them, constant term first, and none the zero value. Their type is
// internal: the function is for package dkg, which decodes points of many
// commitments at a time.
func CommitmentOf(points []bls.PublicKey) (*Commitment, error) {
	if len(points) == 0 || len(points) > MaxThreshold {
		return nil, fmt.Errorf("shamir: commitment of %d coefficients, expected 1 to %d", len(points), MaxThreshold)
	}
	for k, p := range points {
		if p.IsZero() {
			return nil, fmt.Errorf("shamir: coefficient %d of the commitment is missing", k)
		}
	}
	return &Commitment{points}, nil
}

// Sum returns the commitment to the sum of the committed polynomials, all of one
// threshold: the sharing of a key that several dealers make together.
func Sum(parts []*Commitment) (*Commitment, error) { return mix(parts, bls.SumKeys) }

// Interpolate returns the commitment to Σ λ_i·f_i, where f_i is the polynomial that
// parts[i] commits to and λ_i the Lagrange coefficient of at[i] at 0. If each f_i(0)
// is the share at at[i] of one secret, that is a new sharing of the secret.
func Interpolate(at []Index, parts []*Commitment) (*Commitment, error) {
	if len(at) != len(parts) {
		return nil, fmt.Errorf("shamir: %d commitments for %d indices", len(parts), len(at))
	}
	if err := CheckIndices(1, at); err != nil {
		return nil, err
	}
	w, err := Weights(at)
	if err != nil {
		return nil, fmt.Errorf("shamir: %w", err)
	}
	return mix(parts, w.CombineKeys)
}

// mix combines commitments coefficient by coefficient.
func mix(parts []*Commitment, combine func([]bls.PublicKey) (bls.PublicKey, error)) (*Commitment, error) {
	if len(parts) == 0 {
		return nil, errors.New("shamir: combination of no commitments")
	}
	threshold := parts[0].Threshold()
	for i, c := range parts {
		if c.Threshold() != threshold {
			return nil, fmt.Errorf("shamir: commitment %d has %d coefficients, expected %d as the first", i, c.Threshold(), threshold)
		}
	}
	whole := &Commitment{make([]bls.PublicKey, threshold)}
	column := make([]bls.PublicKey, len(parts))
	for k := range threshold {
		for i, c := range parts {
			column[i] = c.points[k]
		}
		var err error
		if whole.points[k], err = combine(column); err != nil {
			return nil, fmt.Errorf("shamir: coefficient %d of the combination: %w", k, err)
		}
	}
	return whole, nil
}
