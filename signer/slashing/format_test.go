package slashing

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/boltfile"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// FuzzEntries decodes a framed value as each kind of entry: what decodes encodes to the same bytes.
func FuzzEntries(f *testing.F) {
	var k key
	at := entryKey(k, 7)
	for _, value := range [][]byte{
		encodeHeader(header{keyshare.Root{1}, Complete, true}),
		encodeValidator(k[:], validator{marks: history.Marks{Blocks: true, Slot: 3, Votes: true, Source: 1, Target: 2}, stopped: true}),
		encodeValidator(k[:], validator{}),
		encodeBlock(at, history.Block{Slot: 7, Rooted: true, Root: [32]byte{2}}),
		encodeBlock(at, history.Block{Slot: 7}),
		encodeVote(at, history.Vote{Target: 7, MinSource: 2, MaxSource: 3, Highest: 4, Lowest: 1}),
	} {
		f.Add(value[5:])
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		value := boltfile.Frame(headerKey, rest)
		if h, err := decodeHeader(value); err == nil {
			require.True(t, bytes.Equal(value, encodeHeader(h)))
		}
		value = boltfile.Frame(k[:], rest)
		if v, err := decodeValidator(k[:], value); err == nil {
			require.True(t, bytes.Equal(value, encodeValidator(k[:], v)))
		}
		value = boltfile.Frame(at, rest)
		if b, err := decodeBlock(at, value); err == nil {
			require.True(t, bytes.Equal(value, encodeBlock(at, b)))
			require.Equal(t, uint64(7), b.Slot)
		}
		if v, err := decodeVote(at, value); err == nil {
			require.True(t, bytes.Equal(value, encodeVote(at, v)))
			require.Equal(t, uint64(7), v.Target)
		}
	})
}
