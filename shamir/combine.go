package shamir

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
)

// CombineError says why shares do not combine.
type CombineError struct {
	Need int     // the threshold
	Have int     // shares that are good
	Bad  []Index // shares that are not the committed polynomial's values
}

func (e *CombineError) Error() string {
	if len(e.Bad) == 0 {
		return fmt.Sprintf("shamir: %d shares, expected at least %d", e.Have, e.Need)
	}
	return fmt.Sprintf("shamir: shares at %d do not lie on the committed polynomial; %d good ones, expected at least %d", e.Bad, e.Have, e.Need)
}

// Combine recovers the committed secret from at least a threshold of its shares.
// Each share is verified first: shares at an index twice are an error, and one
// that is bad, or too few of them, a [*CombineError] that names the bad ones,
// even if enough good ones are left.
func Combine(c *Commitment, shares []Share) (*Scalar, error) {
	at := make([]Index, len(shares))
	for i, s := range shares {
		at[i] = s.Index
	}
	need := c.Threshold()
	if len(shares) < need {
		return nil, &CombineError{Need: need, Have: len(shares)}
	}
	if err := CheckIndices(need, at); err != nil {
		return nil, err
	}
	var bad []Index
	for _, s := range shares {
		if err := c.Verify(s); errors.Is(err, ErrShare) {
			bad = append(bad, s.Index)
		} else if err != nil {
			return nil, err
		}
	}
	if len(bad) > 0 {
		return nil, &CombineError{Need: need, Have: len(shares) - len(bad), Bad: bad}
	}
	w, err := Weights(at[:need])
	if err != nil {
		return nil, err
	}
	values := make([][]byte, need)
	for i, s := range shares[:need] {
		buf, err := s.Value.box.Open()
		if err != nil {
			return nil, fmt.Errorf("shamir: share at %d: %w", s.Index, err)
		}
		defer buf.Destroy()
		values[i] = buf.Bytes()
	}
	whole, err := newScalar(w.CombineSecret(values))
	if err != nil {
		return nil, err
	}
	// The verified shares determine the secret; this guards against faults.
	if err := checkPublicKey(whole, c.PublicKey()); err != nil {
		whole.Destroy()
		return nil, err
	}
	return whole, nil
}

func checkPublicKey(s *Scalar, want bls.PublicKey) error {
	return s.Use(func(b []byte) error {
		got, err := bls.PublicKeyOf(b)
		if err == nil && got != want {
			err = errors.New("shamir: combined secret does not match its commitment")
		}
		return err
	})
}
