package dkg

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

func TestGenerations(t *testing.T) {
	first, secrets := generated(t, 4, 3, 1)
	old := first.Lineages[0]
	w := reshareNet(t, follow(t, Reshare, first, operators(t, 11, 22, 33), operators(t, 55, 66, 77, 88), 3), first, secrets, 1)
	w.run()
	fresh := w.requireSuccess().Lineages[0]
	history := []byte(`{"metadata":{"interchange_format_version":"5"},"data":[]}`)

	g := NewGenerations(old)
	stored := func() { // each state survives its encoding
		b, err := json.Marshal(g)
		require.NoError(t, err)
		back := new(Generations)
		require.NoError(t, json.Unmarshal(b, back))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, b, again)
		g = back
	}
	signs := func(epoch uint64, want *Lineage) {
		l, err := g.At(epoch)
		if want == nil {
			require.ErrorIs(t, err, ErrGeneration)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Hash(), l.Hash())
	}
	_, err := g.Propose(10, 12, history)
	require.ErrorContains(t, err, "no generation is prepared")
	require.ErrorContains(t, g.Prepare(old), "does not follow on ours")
	signs(1000, old)
	require.NoError(t, g.Prepare(fresh))
	stored()
	signs(1000, old)

	for _, start := range []uint64{0, 1, 10, 11} {
		_, err = g.Propose(10, start, history)
		require.ErrorContains(t, err, "expected at least 2 later")
	}
	a, err := g.Propose(10, 12, history)
	require.NoError(t, err)
	_, err = g.Sign(t.Context(), secrets[memberKey(first, 11)])
	require.ErrorContains(t, err, "has agreed to no activation")
	require.NoError(t, g.Agree(a))
	stored()
	require.NoError(t, g.Agree(a), "to the same again")
	later := *a
	later.Start++
	require.ErrorContains(t, g.Agree(&later), "has agreed to another activation")
	require.ErrorContains(t, g.Prepare(fresh), "is under way")
	signs(1000, old)

	partials := map[keyshare.Index]keyshare.Signature{}
	for _, id := range []keyshare.Index{11, 22, 33} {
		pk, _ := old.Group.Member(id)
		partials[id], err = g.Sign(t.Context(), secrets[pk])
		require.NoError(t, err)
	}
	signature, err := old.Group.Combine(a.Root(), partials)
	require.NoError(t, err)

	require.ErrorContains(t, g.Activate(a, signature, nil), "slashing history is not the one")
	require.ErrorContains(t, g.Activate(&later, signature, history), "not signed by the validator's key")
	require.ErrorContains(t, g.Activate(a, partials[11], history), "not signed by the validator's key")
	other := *a
	other.To[0] ^= 1
	require.ErrorContains(t, g.Activate(&other, signature, history), "not of the prepared generation")
	signs(1000, old)

	require.NoError(t, g.Activate(a, signature, history))
	require.NoError(t, g.Activate(a, signature, history), "again")
	stored()
	signs(9, old)
	signs(10, nil)
	signs(11, nil)
	signs(12, fresh)
	require.Nil(t, g.Finish(11, 0))
	require.Nil(t, g.Finish(111, 100))
	require.Equal(t, old.Hash(), g.Finish(112, 100).Hash())
	stored()
	signs(0, fresh)
	require.Error(t, json.Unmarshal([]byte(`{}`), g))
}
