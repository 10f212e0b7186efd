package plugin

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// TestVerified alters signatures before they are verified.
func TestVerified(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	d := &desk{backend: e.backend}
	var exits []judged
	err := e.use(t.Context(), e.storage, "k", "", func(k *openKey) error {
		for i := range uint64(40) {
			exit := signer.VoluntaryExit{Epoch: i}
			root, err := signer.SigningRoot(signer.Hoodi, exit)
			require.NoError(t, err)
			exits = append(exits, judged{duty: exit, root: root})
		}
		return signJudged(t.Context(), k, exits)
	})
	require.NoError(t, err)
	randao := judged{duty: signer.Randao{}, signature: exits[0].signature} // which is not verified
	exits[3].signature, exits[30].signature = exits[4].signature, keyshare.Signature{}
	refused := judged{duty: signer.VoluntaryExit{}, err: errDisk}
	list := append([]judged{refused, randao}, exits...)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	d.verify(cancelled, list)
	for _, i := range []int{0, 2 + 3, 2 + 30} {
		require.Empty(t, d.results(list, false).Results[i].Signature, "what has not been verified does not leave")
	}
	list = append([]judged{refused, randao}, exits...)
	d.verify(t.Context(), list[:20], list[20:])
	for i, r := range d.results(list, false).Results {
		wrong := i == 0 || i == 2+3 || i == 2+30
		require.Equal(t, wrong, r.Fault != nil, i)
		require.Equal(t, wrong, r.Signature == "", i)
	}
}
