package consensus

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The roots by the rules of SSZ, with nothing of zrnt.
func TestRoots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int, label string) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label) }
		pubkey, credentials, signature := draw(48, "pubkey"), draw(32, "credentials"), draw(96, "signature")
		to := draw(20, "address")
		amount, index := rapid.Uint64().Draw(t, "amount"), rapid.Uint64().Draw(t, "index")

		keyRoot := two(pubkey[:32], leaf(pubkey[32:]))
		sigRoot := two(two(signature[:32], signature[32:64]), two(signature[64:], leaf(nil)))
		front := two(keyRoot, credentials)

		require.Equal(t, two(front, two(number(amount), leaf(nil))),
			slice(DepositMessageRoot([48]byte(pubkey), [32]byte(credentials), amount)))
		require.Equal(t, two(front, two(number(amount), sigRoot)),
			slice(DepositDataRoot([48]byte(pubkey), [32]byte(credentials), amount, [96]byte(signature))))
		require.Equal(t, two(number(amount), number(index)), slice(VoluntaryExitRoot(amount, index)))
		require.Equal(t, two(two(number(index), keyRoot), two(leaf(to), leaf(nil))),
			slice(BLSToExecutionChangeRoot(index, [48]byte(pubkey), [20]byte(to))))
	})
}

func two(left, right []byte) []byte { return slice(hash(left, right)) }

func slice(b [32]byte) []byte { return b[:] }

// leaf pads b to 32 bytes on the right.
func leaf(b []byte) []byte { return append(append([]byte(nil), b...), make([]byte, 32-len(b))...) }

func number(n uint64) []byte { return leaf(binary.LittleEndian.AppendUint64(nil, n)) }
