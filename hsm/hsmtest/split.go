package hsmtest

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

func testSplit(t *testing.T, s *suite) {
	k := generate(t, s.backend(t), "")
	to, private := operators(t)
	group, sealed, err := k.Split(t.Context(), 3, to)
	if s.options.NoSplit {
		require.ErrorIs(t, err, hsm.ErrDenied)
		require.Nil(t, group)
		require.Nil(t, sealed)
		requireSigns(t, k)
		return
	}
	require.NoError(t, err)
	require.Equal(t, k.PublicKey(), group.PublicKey())
	require.Equal(t, 3, group.Threshold())
	require.ElementsMatch(t, []keyshare.Index{71, 5, 1<<64 - 1, 300}, group.Members())
	require.Len(t, sealed, len(to))

	root := keyshare.Root{8}
	partials := map[keyshare.Index]keyshare.Signature{}
	for i, operator := range to {
		require.Equal(t, operator.ID, sealed[i].ID, "sealed shares are in the order of the operators")
		require.Len(t, sealed[i].Ciphertext, keyshare.SealedSize)
		member, ok := group.Member(operator.ID)
		require.True(t, ok)
		require.Equal(t, member, sealed[i].PublicKey)
		share, err := keyshare.Open(sealed[i], operator.ID, private[operator.ID], group)
		require.NoError(t, err)
		defer share.Destroy()
		partials[operator.ID] = sign(t, share, root)
	}
	want := sign(t, k, root)
	for _, without := range group.Members() {
		three := map[keyshare.Index]keyshare.Signature{}
		for id, p := range partials {
			if id != without {
				three[id] = p
			}
		}
		sig, err := group.Combine(root, three)
		require.NoError(t, err)
		require.Equal(t, want, sig, "any three sign as the key does")
		delete(three, group.Members()[(slices.Index(group.Members(), without)+1)%4])
		_, err = group.Combine(root, three)
		require.Error(t, err, "two do not")
	}

	again, _, err := k.Split(t.Context(), 3, to)
	require.NoError(t, err)
	require.Equal(t, group.PublicKey(), again.PublicKey())
	require.False(t, group.Equal(again), "each split draws new shares")
	requireSigns(t, k)
}

func testSplitRefuses(t *testing.T, s *suite) {
	k := generate(t, s.backend(t), "")
	to, _ := operators(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, threshold := range []int{-1, 0, 1, 5, 1 << 30} {
		group, sealed, err := k.Split(t.Context(), threshold, to)
		require.ErrorContains(t, err, "threshold")
		require.Nil(t, group)
		require.Nil(t, sealed)
	}
	for name, change := range map[string]func([]keyshare.Operator){
		"id 0":            func(to []keyshare.Operator) { to[2].ID = 0 },
		"an id twice":     func(to []keyshare.Operator) { to[3].ID = to[0].ID },
		"no RSA key":      func(to []keyshare.Operator) { to[1].PublicKey = nil },
		"an empty key":    func(to []keyshare.Operator) { to[1].PublicKey = &rsa.PublicKey{} },
		"RSA of 1024 bit": func(to []keyshare.Operator) { to[3].PublicKey = &small.PublicKey },
	} {
		changed := slices.Clone(to)
		change(changed)
		group, sealed, err := k.Split(t.Context(), 3, changed)
		require.ErrorIs(t, err, keyshare.ErrOperator, name)
		require.Nil(t, group)
		require.Nil(t, sealed)
	}
	_, _, err = k.Split(t.Context(), 2, nil)
	require.Error(t, err, "no operators")
	requireSigns(t, k)
}
