package secret

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/secretbox"
	"pgregory.net/rapid"
)

func TestOnceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		n := lengths().Draw(t, "n")
		plain := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "plain")
		sealed, err := SealOnce(plain, key)
		require.NoError(t, err)
		require.Equal(t, secretbox.Seal(nil, plain, &[24]byte{}, (*[32]byte)(key)), sealed, "NaCl's own, with a nonce of zeros")
		require.Len(t, sealed, n+OnceOverhead)

		kept := bytes.Clone(sealed)
		buf, err := OpenOnce(sealed, key)
		require.NoError(t, err)
		defer buf.Destroy()
		require.True(t, bytes.Equal(plain, buf.Bytes()))
		require.Equal(t, kept, sealed, "OpenOnce changed what it read")
	})
}

func TestOnceRefuses(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	sealed, err := SealOnce([]byte("0123456789abcdef"), key)
	require.NoError(t, err)
	free := freeSlots()
	for i := range sealed {
		sealed[i] ^= 1
		_, err := OpenOnce(sealed, key)
		require.ErrorIs(t, err, ErrOpen, "byte %d", i)
		sealed[i] ^= 1
	}
	for n := range sealed {
		_, err := OpenOnce(sealed[:n], key)
		require.ErrorIs(t, err, ErrOpen, "%d bytes", n)
	}
	_, err = OpenOnce(sealed, bytes.Repeat([]byte{8}, 32))
	require.ErrorIs(t, err, ErrOpen)
	require.Equal(t, free, freeSlots(), "a refusal kept a slot")
	for _, n := range []int{0, 31, 33} {
		_, err := SealOnce([]byte("x"), make([]byte, n))
		require.ErrorContains(t, err, "expected 32")
		_, err = OpenOnce(sealed, make([]byte, n))
		require.ErrorContains(t, err, "expected 32")
	}
}
