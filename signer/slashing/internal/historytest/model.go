package historytest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// entry is a block (source unused) or an attestation that the model knows of. Without a root it is nil.
type entry struct {
	source, at uint64
	root       *keyshare.Root
}

// model is a history that keeps everything and compares with everything: the conditions of EIP-3076 as they stand.
type model struct {
	complete      bool
	blocks, votes map[keyshare.PublicKey][]entry
}

func newModel(complete bool) *model {
	return &model{complete, map[keyshare.PublicKey][]entry{}, map[keyshare.PublicKey][]entry{}}
}

func (m *model) grant(c signer.Claim) bool {
	switch d := c.Duty.(type) {
	case signer.Block:
		e := entry{at: d.Slot, root: &c.Root}
		if !m.mayBlock(m.blocks[c.Validator], e) {
			return false
		}
		m.blocks[c.Validator] = append(m.blocks[c.Validator], e)
	case signer.Attestation:
		e := entry{d.Source.Epoch, d.Target.Epoch, &c.Root}
		if !m.mayVote(m.votes[c.Validator], e) {
			return false
		}
		m.votes[c.Validator] = append(m.votes[c.Validator], e)
	}
	return true
}

func same(a, b entry) bool {
	return a.at == b.at && a.source == b.source && a.root != nil && b.root != nil && *a.root == *b.root
}

func (m *model) mayBlock(all []entry, e entry) bool {
	lowest, repeats := true, 0
	for _, old := range all {
		switch {
		case !m.complete && e.at <= old.at:
			return false
		case same(old, e):
			repeats++
		case e.at == old.at:
			return false // condition 1
		}
		lowest = lowest && e.at <= old.at
	}
	return len(all) == 0 || repeats > 0 || !lowest // condition 2
}

func (m *model) mayVote(all []entry, e entry) bool {
	if e.source > e.at {
		return false
	}
	lowestTarget, belowSource, repeats := true, true, 0
	for _, old := range all {
		switch {
		case !m.complete && (e.at <= old.at || e.source < old.source):
			return false
		case same(old, e):
			repeats++
			belowSource = false
			continue
		case e.at == old.at:
			return false // condition 3: a double vote
		}
		lowestTarget = lowestTarget && e.at <= old.at
		belowSource = belowSource && e.source < old.source
	}
	if repeats > 0 || len(all) == 0 {
		return true
	}
	for _, old := range all {
		if e.source < old.source && old.at < e.at || old.source < e.source && e.at < old.at {
			return false // condition 3: one surrounds the other
		}
	}
	return !lowestTarget && !belowSource // conditions 5 and 4
}

// interchange is a random file, also with slashable entries, and what the model learns of it.
func (m *model) interchange(t *rapid.T, keys []keyshare.PublicKey, top uint64) []byte {
	number := rapid.Uint64Range(0, top)
	root := func() (text string, known *keyshare.Root) {
		if n := rapid.Uint64Range(0, 3).Draw(t, "root"); n > 0 {
			r := Root(n)
			return fmt.Sprintf(`,"signing_root":%q`, r), &r
		}
		return "", nil
	}
	var data []string
	for range rapid.IntRange(1, 3).Draw(t, "validators") {
		k := rapid.SampledFrom(keys).Draw(t, "key")
		var blocks, votes []string
		for range rapid.IntRange(0, 4).Draw(t, "blocks") {
			slot := number.Draw(t, "slot")
			text, known := root()
			blocks = append(blocks, fmt.Sprintf(`{"slot":"%d"%s}`, slot, text))
			m.blocks[k] = append(m.blocks[k], entry{at: slot, root: known})
		}
		for range rapid.IntRange(0, 4).Draw(t, "attestations") {
			source, target := number.Draw(t, "source"), number.Draw(t, "target")
			text, known := root()
			votes = append(votes, fmt.Sprintf(`{"source_epoch":"%d","target_epoch":"%d"%s}`, source, target, text))
			m.votes[k] = append(m.votes[k], entry{source, target, known})
		}
		data = append(data, fmt.Sprintf(`{"pubkey":%q,"signed_blocks":[%s],"signed_attestations":[%s]}`, k, strings.Join(blocks, ","), strings.Join(votes, ",")))
	}
	return fmt.Appendf(nil, `{"metadata":{"interchange_format_version":"5","genesis_validators_root":%q},"data":[%s]}`, keyshare.Root{}, strings.Join(data, ","))
}

func drawClaim(t *rapid.T, keys []keyshare.PublicKey, top uint64) signer.Claim {
	k := rapid.SampledFrom(keys).Draw(t, "key")
	number := rapid.Uint64Range(0, top)
	root := Root(rapid.Uint64Range(1, 3).Draw(t, "root"))
	if rapid.Bool().Draw(t, "block") {
		return Block(k, number.Draw(t, "slot"), root)
	}
	return Attestation(k, number.Draw(t, "source"), number.Draw(t, "target"), root)
}

// model compares random claims and imports with the naive model: the same are granted.
func (s suite) model(t *testing.T) {
	keys := []keyshare.PublicKey{Key(t, 1), Key(t, 2)}
	rapid.Check(t, func(t *rapid.T) {
		store, m := s.open(t, keyshare.Root{}, s.complete), newModel(s.complete)
		top := rapid.SampledFrom([]uint64{3, 6, 12}).Draw(t, "top")
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				require.NoError(t, store.Import(context.Background(), m.interchange(t, keys, top)))
				continue
			}
			claims := make([]signer.Claim, rapid.IntRange(1, 4).Draw(t, "claims"))
			for i := range claims {
				claims[i] = drawClaim(t, keys, top)
			}
			for i, err := range store.Protect(context.Background(), claims...) {
				require.Equal(t, m.grant(claims[i]), granted(t, err), "%+v", claims[i].Duty)
			}
		}
	})
}

// long compares histories that are longer than what is kept: nothing is granted that the model refuses.
func (s suite) long(t *testing.T) {
	keys := []keyshare.PublicKey{Key(t, 1)}
	rapid.Check(t, func(t *rapid.T) {
		store, m := s.open(t, keyshare.Root{}, s.complete), newModel(s.complete)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			top := rapid.SampledFrom([]uint64{5, 600, 2000, 20_000, 100_000}).Draw(t, "top")
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				require.NoError(t, store.Import(context.Background(), m.interchange(t, keys, top)))
				continue
			}
			c := drawClaim(t, keys, top)
			if protect(store, c) == nil {
				require.True(t, m.grant(c), "%+v was granted", c.Duty)
			}
		}
	})
}
