package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/secretbox"
	"pgregory.net/rapid"
)

func newKey(t require.TestingT) *Key {
	k, err := NewKey()
	require.NoError(t, err)
	return k
}

func TestKeyRoundTrip(t *testing.T) {
	k := newKey(t)
	defer k.Destroy()
	rapid.Check(t, func(t *rapid.T) {
		context := rapid.SliceOf(rapid.Byte()).Draw(t, "context")
		n := lengths().Draw(t, "n")
		plain := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "plain")
		record, err := k.Seal(context, plain)
		require.NoError(t, err)
		require.Len(t, record, len(plain)+40)
		again, err := k.Seal(context, plain)
		require.NoError(t, err)
		require.NotEqual(t, record, again, "two records of one secret are equal")

		kept := bytes.Clone(record)
		buf, err := k.Open(context, record)
		require.NoError(t, err)
		defer buf.Destroy()
		require.True(t, bytes.Equal(plain, buf.Bytes()))
		require.Equal(t, kept, record, "Open changed the record")
	})
}

// Any other context, key or record is refused, with the same error.
func TestKeyRefuses(t *testing.T) {
	k, other := newKey(t), newKey(t)
	defer k.Destroy()
	defer other.Destroy()
	context, plain := []byte("validator 7"), []byte("0123456789abcdef0123456789abcdef")
	record, err := k.Seal(context, plain)
	require.NoError(t, err)
	free := freeSlots()
	refused := func(k *Key, context, record []byte) {
		t.Helper()
		buf, err := k.Open(context, record)
		require.ErrorIs(t, err, ErrOpen)
		require.Nil(t, buf)
	}

	refused(other, context, record)
	for _, c := range [][]byte{nil, []byte("validator 8"), []byte("validator 7 "), []byte("validator "), append(context, 0)} {
		refused(k, c, record)
	}
	for i := range record {
		for bit := range 8 {
			record[i] ^= 1 << bit
			refused(k, context, record)
			record[i] ^= 1 << bit
		}
		refused(k, context, record[:i])
		refused(k, context, record[i+1:])
	}
	refused(k, context, append(bytes.Clone(record), 0))
	refused(k, context, nil)
	require.Equal(t, free, freeSlots())

	buf, err := k.Open(context, record)
	require.NoError(t, err)
	buf.Destroy()
}

// A context cannot reach into the random bytes that follow it: the length tells where it ends.
func TestKeyContextHasALength(t *testing.T) {
	random := bytes.Repeat([]byte{7}, randomLen)
	a := recordNonce([]byte("ab"), random)
	b := recordNonce([]byte("a"), append([]byte("b"), random...))
	require.NotEqual(t, a, b)
}

// The record is what the comment of Key says, so that a file written today can be read by any implementation.
func TestKeyFormat(t *testing.T) {
	raw := bytes.Repeat([]byte{0x42}, 32)
	k, err := TakeKey(bytes.Clone(raw))
	require.NoError(t, err)
	defer k.Destroy()
	context, plain := []byte("context"), []byte("plain text")
	record, err := k.Seal(context, plain)
	require.NoError(t, err)

	h := sha256.New()
	h.Write([]byte("dvkeys/secret record v1"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(context))))
	h.Write(context)
	h.Write(record[:24])
	nonce := [24]byte(h.Sum(nil)[:24])
	got, ok := secretbox.Open(nil, record[24:], &nonce, (*[32]byte)(raw))
	require.True(t, ok)
	require.Equal(t, plain, got)
}

func TestTakeKey(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33, 64} {
		b := bytes.Repeat([]byte{1}, n)
		_, err := TakeKey(b)
		require.ErrorContains(t, err, "bytes, expected 32")
		require.Equal(t, make([]byte, n), b, "not wiped")
	}
	b := bytes.Repeat([]byte{1}, 32)
	k, err := TakeKey(b)
	require.NoError(t, err)
	defer k.Destroy()
	require.Equal(t, make([]byte, 32), b, "not wiped")
	require.NoError(t, k.Use(func(key []byte) error {
		require.Equal(t, bytes.Repeat([]byte{1}, 32), key)
		return nil
	}))
}

func TestKeyDestroyed(t *testing.T) {
	k := newKey(t)
	record, err := k.Seal(nil, []byte("plain"))
	require.NoError(t, err)
	k.Destroy()
	k.Destroy()
	for _, k := range []*Key{k, nil, {}} {
		_, err = k.Seal(nil, []byte("plain"))
		require.ErrorIs(t, err, ErrDestroyed)
		_, err = k.Open(nil, record)
		require.ErrorIs(t, err, ErrDestroyed)
		require.ErrorIs(t, k.Use(use), ErrDestroyed)
		k.Destroy()
	}
}

// What parses re-encodes to something that opens to the same; what does not, is refused without harm.
func FuzzKeyOpen(f *testing.F) {
	k, err := TakeKey(bytes.Repeat([]byte{0x42}, 32))
	require.NoError(f, err)
	record, err := k.Seal([]byte("c"), []byte("plain"))
	require.NoError(f, err)
	f.Add([]byte("c"), record)
	f.Add([]byte(""), record)
	f.Add([]byte("c"), record[:40])
	f.Add([]byte("c"), []byte{})
	f.Fuzz(func(t *testing.T, context, sealed []byte) {
		buf, err := k.Open(context, sealed)
		if err != nil {
			require.ErrorIs(t, err, ErrOpen)
			return
		}
		defer buf.Destroy()
		require.Len(t, sealed, buf.Len()+40)
	})
}
