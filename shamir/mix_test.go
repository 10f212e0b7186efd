package shamir_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/shamir"
)

// sharing is a secret split at the given indices.
type sharing struct {
	secret     *shamir.Scalar
	shares     []shamir.Share
	commitment *shamir.Commitment
}

func share(t require.TestingT, secret *shamir.Scalar, threshold int, at []shamir.Index) sharing {
	shares, c, err := shamir.Split(secret, threshold, at)
	require.NoError(t, err)
	return sharing{secret, shares, c}
}

// add returns the sum of scalars.
func add(t require.TestingT, scalars ...*shamir.Scalar) *shamir.Scalar {
	values := make([][]byte, len(scalars))
	for i, s := range scalars {
		values[i] = bytesOf(t, s)
	}
	buf, err := bls.SumSecrets(values)
	require.NoError(t, err)
	defer buf.Destroy()
	whole, err := shamir.ParseScalar(buf.Bytes())
	require.NoError(t, err)
	return whole
}

// The sum of dealers' shares is a share of the sum of their secrets, under the sum of their commitments.
func TestSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(1, 4).Draw(t, "threshold")
		at := indices(t, threshold+rapid.IntRange(0, 2).Draw(t, "more"))
		dealers := make([]sharing, rapid.IntRange(1, 4).Draw(t, "dealers"))
		commitments, secrets := make([]*shamir.Commitment, len(dealers)), make([]*shamir.Scalar, len(dealers))
		for d := range dealers {
			dealers[d] = share(t, randomScalar(t), threshold, at)
			commitments[d], secrets[d] = dealers[d].commitment, dealers[d].secret
		}
		whole, err := shamir.Sum(commitments)
		require.NoError(t, err)
		shares := make([]shamir.Share, len(at))
		for i, x := range at {
			parts := make([]*shamir.Scalar, len(dealers))
			for d := range dealers {
				parts[d] = dealers[d].shares[i].Value
			}
			shares[i] = shamir.Share{Index: x, Value: add(t, parts...)}
			require.NoError(t, whole.Verify(shares[i]))
		}
		got, err := shamir.Combine(whole, shares)
		require.NoError(t, err)
		require.True(t, got.Equal(add(t, secrets...)))
	})
}

// Holders of one secret's shares who share these again have, interpolated, shared the secret again.
func TestInterpolate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold, next := rapid.IntRange(1, 4).Draw(t, "threshold"), rapid.IntRange(1, 4).Draw(t, "next")
		old := share(t, randomScalar(t), threshold, indices(t, threshold))
		at := indices(t, next)
		var from []shamir.Index
		var commitments []*shamir.Commitment
		again := make([]sharing, threshold)
		for i, s := range old.shares {
			again[i] = share(t, s.Value, next, at)
			from, commitments = append(from, s.Index), append(commitments, again[i].commitment)
		}
		whole, err := shamir.Interpolate(from, commitments)
		require.NoError(t, err)
		require.Equal(t, next, whole.Threshold())
		require.Equal(t, old.commitment.PublicKey(), whole.PublicKey(), "the secret is the same")

		w, err := shamir.Weights(from)
		require.NoError(t, err)
		shares := make([]shamir.Share, next)
		for j, x := range at {
			values := make([][]byte, threshold)
			for i := range again {
				values[i] = bytesOf(t, again[i].shares[j].Value)
			}
			buf, err := w.CombineSecret(values)
			require.NoError(t, err)
			v, err := shamir.ParseScalar(buf.Bytes())
			require.NoError(t, err)
			buf.Destroy()
			shares[j] = shamir.Share{Index: x, Value: v}
		}
		got, err := shamir.Combine(whole, shares)
		require.NoError(t, err)
		require.True(t, got.Equal(old.secret))
	})
}

func TestMixRefusals(t *testing.T) {
	at := []shamir.Index{1, 2, 3}
	two, three := share(t, randomScalar(t), 2, at).commitment, share(t, randomScalar(t), 3, at).commitment
	_, err := shamir.Sum(nil)
	require.EqualError(t, err, "shamir: combination of no commitments")
	_, err = shamir.Sum([]*shamir.Commitment{two, three})
	require.EqualError(t, err, "shamir: commitment 1 has 3 coefficients, expected 2 as the first")
	_, err = shamir.Interpolate(at, []*shamir.Commitment{two})
	require.EqualError(t, err, "shamir: 1 commitments for 3 indices")
	_, err = shamir.Interpolate([]shamir.Index{1, 1}, []*shamir.Commitment{two, two})
	require.EqualError(t, err, "shamir: index 1 twice")
	_, err = shamir.Interpolate([]shamir.Index{0}, []*shamir.Commitment{two})
	require.ErrorContains(t, err, "shamir: index 0")
	_, err = shamir.Interpolate([]shamir.Index{1, 2}, []*shamir.Commitment{two, three})
	require.EqualError(t, err, "shamir: commitment 1 has 3 coefficients, expected 2 as the first")

	// What is left of the secret when its opposite is added is nothing, which no commitment can say.
	secret := randomScalar(t)
	minus := opposite(t, secret)
	a, b := share(t, secret, 1, at).commitment, share(t, minus, 1, at).commitment
	_, err = shamir.Sum([]*shamir.Commitment{a, b})
	require.ErrorIs(t, err, bls.ErrPublicKey)
	require.ErrorContains(t, err, "shamir: coefficient 0 of the combination")
}

// opposite returns -s.
func opposite(t *testing.T, s *shamir.Scalar) *shamir.Scalar {
	r := groupOrder()
	v, err := shamir.ParseScalar(r.Sub(r, number(bytesOf(t, s))).FillBytes(make([]byte, 32)))
	require.NoError(t, err)
	return v
}

func TestCommitmentOf(t *testing.T) {
	c := share(t, randomScalar(t), 3, []shamir.Index{1, 2, 3}).commitment
	points := make([]bls.PublicKey, 3)
	for k := range points {
		var err error
		points[k], err = bls.ParsePublicKey(c.Bytes()[48*k : 48*k+48])
		require.NoError(t, err)
	}
	again, err := shamir.CommitmentOf(points)
	require.NoError(t, err)
	require.True(t, again.Equal(c))

	_, err = shamir.CommitmentOf(nil)
	require.EqualError(t, err, "shamir: commitment of 0 coefficients, expected 1 to 128")
	_, err = shamir.CommitmentOf(make([]bls.PublicKey, 129))
	require.EqualError(t, err, "shamir: commitment of 129 coefficients, expected 1 to 128")
	points[1] = bls.PublicKey{}
	_, err = shamir.CommitmentOf(points)
	require.EqualError(t, err, "shamir: coefficient 1 of the commitment is missing")
}
