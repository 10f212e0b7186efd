package dkg

import (
	"testing"

	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/keyshare"
)

// shifted is a signature with an error added to it, or taken from it.
func shifted(t testing.TB, signature, by [keyshare.SignatureSize]byte, minus bool) (out [keyshare.SignatureSize]byte) {
	a, b := new(blst.P2Affine).Uncompress(signature[:]), new(blst.P2Affine).Uncompress(by[:])
	require.NotNil(t, a)
	require.NotNil(t, b)
	var sum, term blst.P2
	sum.FromAffine(a)
	term.FromAffine(b)
	if minus {
		sum.SubAssign(&term)
	} else {
		sum.AddAssign(&term)
	}
	copy(out[:], sum.Compress())
	return out
}

// Two who collude add errors to their partial signatures that cancel out in the sum of all.
// The partial signatures are verified together, but not by their sum.
func TestErrorsThatCancelOut(t *testing.T) {
	for _, which := range []int{0, 1, 2} {
		w := newNet(t, generateParams(t, 5, 4, 1), uint64(which))
		key, err := keyshare.Generate()
		require.NoError(t, err)
		sigs, err := key.SignRoots(t.Context(), keyshare.Root{})
		require.NoError(t, err)
		sent := map[keyshare.Index][]byte{}
		w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
			m, err := parseMessage(raw)
			require.NoError(t, err)
			if from != 22 && from != 33 || m.round != RoundConfirm {
				return [][]byte{raw}
			}
			if sent[from] == nil {
				p := w.nodes[from].party
				c, ok := parseConfirm(m.body, p.params, true)
				require.True(t, ok)
				c.keys[0].partials[which] = shifted(t, c.keys[0].partials[which], sigs[0].Bytes(), from == 33)
				changed, err := sign(RoundConfirm, p.id, p.me, p.config.Identity, c.bytes())
				require.NoError(t, err)
				sent[from] = changed.raw
			}
			return [][]byte{sent[from]}
		}
		w.run()
		codes := w.oracle(22, 33)
		require.Positive(t, codes[CodePartial])
		require.Len(t, codes, 1)
		require.Nil(t, w.nodes[11].party.Outcome())
	}
}
