package shamir

import (
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
)

// MaxThreshold and MaxShares are the largest threshold and the largest number of
// shares that can be split or parsed. They bound what a hostile encoding can make
// a reader compute: all shares' public keys in about a second.
const (
	MaxThreshold = 128
	MaxShares    = 256
)

// pointSize is the length of one encoded coefficient.
const pointSize = bls.PublicKeySize

// Commitment is a Feldman commitment: the coefficients of the sharing
// polynomial times the generator of G1, constant term first. Its length is the
// threshold. It is public and immutable.
type Commitment struct{ points []bls.PublicKey }

// ParseCommitment decodes a commitment: 48 compressed bytes per coefficient,
// constant term first. Every point must be on the curve, in the subgroup and not
// infinity; there are 1 to MaxThreshold of them.
func ParseCommitment(b []byte) (*Commitment, error) {
	if len(b) == 0 || len(b)%pointSize != 0 || len(b)/pointSize > MaxThreshold {
		return nil, fmt.Errorf("shamir: commitment has %d bytes, expected %d for each of 1 to %d coefficients", len(b), pointSize, MaxThreshold)
	}
	c := &Commitment{points: make([]bls.PublicKey, len(b)/pointSize)}
	for k := range c.points {
		var err error
		if c.points[k], err = bls.ParsePublicKey(b[k*pointSize : (k+1)*pointSize]); err != nil {
			return nil, fmt.Errorf("shamir: coefficient %d of the commitment: %w", k, err)
		}
	}
	return c, nil
}

// Bytes returns the encoding that ParseCommitment reads.
func (c *Commitment) Bytes() []byte {
	b := make([]byte, 0, len(c.points)*pointSize)
	for _, p := range c.points {
		point := p.Bytes()
		b = append(b, point[:]...)
	}
	return b
}

// Threshold is the number of shares that recover the secret.
func (c *Commitment) Threshold() int { return len(c.points) }

// Equal reports whether both commit to the same polynomial.
func (c *Commitment) Equal(other *Commitment) bool { return slices.Equal(c.points, other.points) }

// PublicKey returns the secret times the generator. Its type is internal: the
// method is for package keyshare.
func (c *Commitment) PublicKey() bls.PublicKey { return c.points[0] }

// At returns the share at index times the generator. Its type is internal: the
// method is for package keyshare.
func (c *Commitment) At(index Index) (bls.PublicKey, error) {
	if index == 0 {
		return bls.PublicKey{}, errZeroIndex
	}
	return bls.EvaluateCommitment(c.points, uint64(index))
}

// ErrShare is returned by [Commitment.Verify] for a share that is not a point of
// the committed polynomial.
var ErrShare = errors.New("shamir: share does not lie on the committed polynomial")

var errZeroIndex = errors.New("shamir: index 0, where the secret itself lies; expected 1 to 2^64-1")

// Verify checks that the share is the committed polynomial's value at its index.
// It returns ErrShare, with the index, if not.
func (c *Commitment) Verify(s Share) error {
	want, err := c.At(s.Index)
	if err != nil {
		return err
	}
	if s.Value == nil {
		return fmt.Errorf("shamir: share at %d has no value", s.Index)
	}
	return s.Value.Use(func(b []byte) error {
		got, err := bls.PublicKeyOf(b)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%w: index %d", ErrShare, s.Index)
		}
		return nil
	})
}
