package transport

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is read of an answer is what was written.
func FuzzReadFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, err := readFrames(bytes.NewReader(b))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(messages), answerMessages)
		var again []byte
		for _, m := range messages {
			again = append(binary.BigEndian.AppendUint32(again, uint32(len(m))), m...)
		}
		require.True(t, bytes.Equal(b, again))
	})
}
