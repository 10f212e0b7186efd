package shamir

import (
	"encoding/binary"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/recent"
)

// Weights returns the Lagrange coefficients of a set of indices, by which values
// of a polynomial there combine to its value at 0: scalars in the field, public
// keys in G1, signatures in G2. They are cached per list of indices. Their type
// is internal: the function is for package keyshare.
func Weights(at []Index) (*bls.Weights, error) {
	key := make([]byte, 0, 8*len(at))
	for _, x := range at {
		key = binary.BigEndian.AppendUint64(key, uint64(x))
	}
	return weights.Get(string(key))
}

// A group of 13 has 715 sets of 9.
var weights = recent.Cache[string, *bls.Weights]{Size: 1024, Make: func(key string) (*bls.Weights, error) {
	xs := make([]uint64, len(key)/8)
	for i := range xs {
		xs[i] = binary.BigEndian.Uint64([]byte(key[8*i:]))
	}
	return bls.NewWeights(xs)
}}

// InterpolateCommitment returns the commitment of the one polynomial of degree
// below threshold on which all the public keys lie, or an error that names the
// first that does not. It takes at least threshold keys; their type is internal:
// the function is for package keyshare.
func InterpolateCommitment(threshold int, at []Index, keys []bls.PublicKey) (*Commitment, error) {
	if err := CheckIndices(threshold, at); err != nil {
		return nil, err
	}
	if len(keys) != len(at) {
		return nil, fmt.Errorf("shamir: %d public keys for %d indices", len(keys), len(at))
	}
	points, err := bls.InterpolateCommitment(coordinates(at[:threshold]), keys[:threshold])
	if err != nil {
		return nil, fmt.Errorf("shamir: %w", err)
	}
	c := &Commitment{points}
	for i, x := range at[threshold:] {
		got, err := c.At(x)
		if err != nil || got != keys[threshold+i] {
			return nil, fmt.Errorf("%w: the public key at %d is on no polynomial of degree %d with those before it", ErrShare, x, threshold-1)
		}
	}
	return c, nil
}

func coordinates(at []Index) []uint64 {
	xs := make([]uint64, len(at))
	for i, x := range at {
		xs[i] = uint64(x)
	}
	return xs
}
