//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// FuzzRecord holds that what is read from sealed bytes makes up the same bytes again, and that nothing else is accepted.
func FuzzRecord(f *testing.F) {
	good := append([]byte{recordVersion, 3, 'k', 'e', 'k'}, make([]byte, ivSize+32+tagSize)...)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{recordVersion, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		kek, sealed, err := cutRecord(store.Record{Sealed: b})
		if err != nil {
			require.ErrorIs(t, err, hsm.ErrCorrupt)
			return
		}
		require.Len(t, sealed, ivSize+32+tagSize)
		require.Equal(t, b, append(append([]byte{recordVersion, byte(len(kek))}, kek...), sealed...))
	})
}

// FuzzHeader holds the same of a store's header.
func FuzzHeader(f *testing.F) {
	f.Add(encodeHeader(DefaultKEK))
	f.Add([]byte{headerVersion})
	f.Add([]byte{2, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		kek, err := decodeHeader(b)
		if err != nil {
			require.ErrorIs(t, err, hsm.ErrCorrupt)
			return
		}
		require.Equal(t, b, encodeHeader(kek))
	})
}

// TestRecordContext holds that no two records with different public keys, key-encryption keys or labels have the same
// associated data, however the parts run into each other.
func TestRecordContext(t *testing.T) {
	seen := [][]byte{}
	for _, pk := range [][48]byte{{}, {1}} {
		for _, kek := range []string{"a", "ab", "abc"} {
			for _, label := range []string{"", "b", "bc", "c"} {
				c := recordContext(store.Record{PublicKey: pk, Label: label}, kek)
				for _, other := range seen {
					require.False(t, bytes.Equal(other, c))
				}
				seen = append(seen, c)
			}
		}
	}
}
