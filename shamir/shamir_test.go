package shamir_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/shamir"
)

// indices draws n distinct indices: consecutive, small, or anywhere up to 2^64-1.
func indices(t *rapid.T, n int) []shamir.Index {
	if rapid.Bool().Draw(t, "consecutive") {
		first := rapid.SampledFrom([]shamir.Index{1, 378, math.MaxUint64 - 20}).Draw(t, "first")
		at := make([]shamir.Index, n)
		for i := range at {
			at[i] = first + shamir.Index(i)
		}
		return rapid.Permutation(at).Draw(t, "order")
	}
	x := rapid.OneOf(rapid.Uint64Range(1, 2000), rapid.Uint64Range(1, math.MaxUint64), rapid.Uint64Range(math.MaxUint64-20, math.MaxUint64))
	var at []shamir.Index
	for _, v := range rapid.SliceOfNDistinct(x, n, n, rapid.ID).Draw(t, "at") {
		at = append(at, shamir.Index(v))
	}
	return at
}

func randomScalar(t require.TestingT) *shamir.Scalar {
	s, err := shamir.RandomScalar()
	require.NoError(t, err)
	return s
}

// bytesOf copies a scalar out.
func bytesOf(t require.TestingT, s *shamir.Scalar) (b []byte) {
	require.NoError(t, s.Use(func(in []byte) error { b = slices.Clone(in); return nil }))
	return b
}

// changed is a share at the same index with another value.
func changed(t require.TestingT, s shamir.Share) shamir.Share {
	b := bytesOf(t, s.Value)
	b[31] ^= 1
	v, err := shamir.ParseScalar(b)
	if err != nil { // 1 became 0
		v = randomScalar(t)
	}
	return shamir.Share{Index: s.Index, Value: v}
}

func TestSplitCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(1, 7).Draw(t, "threshold")
		at := indices(t, threshold+rapid.IntRange(0, 5).Draw(t, "more"))
		secret := randomScalar(t)
		defer secret.Destroy()
		shares, c, err := shamir.Split(secret, threshold, at)
		require.NoError(t, err)
		require.Equal(t, threshold, c.Threshold())
		require.Len(t, shares, len(at))
		for i, s := range shares {
			require.Equal(t, at[i], s.Index, "shares stand in the order asked for")
			require.NoError(t, c.Verify(s))
			defer s.Destroy()
		}

		// Any threshold of them, and more, recover the secret.
		some := rapid.Permutation(shares).Draw(t, "shuffled")[:rapid.IntRange(threshold, len(shares)).Draw(t, "have")]
		got, err := shamir.Combine(c, some)
		require.NoError(t, err)
		defer got.Destroy()
		require.True(t, got.Equal(secret))

		// One fewer does not.
		_, err = shamir.Combine(c, some[:threshold-1])
		require.Equal(t, &shamir.CombineError{Need: threshold, Have: threshold - 1}, err)

		// Changed shares are named, in the order given, whatever else is there.
		spoilt := slices.Clone(some)
		var bad []shamir.Index
		for i := range spoilt {
			if rapid.Bool().Draw(t, "spoil") || (i == len(spoilt)-1 && bad == nil) {
				spoilt[i] = changed(t, spoilt[i])
				bad = append(bad, spoilt[i].Index)
				require.ErrorIs(t, c.Verify(spoilt[i]), shamir.ErrShare)
			}
		}
		_, err = shamir.Combine(c, spoilt)
		require.Equal(t, &shamir.CombineError{Need: threshold, Have: len(spoilt) - len(bad), Bad: bad}, err)

		// A share under another's index is a changed share.
		if len(some) > 1 {
			moved := slices.Clone(some)
			moved[0].Value, moved[1].Value = moved[1].Value, moved[0].Value
			_, err = shamir.Combine(c, moved)
			if threshold > 1 {
				require.Equal(t, &shamir.CombineError{Need: threshold, Have: len(moved) - 2, Bad: []shamir.Index{moved[0].Index, moved[1].Index}}, err)
			} else {
				require.NoError(t, err, "on a constant all values are equal")
			}
		}

		back, err := shamir.ParseCommitment(c.Bytes())
		require.NoError(t, err)
		require.True(t, back.Equal(c))
	})
}

// Fewer shares than the threshold fit every secret: for each there is a polynomial through them.
func TestFewerSharesTellNothing(t *testing.T) {
	secret := randomScalar(t)
	shares, _, err := shamir.Split(secret, 3, []shamir.Index{1, 2, 3})
	require.NoError(t, err)
	again, _, err := shamir.Split(secret, 3, []shamir.Index{1, 2, 3})
	require.NoError(t, err)
	for i := range shares {
		require.False(t, shares[i].Value.Equal(again[i].Value), "a second split has other shares")
		require.False(t, shares[i].Value.Equal(secret))
	}
	mixed := []shamir.Share{shares[0], shares[1], again[2]}
	_, c, err := shamir.Split(secret, 3, []shamir.Index{1, 2, 3})
	require.NoError(t, err)
	_, err = shamir.Combine(c, mixed)
	require.Equal(t, &shamir.CombineError{Need: 3, Have: 0, Bad: []shamir.Index{1, 2, 3}}, err)
	require.EqualError(t, err, "shamir: shares at [1 2 3] do not lie on the committed polynomial; 0 good ones, expected at least 3")
}

func TestSplitRefusals(t *testing.T) {
	s := randomScalar(t)
	for _, c := range []struct {
		threshold int
		at        []shamir.Index
		want      string
	}{
		{0, []shamir.Index{1}, "shamir: threshold 0, expected 1 to 128"},
		{-1, []shamir.Index{1}, "shamir: threshold -1, expected 1 to 128"},
		{129, make([]shamir.Index, 200), "shamir: threshold 129, expected 1 to 128"},
		{3, []shamir.Index{1, 2}, "shamir: 2 indices for threshold 3, expected at least as many"},
		{1, nil, "shamir: 0 indices for threshold 1, expected at least as many"},
		{2, []shamir.Index{1, 0, 2}, "shamir: index 0, where the secret itself lies; expected 1 to 2^64-1"},
		{2, []shamir.Index{1, 5, 5}, "shamir: index 5 twice"},
		{1, make([]shamir.Index, 257), "shamir: 257 indices, expected at most 256"},
	} {
		shares, commitment, err := shamir.Split(s, c.threshold, c.at)
		require.EqualError(t, err, c.want)
		require.Nil(t, shares)
		require.Nil(t, commitment)
	}
	s.Destroy()
	_, _, err := shamir.Split(s, 2, []shamir.Index{1, 2})
	require.ErrorIs(t, err, secret.ErrDestroyed)
}

func TestCombineRefusals(t *testing.T) {
	shares, c, err := shamir.Split(randomScalar(t), 2, []shamir.Index{4, 5, 6})
	require.NoError(t, err)
	_, err = shamir.Combine(c, []shamir.Share{shares[0], shares[0]})
	require.EqualError(t, err, "shamir: index 4 twice")
	_, err = shamir.Combine(c, []shamir.Share{shares[0], {Index: 0, Value: shares[1].Value}})
	require.ErrorContains(t, err, "shamir: index 0")
	_, err = shamir.Combine(c, []shamir.Share{shares[0], {Index: 5}})
	require.EqualError(t, err, "shamir: share at 5 has no value")
	_, err = shamir.Combine(c, nil)
	require.EqualError(t, err, "shamir: 0 shares, expected at least 2")
	require.ErrorContains(t, c.Verify(shamir.Share{Index: 0, Value: shares[0].Value}), "shamir: index 0")
	require.EqualError(t, c.Verify(shamir.Share{Index: 9, Value: shares[0].Value}), "shamir: share does not lie on the committed polynomial: index 9")
	_, err = c.At(0)
	require.ErrorContains(t, err, "shamir: index 0")

	_, other, err := shamir.Split(randomScalar(t), 2, []shamir.Index{4, 5})
	require.NoError(t, err)
	require.False(t, c.Equal(other))
	_, err = shamir.Combine(other, shares)
	require.Equal(t, &shamir.CombineError{Need: 2, Have: 0, Bad: []shamir.Index{4, 5, 6}}, err)

	shares[1].Destroy()
	_, err = shamir.Combine(c, shares[:2])
	require.ErrorIs(t, err, secret.ErrDestroyed)
	shamir.Share{}.Destroy() // has no value
}

func TestParseScalar(t *testing.T) {
	for n := range 100 {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0x11
		}
		s, err := shamir.ParseScalar(b)
		if n == shamir.ScalarSize {
			require.NoError(t, err)
			require.Equal(t, b, bytesOf(t, s))
			continue
		}
		require.ErrorIs(t, err, shamir.ErrScalar)
		require.Nil(t, s)
	}
	b := bytes.Repeat([]byte{0xff}, 32)
	_, err := shamir.ParseScalar(b)
	require.ErrorIs(t, err, shamir.ErrScalar)
	require.NotContains(t, err.Error(), "ff")
	require.Equal(t, bytes.Repeat([]byte{0xff}, 32), b, "the input stays as it is")
}

func TestScalarEqual(t *testing.T) {
	a := randomScalar(t)
	b, err := shamir.ParseScalar(bytesOf(t, a))
	require.NoError(t, err)
	require.True(t, a.Equal(b))
	require.True(t, a.Equal(a))
	require.False(t, a.Equal(randomScalar(t)))
	b.Destroy()
	require.False(t, a.Equal(b))
	require.False(t, b.Equal(b))
	require.ErrorIs(t, b.Use(func([]byte) error { return nil }), secret.ErrDestroyed)
}

// A scalar prints nothing of itself, in no format, alone or in a struct.
func TestScalarNeverPrints(t *testing.T) {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	b[0] &= 0x3f
	s, err := shamir.ParseScalar(b)
	require.NoError(t, err)
	share := shamir.Share{Index: 7, Value: s}
	holder := struct {
		Name   string
		Share  *shamir.Share
		Scalar shamir.Scalar
		hidden *shamir.Scalar
	}{"holder", &share, shamir.Scalar{}, s}
	require.NotNil(t, holder.hidden)

	var out strings.Builder
	for _, v := range []any{s, share, &share, []shamir.Share{share}, map[string]*shamir.Scalar{"a": s}, holder, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%T", "%p", "%t", "%c", "%U", "%e"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
	}
	require.Contains(t, out.String(), "[secret]")
	for i := range len(b) - 3 {
		piece := b[i : i+4]
		for _, form := range []string{"%x", "%X", "%d", "%v"} {
			require.NotContains(t, out.String(), strings.Trim(fmt.Sprintf(form, piece), "[]"))
		}
		require.NotContains(t, out.String(), string(piece))
	}
}

func FuzzParseCommitment(f *testing.F) {
	_, c, err := shamir.Split(randomScalar(f), 3, []shamir.Index{1, 2, 3})
	require.NoError(f, err)
	f.Add(c.Bytes())
	f.Add(c.Bytes()[:48])
	f.Add([]byte{})
	f.Add(make([]byte, 96))
	f.Add(append([]byte{0xc0}, make([]byte, 47)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := shamir.ParseCommitment(b)
		if err != nil {
			require.Nil(t, c)
			require.True(t, strings.HasPrefix(err.Error(), "shamir: "))
			return
		}
		require.Equal(t, b, c.Bytes())
		require.Equal(t, len(b)/48, c.Threshold())
	})
}

// groupOrder returns r.
func groupOrder() *big.Int {
	r, _ := new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)
	return r
}

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func FuzzParseScalar(f *testing.F) {
	r := groupOrder()
	f.Add(r.Bytes())
	f.Add(new(big.Int).Sub(r, big.NewInt(1)).Bytes())
	f.Add(make([]byte, 32))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := shamir.ParseScalar(b)
		n := number(b)
		if len(b) != shamir.ScalarSize || n.Sign() == 0 || n.Cmp(r) >= 0 {
			require.Equal(t, shamir.ErrScalar, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, b, bytesOf(t, s))
		s.Destroy()
	})
}

func TestCommitmentRefusals(t *testing.T) {
	_, c, err := shamir.Split(randomScalar(t), 2, []shamir.Index{1, 2})
	require.NoError(t, err)
	good := c.Bytes()
	for _, n := range []int{0, 1, 47, 49, 95, 97, 48 * 129} {
		_, err := shamir.ParseCommitment(make([]byte, n))
		require.EqualError(t, err, fmt.Sprintf("shamir: commitment has %d bytes, expected 48 for each of 1 to 128 coefficients", n))
	}
	for _, at := range []int{0, 1} {
		broken := slices.Clone(good)
		clear(broken[48*at : 48*at+48])
		_, err := shamir.ParseCommitment(broken)
		require.ErrorContains(t, err, fmt.Sprintf("shamir: coefficient %d of the commitment", at))
	}
}
