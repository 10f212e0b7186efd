package hsm_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

func TestCheckLabel(t *testing.T) {
	for _, good := range []string{"", " ", "~", "batch 7/validator 3", strings.Repeat("x", hsm.MaxLabel)} {
		require.NoError(t, hsm.CheckLabel(good), "%q", good)
	}
	for label, text := range map[string]string{
		strings.Repeat("x", hsm.MaxLabel+1): "129 bytes, expected at most 128",
		"ab\n":                              "byte 0x0a at place 2",
		"\x7f":                              "byte 0x7f at place 0",
		"aé":                                "byte 0xc3 at place 1",
	} {
		require.ErrorContains(t, hsm.CheckLabel(label), text)
	}
}

func TestProtection(t *testing.T) {
	require.Equal(t, "Enveloped JustInTime Isolated Native", strings.Join([]string{
		hsm.Enveloped.String(), hsm.JustInTime.String(), hsm.Isolated.String(), hsm.Native.String()}, " "))
	require.Equal(t, "Protection(0)", hsm.Protection(0).String(), "the zero value claims nothing")
	require.Less(t, hsm.Enveloped, hsm.JustInTime)
	require.Less(t, hsm.JustInTime, hsm.Isolated)
	require.Less(t, hsm.Isolated, hsm.Native)
}

// faultyKey signs with another key than it says, or not at all.
type faultyKey struct {
	pk   keyshare.PublicKey
	sign func(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error)
}

func (k faultyKey) PublicKey() keyshare.PublicKey { return k.pk }
func (k faultyKey) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	return k.sign(ctx, roots...)
}

func TestTestSign(t *testing.T) {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	defer k.Destroy()
	other, err := keyshare.Generate()
	require.NoError(t, err)
	defer other.Destroy()
	ctx := t.Context()
	require.NoError(t, hsm.TestSign(ctx, k))

	err = hsm.TestSign(ctx, faultyKey{k.PublicKey(), other.SignRoots})
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	require.ErrorContains(t, err, k.PublicKey().String())
	for _, sigs := range [][]keyshare.Signature{nil, {{}}, {{}, {}}} {
		err = hsm.TestSign(ctx, faultyKey{k.PublicKey(), func(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) { return sigs, nil }})
		require.ErrorIs(t, err, hsm.ErrCorrupt)
	}
	away := errors.New("away")
	err = hsm.TestSign(ctx, faultyKey{k.PublicKey(), func(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) { return nil, away }})
	require.ErrorIs(t, err, away)
	require.NotErrorIs(t, err, hsm.ErrCorrupt)
}

// TestTestSignAll has some keys of many sign wrongly or not at all.
func TestTestSignAll(t *testing.T) {
	keys := make([]keyshare.Key, 9)
	for i := range keys {
		k, err := keyshare.Generate()
		require.NoError(t, err)
		defer k.Destroy()
		keys[i] = k
	}
	for i, err := range hsm.TestSignAll(t.Context(), keys...) {
		require.NoError(t, err, i)
	}
	away := errors.New("away")
	keys[2] = faultyKey{keys[2].PublicKey(), keys[3].SignRoots}
	keys[5] = faultyKey{keys[5].PublicKey(), func(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) { return nil, away }}
	keys[8] = faultyKey{keys[8].PublicKey(), func(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) { return nil, nil }}
	for i, err := range hsm.TestSignAll(t.Context(), keys...) {
		switch i {
		case 2, 8:
			require.ErrorIs(t, err, hsm.ErrCorrupt, i)
			require.ErrorContains(t, err, keys[i].PublicKey().String())
		case 5:
			require.ErrorIs(t, err, away)
			require.NotErrorIs(t, err, hsm.ErrCorrupt)
		default:
			require.NoError(t, err, i)
		}
	}
	require.Empty(t, hsm.TestSignAll(t.Context()))
}
