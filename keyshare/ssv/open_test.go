package ssv_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare/ssv"
)

// token is an operator's key that cannot be seen, as one in a device.
type token struct {
	public crypto.PublicKey
	key    crypto.Decrypter
}

func (k token) Public() crypto.PublicKey { return k.public }

func (k token) Decrypt(r io.Reader, text []byte, o crypto.DecrypterOpts) ([]byte, error) {
	return k.key.Decrypt(r, text, o)
}

func TestOpenShareInToken(t *testing.T) {
	c := fixture(t, 4)
	share, err := ssv.OpenShare(&c.item, token{c.keys[2].Public(), c.keys[2]})
	require.NoError(t, err)
	require.Equal(t, c.operators[2].ID, share.Index())
	require.True(t, c.group.Equal(share.Group()))
	share.Destroy()

	// A device that holds another key than it says.
	_, err = ssv.OpenShare(&c.item, token{c.keys[2].Public(), c.keys[1]})
	require.ErrorContains(t, err, "ssv: payload.sharesData.ciphertexts[2]: of operator 30: ")

	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = ssv.OpenShare(&c.item, token{&curve.PublicKey, nil})
	require.EqualError(t, err, "ssv: data.operators: the private key's other half is *ecdsa.PublicKey, want an RSA key")
}
