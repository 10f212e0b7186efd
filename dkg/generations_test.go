package dkg

import (
	"encoding/json"
	"math"
	mrand "math/rand/v2"
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
	require.NoError(t, g.Prepare(fresh), "the same again")
	rival := *fresh
	rival.Transcript[0] ^= 1
	require.ErrorContains(t, g.Prepare(&rival), "is under way")
	signs(9, old)
	signs(10, nil) // others may have the whole signature by then
	signs(1000, nil)

	partials := map[keyshare.Index]keyshare.Signature{}
	for _, id := range []keyshare.Index{11, 22, 33} {
		pk, _ := old.Group.Member(id)
		partials[id], err = g.Sign(t.Context(), secrets[pk])
		require.NoError(t, err)
	}
	signature, err := old.Group.Combine(a.Root(), partials)
	require.NoError(t, err)

	require.ErrorContains(t, g.Activate(a, signature, nil, 9), "slashing history is not the one")
	require.ErrorContains(t, g.Activate(&later, signature, history, 9), "not signed by the validator's key")
	require.ErrorContains(t, g.Activate(a, partials[11], history, 9), "not signed by the validator's key")
	other := *a
	other.To[0] ^= 1
	require.ErrorContains(t, g.Activate(&other, signature, history, 9), "not of the prepared generation")
	require.ErrorContains(t, g.Activate(a, signature, history, math.MaxUint64), "after which there is none")
	signs(9, old)
	signs(1000, nil)

	require.NoError(t, g.Activate(a, signature, history, 9))
	require.NoError(t, g.Activate(a, signature, history, 9), "again")
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

	for _, c := range []struct {
		name   string
		change func(s *generations)
		want   string
	}{
		{"no current generation", func(s *generations) { s.Current = nil }, "the current lineage is missing"},
		{"another next one", func(s *generations) { s.Next = s.Current }, "does not follow on ours"},
		{"an activation of none", func(s *generations) { s.Next = nil }, "no generation is prepared"},
		{"another activation", func(s *generations) { s.Active = &other }, "not of the prepared generation"},
		{"begins too early", func(s *generations) { s.First-- }, "begins at epoch 11, before its start at 12"},
	} {
		state := generations{Current: old, Next: fresh, Active: a, First: 12}
		c.change(&state)
		b, err := json.Marshal(state)
		require.NoError(t, err)
		require.ErrorContains(t, json.Unmarshal(b, g), c.want, c.name)
	}
	signs(0, fresh)
}

// Whenever members agree, and whenever they hear of the activation, the last epoch in which
// a threshold of old shares signs lies MinGap before the first in which a new one does.
func TestGenerationsDoNotOverlap(t *testing.T) {
	first, secrets := generated(t, 4, 3, 1)
	old := first.Lineages[0]
	w := reshareNet(t, follow(t, Reshare, first, operators(t, 11, 22, 33), operators(t, 33, 44, 55, 66), 3), first, secrets, 1)
	w.run()
	fresh := w.requireSuccess().Lineages[0]
	history := []byte("history")
	began := 0
	for seed := range uint64(30) {
		rng := mrand.New(mrand.NewPCG(seed, 3))
		start := func() *Generations {
			g := NewGenerations(old)
			require.NoError(t, g.Prepare(fresh))
			return g
		}
		members := map[keyshare.Index]*Generations{}
		for _, id := range old.Group.Members() {
			members[id] = start()
		}
		newcomers := []*Generations{members[33], members[44], start(), start()}
		a, err := start().Propose(4, 6, history)
		require.NoError(t, err)
		partials := map[keyshare.Index]keyshare.Signature{}
		var signature *keyshare.Signature
		lastOld, firstNew := -1, -1
		for epoch := range uint64(16) {
			oldSigners := 0
			for _, g := range members {
				if l, err := g.At(epoch); err == nil && l.Hash() == old.Hash() {
					oldSigners++
				}
			}
			if oldSigners >= old.Group.Threshold() {
				lastOld = int(epoch)
			}
			for _, g := range newcomers {
				if l, err := g.At(epoch); err == nil && l.Hash() == fresh.Hash() && firstNew < 0 {
					firstNew = int(epoch)
				}
			}
			for _, id := range old.Group.Members() { // later in the epoch, some agree and some hear
				if rng.IntN(5) == 0 {
					require.NoError(t, members[id].Agree(a))
					partials[id], err = members[id].Sign(t.Context(), secrets[memberKey(first, id)])
					require.NoError(t, err)
				}
			}
			if signature == nil && len(partials) >= old.Group.Threshold() {
				s, err := old.Group.Combine(a.Root(), partials)
				require.NoError(t, err)
				signature = &s
			}
			for _, g := range append(newcomers, members[11], members[22]) {
				if signature != nil && rng.IntN(3) == 0 {
					require.NoError(t, g.Activate(a, *signature, history, epoch))
				}
			}
		}
		if firstNew >= 0 {
			began++
			require.GreaterOrEqual(t, firstNew, lastOld+MinGap, "seed %d", seed)
		}
	}
	require.Greater(t, began, 10)
}
