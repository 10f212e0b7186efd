package slashing_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

// stored is the history as it comes back from where it is kept.
func stored(t require.TestingT, h *slashing.History) *slashing.History {
	b, err := h.MarshalBinary()
	require.NoError(t, err)
	require.LessOrEqual(t, len(b), 1024)
	var again slashing.History
	require.NoError(t, again.UnmarshalBinary(b))
	require.Equal(t, h, &again)
	return &again
}

// someKey is the validator of all histories here.
func someKey(t require.TestingT) keyshare.PublicKey { return historytest.Key(t, 1) }

// TestHistorySafe makes random claims, and looks at all that were granted for two that contradict each other.
func TestHistorySafe(t *testing.T) {
	type signed struct {
		source, target uint64
		root           keyshare.Root
	}
	rapid.Check(t, func(t *rapid.T) {
		h := new(slashing.History)
		var votes, blocks []signed
		for range rapid.IntRange(1, 60).Draw(t, "claims") {
			root := historytest.Root(rapid.Uint64Range(0, 2).Draw(t, "root"))
			if rapid.Bool().Draw(t, "block") {
				b := signed{target: rapid.Uint64Range(0, 30).Draw(t, "slot"), root: root}
				_, err := h.Claim(historytest.Block(someKey(t), b.target, root))
				if err != nil {
					require.ErrorIs(t, err, signer.ErrSlashable)
					continue
				}
				for _, o := range blocks {
					require.False(t, o.target == b.target && o.root != b.root, "two blocks for slot %d", b.target)
				}
				blocks = append(blocks, b)
				h = stored(t, h)
				continue
			}
			v := signed{rapid.Uint64Range(0, 30).Draw(t, "source"), rapid.Uint64Range(0, 30).Draw(t, "target"), root}
			changed, err := h.Claim(historytest.Attestation(someKey(t), v.source, v.target, root))
			if err != nil {
				require.ErrorIs(t, err, signer.ErrSlashable)
				continue
			}
			for _, o := range votes {
				same := o == v
				require.False(t, same && changed, "a repetition is no change")
				require.False(t, o.target == v.target && !same, "two votes for target %d", v.target)
				require.False(t, o.source < v.source && v.target < o.target, "%v surrounds %v", o, v)
				require.False(t, v.source < o.source && o.target < v.target, "%v surrounds %v", v, o)
			}
			votes = append(votes, v)
			h = stored(t, h)
		}
	})
}

// TestHistoryLive signs duties as they come, each twice.
func TestHistoryLive(t *testing.T) {
	h := new(slashing.History)
	for n := uint64(1); n < 600; n++ {
		for _, repeated := range []bool{false, true} {
			changed, err := h.Claim(historytest.Attestation(someKey(t), n-1, n, historytest.Root(n)))
			require.NoError(t, err)
			require.Equal(t, !repeated, changed)
			changed, err = h.Claim(historytest.Block(someKey(t), n, historytest.Root(n)))
			require.NoError(t, err)
			require.Equal(t, !repeated, changed)
			h = stored(t, h)
		}
		_, err := h.Claim(historytest.Attestation(someKey(t), n-1, n, historytest.Root(n+1)))
		require.ErrorIs(t, err, signer.ErrSlashable)
	}
	changed, err := h.Claim(historytest.Attestation(someKey(t), 598, 599, historytest.Root(599)))
	require.NoError(t, err)
	require.False(t, changed)
	_, err = h.Claim(historytest.Attestation(someKey(t), 1, 2, historytest.Root(2)))
	require.ErrorIs(t, err, signer.ErrSlashable, "long folded")
	_, err = h.Claim(signer.Claim{Validator: someKey(t), Duty: signer.Randao{}})
	require.ErrorContains(t, err, "an attestation or a block expected")
	_, err = h.Claim(historytest.Block(someKey(t), 1<<63, keyshare.Root{}))
	require.ErrorContains(t, err, "less than 2^63 expected")
	require.NotErrorIs(t, err, signer.ErrSlashable)
}

func TestHistoryImport(t *testing.T) {
	chain := keyshare.Root{1}
	file := []byte(`{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` + chain.String() + `"},"data":[{"pubkey":"` +
		historytest.Key(t, 1).String() + `","signed_blocks":[{"slot":"7"}],"signed_attestations":[{"source_epoch":"3","target_epoch":"9"}]}]}`)
	var h slashing.History
	require.ErrorContains(t, h.Import(file, chain, historytest.Key(t, 2)), "is not in it")
	require.ErrorContains(t, h.Import(file, keyshare.Root{2}, historytest.Key(t, 1)), "genesis validators root")
	require.Equal(t, slashing.History{}, h)
	require.NoError(t, h.Import(file, chain, historytest.Key(t, 1)))
	again := stored(t, &h)
	k, root := someKey(t), keyshare.Root{3}
	for _, c := range []signer.Claim{
		historytest.Attestation(k, 4, 8, root), historytest.Attestation(k, 3, 9, root), historytest.Attestation(k, 2, 10, root), historytest.Block(k, 7, root),
	} {
		_, err := again.Claim(c)
		require.ErrorIs(t, err, signer.ErrSlashable, "%+v", c.Duty)
	}
	for _, c := range []signer.Claim{historytest.Attestation(k, 3, 10, root), historytest.Block(k, 8, root)} {
		_, err := again.Claim(c)
		require.NoError(t, err, "%+v", c.Duty)
	}
}

// TestHistoryVectors runs the suite of EIP-3076: what the minimal strategy grants is granted, and what the complete one
// refuses is refused. In between lies how much a History remembers.
func TestHistoryVectors(t *testing.T) {
	type check struct {
		Key      keyshare.PublicKey `json:"pubkey"`
		Root     *string            `json:"signing_root"`
		Minimal  bool               `json:"should_succeed"`
		Complete *bool              `json:"should_succeed_complete"`
	}
	granted, refused, unique := 0, 0, uint64(0)
	for _, path := range vectors.Files(t, "slashing/*.json") {
		if strings.HasPrefix(filepath.Base(path), "_") {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var f struct {
			Chain string `json:"genesis_validators_root"`
			Steps []struct {
				Succeeds    bool            `json:"should_succeed"`
				Interchange json.RawMessage `json:"interchange"`
				Blocks      []struct {
					check
					Slot uint64 `json:"slot,string"`
				} `json:"blocks"`
				Attestations []struct {
					check
					Source uint64 `json:"source_epoch,string"`
					Target uint64 `json:"target_epoch,string"`
				} `json:"attestations"`
			} `json:"steps"`
		}
		require.NoError(t, json.Unmarshal(text, &f))
		histories := map[keyshare.PublicKey]*slashing.History{}
		of := func(k keyshare.PublicKey) *slashing.History {
			if histories[k] == nil {
				histories[k] = new(slashing.History)
			}
			return histories[k]
		}
		claim := func(c check, claim signer.Claim) {
			t.Helper()
			if unique++; c.Root == nil {
				claim.Root = historytest.Root(1<<63 | unique)
			} else {
				claim.Root = parseRoot(t, *c.Root)
			}
			_, err := of(c.Key).Claim(claim)
			complete := c.Minimal
			if c.Complete != nil {
				complete = *c.Complete
			}
			switch {
			case c.Minimal:
				require.NoError(t, err, "%s: %+v", path, claim.Duty)
				granted++
			case !complete:
				require.ErrorIs(t, err, signer.ErrSlashable, "%s: %+v", path, claim.Duty)
				refused++
			}
			histories[c.Key] = stored(t, of(c.Key))
		}
		for _, step := range f.Steps {
			var file struct {
				Data []struct {
					Key keyshare.PublicKey `json:"pubkey"`
				} `json:"data"`
			}
			require.NoError(t, json.Unmarshal(step.Interchange, &file))
			for _, v := range file.Data {
				err := of(v.Key).Import(step.Interchange, parseRoot(t, f.Chain), v.Key)
				require.Equal(t, step.Succeeds, err == nil, "%s: %v", path, err)
			}
			for _, b := range step.Blocks {
				claim(b.check, historytest.Block(b.Key, b.Slot, keyshare.Root{}))
			}
			for _, a := range step.Attestations {
				claim(a.check, historytest.Attestation(a.Key, a.Source, a.Target, keyshare.Root{}))
			}
		}
	}
	require.Greater(t, granted, 15)
	require.Greater(t, refused, 30)
}

func parseRoot(t *testing.T, text string) keyshare.Root {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	require.NoError(t, err)
	return keyshare.Root(b)
}

func TestHistoryUnmarshalRefuses(t *testing.T) {
	var h slashing.History
	_, err := h.Claim(historytest.Attestation(someKey(t), 1, 2, keyshare.Root{1}))
	require.NoError(t, err)
	b, err := h.MarshalBinary()
	require.NoError(t, err)
	for i := range b {
		require.ErrorIs(t, new(slashing.History).UnmarshalBinary(b[:i]), slashing.ErrCorrupt)
	}
	for _, bad := range [][]byte{append(b[:len(b):len(b)], 0), append([]byte{2}, b[1:]...), append([]byte{1, 4}, b[2:]...)} {
		require.ErrorIs(t, new(slashing.History).UnmarshalBinary(bad), slashing.ErrCorrupt)
	}
}

func FuzzHistory(f *testing.F) {
	var h slashing.History
	f.Add([]byte{})
	for n := range uint64(10) {
		_, err := h.Claim(historytest.Attestation(someKey(f), n, n+1, keyshare.Root{1}))
		require.NoError(f, err)
		b, err := h.MarshalBinary()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h slashing.History
		if h.UnmarshalBinary(b) != nil {
			return
		}
		again, err := h.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}
