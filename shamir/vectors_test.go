package shamir_test

import (
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/shamir"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// Every value of the threshold vectors: coefficients to commitment, shares and their public keys, partial signatures,
// and the combined signature, from several sets of shares.
func TestThresholdVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			Name         string
			Threshold    int
			Coefficients []string `json:"coefficients_be"`
			Commitments  []string `json:"commitments_g1"`
			Message      string   `json:"message32"`
			Signature    string   `json:"signature_g2"`
			Shares       []struct {
				ID       shamir.Index
				Share    string
				Pubshare string
				Partial  string `json:"partial_sig"`
			}
		}
	}
	vectors.JSON(t, "dkg/threshold_bls.json", &file)
	require.Len(t, file.Vectors, 4)
	large := false
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			var encoded []byte
			for _, p := range v.Commitments {
				encoded = append(encoded, unhex(t, p)...)
			}
			c, err := shamir.ParseCommitment(encoded)
			require.NoError(t, err)
			require.Equal(t, v.Threshold, c.Threshold())
			require.Len(t, v.Coefficients, v.Threshold)
			var coefficients []*big.Int
			for k, text := range v.Coefficients {
				b := unhex(t, text)
				coefficients = append(coefficients, new(big.Int).SetBytes(b))
				point, err := bls.PublicKeyOf(b)
				require.NoError(t, err)
				got := point.Bytes()
				require.Equal(t, v.Commitments[k], hex.EncodeToString(got[:]))
			}

			hash := bls.HashRoot([32]byte(unhex(t, v.Message)))
			at := make([]shamir.Index, len(v.Shares))
			shares := make([]shamir.Share, len(v.Shares))
			keys := make([]bls.PublicKey, len(v.Shares))
			partials := make([]bls.Signature, len(v.Shares))
			for i, s := range v.Shares {
				large = large || s.ID > 1<<32
				value, err := shamir.ParseScalar(unhex(t, s.Share))
				require.NoError(t, err)
				at[i], shares[i] = s.ID, shamir.Share{Index: s.ID, Value: value}
				require.NoError(t, c.Verify(shares[i]))
				require.Equal(t, s.Share, hex.EncodeToString(valueAt(coefficients, s.ID)))
				keys[i], err = c.At(s.ID)
				require.NoError(t, err)
				got := keys[i].Bytes()
				require.Equal(t, s.Pubshare, hex.EncodeToString(got[:]))
				require.NoError(t, value.Use(func(b []byte) error {
					sigs, err := bls.Sign(b, hash)
					require.NoError(t, err)
					partials[i] = sigs[0]
					return nil
				}))
				partial := partials[i].Bytes()
				require.Equal(t, s.Partial, hex.EncodeToString(partial[:]))
			}

			whole, err := shamir.ParseScalar(unhex(t, v.Coefficients[0]))
			require.NoError(t, err)
			for first := 0; first+v.Threshold <= len(shares); first++ {
				set := slices.Clone(shares[first : first+v.Threshold])
				got, err := shamir.Combine(c, set)
				require.NoError(t, err)
				require.True(t, got.Equal(whole))

				w, err := shamir.Weights(at[first : first+v.Threshold])
				require.NoError(t, err)
				sig, err := w.CombineSignatures(partials[first : first+v.Threshold])
				require.NoError(t, err)
				b := sig.Bytes()
				require.Equal(t, v.Signature, hex.EncodeToString(b[:]))
				require.True(t, bls.Verify(c.PublicKey(), hash, sig))
				key, err := w.CombineKeys(keys[first : first+v.Threshold])
				require.NoError(t, err)
				require.Equal(t, c.PublicKey(), key)
			}
			back, err := shamir.InterpolateCommitment(v.Threshold, at, keys)
			require.NoError(t, err)
			require.True(t, back.Equal(c))

			keys[len(keys)-1] = keys[0]
			_, err = shamir.InterpolateCommitment(v.Threshold, at, keys)
			require.ErrorIs(t, err, shamir.ErrShare)
			_, err = shamir.InterpolateCommitment(v.Threshold, at, keys[1:])
			require.ErrorContains(t, err, "public keys for")
			_, err = shamir.InterpolateCommitment(v.Threshold, at[:v.Threshold-1], keys[:v.Threshold-1])
			require.ErrorContains(t, err, "expected at least as many")
		})
	}
	require.True(t, large, "the vectors have indices above 2^32")
}

// valueAt returns Σ coefficients[k]·x^k modulo r, 32 bytes.
func valueAt(coefficients []*big.Int, x shamir.Index) []byte {
	r := groupOrder()
	v := new(big.Int)
	for k := len(coefficients) - 1; k >= 0; k-- {
		v.Mul(v, new(big.Int).SetUint64(uint64(x)))
		v.Add(v, coefficients[k]).Mod(v, r)
	}
	return v.FillBytes(make([]byte, 32))
}

func TestEdgeEncodings(t *testing.T) {
	var e map[string]string
	vectors.JSON(t, "dkg/edge_encodings.json", &e)
	_, good, err := shamir.Split(randomScalar(t), 2, []shamir.Index{1, 2})
	require.NoError(t, err)
	scalars, points := 0, 0
	for name, text := range e {
		switch name {
		case "scalar_zero", "scalar_eq_r":
			scalars++
			_, err := shamir.ParseScalar(unhex(t, text))
			require.ErrorIs(t, err, shamir.ErrScalar, name)
		case "g1_infinity", "g1_on_curve_not_in_subgroup_x4":
			points++
			b := unhex(t, text)
			for _, encoded := range [][]byte{b, append(slices.Clone(b), good.Bytes()...), append(good.Bytes(), b...)} {
				_, err := shamir.ParseCommitment(encoded)
				require.ErrorIs(t, err, bls.ErrPublicKey, name)
			}
		}
	}
	require.Equal(t, 2, scalars)
	require.Equal(t, 2, points)
}
