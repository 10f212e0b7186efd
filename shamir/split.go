package shamir

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

// Index is the x-coordinate of a share: 1 to 2^64-1. All of these are distinct
// modulo r. In the SSV network it is the operator's id.
type Index uint64

// Share is the value of the sharing polynomial at Index.
type Share struct {
	Index Index
	Value *Scalar
}

// Destroy wipes the value.
func (s Share) Destroy() { s.Value.Destroy() }

// CheckIndices returns an error unless there are between threshold and MaxShares
// indices, none of them 0 and no two equal, and 1 ≤ threshold ≤ MaxThreshold.
func CheckIndices(threshold int, at []Index) error {
	if threshold < 1 || threshold > MaxThreshold {
		return fmt.Errorf("shamir: threshold %d, expected 1 to %d", threshold, MaxThreshold)
	}
	if len(at) < threshold {
		return fmt.Errorf("shamir: %d indices for threshold %d, expected at least as many", len(at), threshold)
	}
	if len(at) > MaxShares {
		return fmt.Errorf("shamir: %d indices, expected at most %d", len(at), MaxShares)
	}
	seen := make(map[Index]bool, len(at))
	for _, x := range at {
		if x == 0 {
			return errZeroIndex
		}
		if seen[x] {
			return fmt.Errorf("shamir: index %d twice", x)
		}
		seen[x] = true
	}
	return nil
}

// Split shares the secret: it draws a random polynomial of degree threshold-1
// through it, and returns its values at the given indices, in their order, with
// the commitment. Each share has been checked against the commitment. The caller
// destroys secret and shares.
func Split(secret *Scalar, threshold int, at []Index) ([]Share, *Commitment, error) {
	if err := CheckIndices(threshold, at); err != nil {
		return nil, nil, err
	}
	var f *bls.Polynomial
	err := secret.Use(func(b []byte) (err error) {
		f, err = bls.NewPolynomial(b, threshold)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("shamir: %w", err)
	}
	defer f.Destroy()
	c := &Commitment{points: f.Commit()}
	shares := make([]Share, 0, len(at))
	for _, x := range at {
		value, err := newScalar(f.Evaluate(uint64(x)))
		if err == nil {
			shares = append(shares, Share{Index: x, Value: value})
			err = c.Verify(shares[len(shares)-1])
		}
		if err != nil {
			destroy(shares)
			return nil, nil, fmt.Errorf("shamir: share at %d: %w", x, err)
		}
	}
	return shares, c, nil
}

func destroy(shares []Share) {
	for _, s := range shares {
		s.Destroy()
	}
}
