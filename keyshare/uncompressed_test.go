package keyshare_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

func TestUncompressed(t *testing.T) {
	key, err := keyshare.Generate()
	require.NoError(t, err)
	defer key.Destroy()
	sigs, err := key.SignRoots(context.Background(), keyshare.Root{1})
	require.NoError(t, err)

	short := key.PublicKey().Bytes()
	p, err := bls.ParsePublicKey(short[:])
	require.NoError(t, err)
	wide := p.Uncompressed()
	again, err := keyshare.ParsePublicKeyUncompressed(wide[:])
	require.NoError(t, err)
	require.Equal(t, key.PublicKey(), again)

	shortSig := sigs[0].Bytes()
	s, err := bls.ParseSignature(shortSig[:])
	require.NoError(t, err)
	wideSig := s.Uncompressed()
	sigAgain, err := keyshare.ParseSignatureUncompressed(wideSig[:])
	require.NoError(t, err)
	require.Equal(t, sigs[0], sigAgain)
	require.Equal(t, wideSig, sigs[0].Uncompressed())

	none := keyshare.Signature{}.Uncompressed()
	require.Zero(t, none)
	_, err = keyshare.ParseSignatureUncompressed(none[:])
	require.ErrorIs(t, err, keyshare.ErrSignature)

	_, err = keyshare.ParsePublicKeyUncompressed(short[:])
	require.ErrorIs(t, err, keyshare.ErrPublicKey)
	_, err = keyshare.ParseSignatureUncompressed(shortSig[:])
	require.ErrorIs(t, err, keyshare.ErrSignature)
}
