package hsmtest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

func testImport(t *testing.T, s *suite) {
	b := s.backend(t)
	secret := newSecret(t)
	k, err := b.Import(t.Context(), "imported", secret)
	require.NoError(t, err)
	require.Equal(t, secret.PublicKey(), k.PublicKey())
	for i := range 3 {
		root := keyshare.Root{byte(i)}
		require.Equal(t, sign(t, secret, root), sign(t, k, root), "a key signs in custody as outside")
	}
	require.Equal(t, k.PublicKey(), generate(t, b, "imported").PublicKey(), "the label is the imported key's")
	require.NoError(t, secret.Use(func([]byte) error { return nil }), "the secret remains the caller's")
	secret.Destroy()
	requireSigns(t, k)
}

func testImportShare(t *testing.T, s *suite) {
	b := s.backend(t)
	group, shares, err := keyshare.Split(newSecret(t), 3, []keyshare.Index{1, 2, 3, 1 << 40})
	require.NoError(t, err)
	partials := map[keyshare.Index]keyshare.Signature{}
	root := keyshare.Root{4}
	for _, share := range shares {
		defer share.Destroy()
		k, err := b.Import(t.Context(), "", share)
		require.NoError(t, err)
		require.Equal(t, share.PublicKey(), k.PublicKey())
		partials[share.Index()] = sign(t, k, root)
		require.Equal(t, sign(t, share, root), partials[share.Index()])
	}
	sig, err := group.Combine(root, partials)
	require.NoError(t, err)
	require.True(t, group.PublicKey().Verify(root, sig))
}

func testImportAgain(t *testing.T, s *suite) {
	b := s.backend(t)
	secret, other, unlabelled := newSecret(t), newSecret(t), newSecret(t)
	first, err := b.Import(t.Context(), "first", secret)
	require.NoError(t, err)
	again, err := b.Import(t.Context(), "first", secret)
	require.NoError(t, err, "the same key under the same label")
	require.Equal(t, first.PublicKey(), again.PublicKey())
	requireSigns(t, again)

	for _, label := range []string{"second", ""} {
		_, err = b.Import(t.Context(), label, secret)
		require.ErrorIs(t, err, hsm.ErrExists)
		require.ErrorContains(t, err, `"first"`, "the error names the label that the key has")
	}
	_, err = b.Import(t.Context(), "first", other)
	require.ErrorIs(t, err, hsm.ErrExists, "the label is another key's")

	_, err = b.Import(t.Context(), "", unlabelled)
	require.NoError(t, err)
	_, err = b.Import(t.Context(), "", unlabelled)
	require.NoError(t, err, "the same key, both times without a label")
	_, err = b.Import(t.Context(), "late", unlabelled)
	require.ErrorIs(t, err, hsm.ErrExists)

	require.ElementsMatch(t, []keyshare.PublicKey{secret.PublicKey(), unlabelled.PublicKey()}, list(t, b))
	require.NotEqual(t, secret.PublicKey(), generate(t, b, "second").PublicKey(), "a refused import takes no label")
}

// lyingSecret is a keyshare.Secret whose parts do not fit together.
type lyingSecret struct {
	pk  keyshare.PublicKey
	use func(f func([]byte) error) error
}

func (l lyingSecret) PublicKey() keyshare.PublicKey         { return l.pk }
func (l lyingSecret) Use(f func(secret []byte) error) error { return l.use(f) }

func testImportBad(t *testing.T, s *suite) {
	b := s.backend(t)
	pk, other := newSecret(t).PublicKey(), newSecret(t)
	lend := func(secret []byte) func(func([]byte) error) error {
		return func(f func([]byte) error) error { return f(secret) }
	}
	tooLarge := make([]byte, keyshare.SecretKeySize)
	for i := range tooLarge {
		tooLarge[i] = 0xff
	}
	unreadable := errors.New("cannot be read")
	destroyed := newSecret(t)
	destroyed.Destroy()
	for name, k := range map[string]keyshare.Secret{
		"none":                 nil,
		"of another key":       lyingSecret{pk, other.Use},
		"no public key":        lyingSecret{keyshare.PublicKey{}, other.Use},
		"empty":                lyingSecret{pk, lend(nil)},
		"short":                lyingSecret{pk, lend(make([]byte, keyshare.SecretKeySize-1))},
		"zero":                 lyingSecret{pk, lend(make([]byte, keyshare.SecretKeySize))},
		"above the order":      lyingSecret{pk, lend(tooLarge)},
		"unreadable":           lyingSecret{pk, func(func([]byte) error) error { return unreadable }},
		"never lent":           lyingSecret{pk, func(func([]byte) error) error { return nil }},
		"destroyed beforehand": destroyed,
	} {
		_, err := b.Import(t.Context(), "", k)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, hsm.ErrClosed, name)
	}
	require.Empty(t, list(t, b))
}
