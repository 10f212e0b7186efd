package keyshare_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// split shares a new key.
func split(t require.TestingT, threshold int, members ...keyshare.Index) (*keyshare.SecretKey, *keyshare.Group, []*keyshare.Share) {
	k := generate(t)
	g, shares, err := keyshare.Split(k, threshold, members)
	require.NoError(t, err)
	return k, g, shares
}

// memberIDs draws n ids: consecutive, such as the SSV network's, or anywhere up to 2^64-1.
func memberIDs(t *rapid.T, n int) []keyshare.Index {
	id := rapid.OneOf(rapid.Uint64Range(1, 2000), rapid.Uint64Range(1, math.MaxUint64), rapid.Uint64Range(math.MaxUint64-20, math.MaxUint64))
	var ids []keyshare.Index
	for _, v := range rapid.SliceOfNDistinct(id, n, n, rapid.ID).Draw(t, "ids") {
		ids = append(ids, keyshare.Index(v))
	}
	return ids
}

func partialsOf(t require.TestingT, root keyshare.Root, shares []*keyshare.Share) (parsed map[keyshare.Index]keyshare.Signature, wire map[keyshare.Index][]byte) {
	parsed, wire = map[keyshare.Index]keyshare.Signature{}, map[keyshare.Index][]byte{}
	for _, s := range shares {
		sig := sign(t, s, root)
		b := sig.Bytes()
		parsed[s.Index()], wire[s.Index()] = sig, b[:]
	}
	return parsed, wire
}

func wireOf(parsed map[keyshare.Index]keyshare.Signature) map[keyshare.Index][]byte {
	wire := map[keyshare.Index][]byte{}
	for id, s := range parsed {
		b := s.Bytes()
		wire[id] = b[:]
	}
	return wire
}

func TestSplitSignCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(2, 5).Draw(t, "threshold")
		ids := memberIDs(t, threshold+rapid.IntRange(0, 3).Draw(t, "more"))
		k, g, shares := split(t, threshold, ids...)
		require.Equal(t, k.PublicKey(), g.PublicKey())
		require.Equal(t, threshold, g.Threshold())
		require.Equal(t, slices.Sorted(slices.Values(ids)), g.Members())
		require.Equal(t, threshold, g.Commitment().Threshold())
		for i, s := range shares {
			require.Equal(t, ids[i], s.Index())
			require.Same(t, g, s.Group())
			member, ok := g.Member(s.Index())
			require.True(t, ok)
			require.Equal(t, member, s.PublicKey())
		}

		root := keyshare.Root(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))
		want := sign(t, k, root)
		some := rapid.Permutation(shares).Draw(t, "shuffled")[:rapid.IntRange(threshold, len(shares)).Draw(t, "have")]
		parsed, wire := partialsOf(t, root, some)
		for id, s := range parsed {
			member, _ := g.Member(id)
			require.True(t, member.Verify(root, s))
			require.False(t, g.PublicKey().Verify(root, s))
		}
		check := func(combine func() (keyshare.Signature, error), want keyshare.Signature, fault error) {
			got, err := combine()
			require.Equal(t, fault, err)
			require.Equal(t, want, got)
		}
		both := func(parsed map[keyshare.Index]keyshare.Signature, wire map[keyshare.Index][]byte, want keyshare.Signature, fault error) {
			check(func() (keyshare.Signature, error) { return g.Combine(root, parsed) }, want, fault)
			check(func() (keyshare.Signature, error) { return g.CombineBytes(root, wire) }, want, fault)
		}
		both(parsed, wire, want, nil)

		// Too few.
		few := maps.Clone(parsed)
		for id := range parsed {
			if len(few) >= threshold {
				delete(few, id)
			}
		}
		both(few, wireOf(few), keyshare.Signature{}, &keyshare.CombineError{Need: threshold, Have: threshold - 1})

		// The members whose signatures are bad are named if one of them is among those taken.
		order := slices.Sorted(maps.Keys(parsed))
		spoilt := maps.Clone(parsed)
		spoilt[order[rapid.IntRange(0, threshold-1).Draw(t, "taken")]] = want
		if rapid.Bool().Draw(t, "another") {
			spoilt[rapid.SampledFrom(order).Draw(t, "any")] = sign(t, k, keyshare.Root{0xff})
		}
		var bad []keyshare.Index
		for _, id := range order {
			if spoilt[id] != parsed[id] {
				bad = append(bad, id)
			}
		}
		fault := &keyshare.CombineError{Need: threshold, Have: len(order) - len(bad), Bad: bad}
		both(spoilt, wireOf(spoilt), keyshare.Signature{}, fault)

		// Without them the rest combine, if they are enough.
		for _, id := range bad {
			delete(spoilt, id)
		}
		if fault.Have >= fault.Need {
			both(spoilt, wireOf(spoilt), want, nil)
		} else {
			both(spoilt, wireOf(spoilt), keyshare.Signature{}, &keyshare.CombineError{Need: threshold, Have: fault.Have})
		}

		// Two members' signatures in each other's place.
		swapped := maps.Clone(parsed)
		swapped[order[0]], swapped[order[1]] = parsed[order[1]], parsed[order[0]]
		both(swapped, wireOf(swapped), keyshare.Signature{}, &keyshare.CombineError{Need: threshold, Have: len(order) - 2, Bad: order[:2]})
	})
}

func TestCombineBadBytes(t *testing.T) {
	k, g, shares := split(t, 2, 10, 20, 30)
	root := keyshare.Root{7}
	_, good := partialsOf(t, root, shares)
	outside := append([]byte{0x80}, make([]byte, 95)...) // of the curve or not: not in the subgroup
	outside[95] = 2
	other := sign(t, shares[0], keyshare.Root{8}).Bytes()
	for name, b := range map[string][]byte{
		"nil": nil, "empty": {}, "short": good[10][:95], "long": append(slices.Clone(good[10]), 0),
		"zero": make([]byte, 96), "infinity": append([]byte{0xc0}, make([]byte, 95)...), "outside": outside,
		"another root": other[:], "another member": good[20], "uncompressed flag": append([]byte{good[10][0] &^ 0x80}, good[10][1:]...),
	} {
		wire := maps.Clone(good)
		wire[10] = b
		got, err := g.CombineBytes(root, wire)
		require.Equal(t, &keyshare.CombineError{Need: 2, Have: 2, Bad: []keyshare.Index{10}}, err, name)
		require.EqualError(t, err, "keyshare: bad partial signatures of members [10]; 2 good ones, expected at least 2")
		require.True(t, got.IsZero())
	}
	// One that is not taken is not looked at.
	wire := maps.Clone(good)
	wire[30] = nil
	got, err := g.CombineBytes(root, wire)
	require.NoError(t, err)
	require.Equal(t, sign(t, k, root), got)

	parsed, _ := partialsOf(t, root, shares)
	parsed[20] = keyshare.Signature{}
	_, err = g.Combine(root, parsed)
	require.Equal(t, &keyshare.CombineError{Need: 2, Have: 2, Bad: []keyshare.Index{20}}, err)

	for _, foreign := range []keyshare.Index{0, 11, math.MaxUint64} {
		parsed, wire := partialsOf(t, root, shares)
		parsed[foreign], wire[foreign] = parsed[10], wire[10]
		want := fmt.Sprintf("keyshare: partial signature of %d, who is not a member of the group", foreign)
		_, err = g.Combine(root, parsed)
		require.EqualError(t, err, want)
		_, err = g.CombineBytes(root, wire)
		require.EqualError(t, err, want)
	}
	for _, err := range []error{second(g.Combine(root, nil)), second(g.CombineBytes(root, nil))} {
		require.EqualError(t, err, "keyshare: 0 partial signatures, expected at least 2")
	}
}

func second[T any](_ T, err error) error { return err }

func TestSplitRefusals(t *testing.T) {
	k := generate(t)
	for _, c := range []struct {
		threshold int
		members   []keyshare.Index
		want      string
	}{
		{0, []keyshare.Index{1, 2}, "keyshare: threshold 0, expected at least 2: with 1 every share is the whole key"},
		{1, []keyshare.Index{1, 2}, "keyshare: threshold 1, expected at least 2: with 1 every share is the whole key"},
		{3, []keyshare.Index{1, 2}, "keyshare: shamir: 2 indices for threshold 3, expected at least as many"},
		{2, []keyshare.Index{1, 0}, "keyshare: shamir: index 0, where the secret itself lies; expected 1 to 2^64-1"},
		{2, []keyshare.Index{6, 6, 7}, "keyshare: shamir: index 6 twice"},
	} {
		g, shares, err := keyshare.Split(k, c.threshold, c.members)
		require.EqualError(t, err, c.want)
		require.Nil(t, g)
		require.Nil(t, shares)
	}
	k.Destroy()
	_, _, err := keyshare.Split(k, 2, []keyshare.Index{1, 2})
	require.Error(t, err)
}

func TestNewGroup(t *testing.T) {
	_, g, shares := split(t, 3, 378, 5, 381, math.MaxUint64)
	keys := map[keyshare.Index]keyshare.PublicKey{}
	for _, s := range shares {
		keys[s.Index()] = s.PublicKey()
	}
	again, err := keyshare.NewGroup(3, keys)
	require.NoError(t, err)
	require.True(t, again.Equal(g))

	less := maps.Clone(keys)
	delete(less, 5)
	three, err := keyshare.NewGroup(3, less)
	require.NoError(t, err, "any three keys are on a polynomial")
	require.False(t, three.Equal(g))
	require.Equal(t, g.PublicKey(), three.PublicKey())

	refuse := func(threshold int, keys map[keyshare.Index]keyshare.PublicKey, want string) {
		t.Helper()
		g, err := keyshare.NewGroup(threshold, keys)
		require.ErrorIs(t, err, keyshare.ErrGroup)
		require.ErrorContains(t, err, want)
		require.Nil(t, g)
	}
	change := func(id keyshare.Index, k keyshare.PublicKey) map[keyshare.Index]keyshare.PublicKey {
		c := maps.Clone(keys)
		c[id] = k
		return c
	}
	refuse(2, keys, "the public key at 381 is on no polynomial of degree 1 with those before it")
	refuse(4, keys, "its coefficient 3 is zero")
	refuse(5, keys, "4 indices for threshold 5")
	refuse(0, keys, "threshold 0, expected 1 to 128")
	refuse(3, nil, "0 indices for threshold 3")
	refuse(3, change(378, keyshare.PublicKey{}), "member 378 has no public key")
	refuse(3, change(0, keys[5]), "index 0, where the secret itself lies")
	refuse(3, change(378, keys[5]), "the public key at 18446744073709551615 is on no polynomial of degree 2 with those before it")
	refuse(3, change(7, generate(t).PublicKey()), "is on no polynomial of degree 2")
}

func FuzzGroupJSON(f *testing.F) {
	_, g, _ := split(f, 2, 3, 1, math.MaxUint64)
	good, err := json.Marshal(g)
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"commitment":[],"members":[]}`))
	f.Add([]byte(strings.ReplaceAll(string(good), "[1,", "[0,")))
	f.Add(append(slices.Clone(good), '1'))
	f.Fuzz(func(t *testing.T, b []byte) {
		var g keyshare.Group
		if err := json.Unmarshal(b, &g); err != nil {
			return
		}
		first, err := json.Marshal(&g)
		require.NoError(t, err)
		var again keyshare.Group
		require.NoError(t, json.Unmarshal(first, &again))
		require.True(t, g.Equal(&again))
		second, err := json.Marshal(&again)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.True(t, slices.IsSorted(g.Members()))
		require.LessOrEqual(t, g.Threshold(), len(g.Members()))
	})
}

func TestGroupJSON(t *testing.T) {
	_, g, _ := split(t, 2, 30, 4, math.MaxUint64)
	good, err := json.Marshal(g)
	require.NoError(t, err)
	points := g.Commitment().Bytes()
	c0, c1 := fmt.Sprintf("%x", points[:48]), fmt.Sprintf("%x", points[48:])
	require.Equal(t, `{"commitment":["0x`+c0+`","0x`+c1+`"],"members":[4,30,18446744073709551615]}`, string(good))
	var back keyshare.Group
	require.NoError(t, json.Unmarshal(good, &back))
	require.True(t, back.Equal(g))
	require.Equal(t, g.PublicKey(), back.PublicKey())
	require.Equal(t, g.Members(), back.Members())

	two := `"commitment":["0x` + c0 + `","0x` + c1 + `"]`
	for text, want := range map[string]string{
		`{` + two + `,"members":[30,4]}`:                                                      "members are not in ascending order",
		`{` + two + `,"members":[4,4]}`:                                                       "index 4 twice",
		`{` + two + `,"members":[0,4]}`:                                                       "index 0",
		`{` + two + `,"members":[4]}`:                                                         "1 indices for threshold 2",
		`{` + two + `}`:                                                                       "0 indices for threshold 2",
		`{` + two + `,"members":[4,-5]}`:                                                      "",
		`{` + two + `,"members":[4,18446744073709551616]}`:                                    "",
		`{` + two + `,"members":[4,30],"threshold":2}`:                                        "threshold",
		`{"commitment":["0x` + c0 + `","0x` + c1[1:] + `"],"members":[4,30]}`:                 "coefficient 1: 95 hex digits, expected 96",
		`{"commitment":["0x` + c0 + `","zz` + c1[2:] + `"],"members":[4,30]}`:                 "coefficient 1: not hexadecimal",
		`{"commitment":["0x` + c0 + `","` + strings.Repeat("00", 48) + `"],"members":[4,30]}`: "coefficient 1 of the commitment",
		`{"commitment":[],"members":[4]}`:                                                     "commitment has 0 bytes",
		`{"commitment":[` + strings.Repeat(`"",`, 128) + `""],"members":[4]}`:                 "129 coefficients, expected at most 128",
		`[]`: "", `null`: "", `{}`: "", `"x"`: "",
	} {
		g := *g
		before := g
		err := g.UnmarshalJSON([]byte(text))
		require.ErrorIs(t, err, keyshare.ErrGroup, text)
		require.ErrorContains(t, err, want)
		require.True(t, g.Equal(&before), "the receiver stays as it was")
	}
}

func TestSignRoots(t *testing.T) {
	k := generate(t)
	var roots []keyshare.Root
	for i := range 5 {
		roots = append(roots, keyshare.Root{byte(i)})
	}
	sigs, err := k.SignRoots(context.Background(), roots...)
	require.NoError(t, err)
	require.Len(t, sigs, len(roots))
	for i, s := range sigs {
		require.True(t, k.PublicKey().Verify(roots[i], s))
		require.Equal(t, s, sign(t, k, roots[i]))
	}
	sigs, err = k.SignRoots(context.Background())
	require.NoError(t, err)
	require.Empty(t, sigs)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	sigs, err = k.SignRoots(ctx, roots...)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, sigs)
	k.Destroy()
	_, err = k.SignRoots(context.Background(), roots...)
	require.ErrorIs(t, err, secret.ErrDestroyed)
}
