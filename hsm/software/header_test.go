package software

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/keyfile"
)

func TestNewFilesCost(t *testing.T) {
	// TestMain makes derivations cheap; the documented cost is what the others are compared with here.
	require.Equal(t, cost{time: 3, memory: 64 * 1024, threads: 4}, documentedCost)
	require.NoError(t, documentedCost.check())
}

func TestHeader(t *testing.T) {
	h := header{cost: documentedCost}
	for i := range h.salt {
		h.salt[i] = byte(i)
	}
	for i := range h.wrapped {
		h.wrapped[i] = byte(100 + i)
	}
	b := h.encode()
	require.Len(t, b, 98)
	require.Equal(t, []byte{1, 0, 0, 0, 3, 0, 1, 0, 0, 4, 0, 1}, b[:12])
	back, err := decodeHeader(b)
	require.NoError(t, err)
	require.Equal(t, h, back)
}

// TestHostileHeader gives costs that would exhaust the machine, and checks that no passphrase is asked for.
func TestHostileHeader(t *testing.T) {
	good := header{cost: cost{1, 64, 1}}
	for text, change := range map[string]func([]byte) []byte{
		"4294967295 passes":                func(b []byte) []byte { copy(b[1:], "\xff\xff\xff\xff"); return b },
		"0 passes":                         func(b []byte) []byte { copy(b[1:], "\x00\x00\x00\x00"); return b },
		"17 passes":                        func(b []byte) []byte { copy(b[1:], "\x00\x00\x00\x11"); return b },
		"over 4294967295 KiB":              func(b []byte) []byte { copy(b[5:], "\xff\xff\xff\xff"); return b },
		"over 1048577 KiB":                 func(b []byte) []byte { copy(b[5:], "\x00\x10\x00\x01"); return b },
		"over 7 KiB":                       func(b []byte) []byte { copy(b[5:], "\x00\x00\x00\x07"); return b },
		"with 0 threads":                   func(b []byte) []byte { b[9] = 0; return b },
		"with 17 threads":                  func(b []byte) []byte { b[9] = 17; return b },
		"header has 97 bytes":              func(b []byte) []byte { return b[:97] },
		"header has 99 bytes":              func(b []byte) []byte { return append(b, 0) },
		"written by another version of th": func(b []byte) []byte { b[0] = 2; return b },
		"header is not of version 1":       func([]byte) []byte { return nil },
	} {
		_, err := unwrap(keyfile.ID{}, change(good.encode()), func() ([]byte, error) {
			t.Errorf("%s: the passphrase was asked for", text)
			return nil, errors.New("not now")
		})
		require.ErrorContains(t, err, text)
		require.ErrorIs(t, err, hsm.ErrCorrupt)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(header{cost: documentedCost}.encode())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil {
			return
		}
		require.Equal(t, b, h.encode())
		require.NoError(t, h.cost.check())
	})
}
