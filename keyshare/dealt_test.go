package keyshare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// A group and its shares, taken apart and put together again as a protocol without a dealer does.
func TestDealtWithoutDealer(t *testing.T) {
	_, g, shares := split(t, 2, 30, 4, 9)
	again, err := keyshare.GroupOf(g.Commitment(), []keyshare.Index{30, 4, 9})
	require.NoError(t, err)
	require.True(t, again.Equal(g))
	for _, members := range [][]keyshare.Index{nil, {4}, {4, 4}, {0, 4}} {
		_, err := keyshare.GroupOf(g.Commitment(), members)
		require.ErrorIs(t, err, keyshare.ErrGroup, "%d", members)
	}

	s := shares[1]
	require.NoError(t, s.Use(func(secret []byte) error {
		made, err := keyshare.NewShare(again, 4, secret)
		require.NoError(t, err)
		defer made.Destroy()
		require.EqualValues(t, 4, made.Index())
		require.Same(t, again, made.Group())
		require.Equal(t, s.PublicKey(), made.PublicKey())
		require.Equal(t, sign(t, s, keyshare.Root{3}), sign(t, made, keyshare.Root{3}))

		_, err = keyshare.NewShare(again, 5, secret)
		require.ErrorIs(t, err, keyshare.ErrGroup)
		require.ErrorContains(t, err, "5 is not a member")
		_, err = keyshare.NewShare(again, 9, secret)
		require.ErrorIs(t, err, keyshare.ErrGroup)
		require.ErrorContains(t, err, "the secret of member 9 does not lie on the group's polynomial")
		_, err = keyshare.NewShare(again, 4, secret[1:])
		require.Equal(t, keyshare.ErrSecretKey, err)
		return nil
	}))
}

// The signing of custody, which opens a secret for one call.
func TestSignRootsOfSecret(t *testing.T) {
	k := generate(t)
	root := keyshare.Root{5}
	require.NoError(t, k.Use(func(secret []byte) error {
		sigs, err := keyshare.SignRoots(context.Background(), secret, root, keyshare.Root{})
		require.NoError(t, err)
		require.Equal(t, []keyshare.Signature{sign(t, k, root), sign(t, k, keyshare.Root{})}, sigs)
		return nil
	}))
	for _, secret := range [][]byte{nil, make([]byte, 32), make([]byte, 31), bytes.Repeat([]byte{0xff}, 32)} {
		sigs, err := keyshare.SignRoots(context.Background(), secret, root)
		require.Equal(t, keyshare.ErrSecretKey, err)
		require.Nil(t, sigs)
	}
}

// An address in JSON carries its checksum.
func TestAddressJSON(t *testing.T) {
	a, err := keyshare.ParseAddress(eip55[4])
	require.NoError(t, err)
	b, err := json.Marshal(map[string]keyshare.Address{"owner": a})
	require.NoError(t, err)
	require.Equal(t, `{"owner":"`+eip55[4]+`"}`, string(b))
	var back map[string]keyshare.Address
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, a, back["owner"])
	require.False(t, a.IsZero())
}
