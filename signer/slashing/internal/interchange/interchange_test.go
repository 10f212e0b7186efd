package interchange

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// publicKey is the generator of G1: the public key of the secret 1.
const publicKey = "0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"

func file(root keyshare.Root, data string) string {
	return fmt.Sprintf(`{"metadata":{"interchange_format_version":"5","genesis_validators_root":%q},"data":%s}`, root, data)
}

func validatorOf(blocks, votes string) string {
	return fmt.Sprintf(`[{"pubkey":%q,"signed_blocks":[%s],"signed_attestations":[%s]}]`, publicKey, blocks, votes)
}

func TestParse(t *testing.T) {
	one, two := keyshare.Root{1}, keyshare.Root{2}
	data := fmt.Sprintf(`[
		{"pubkey":%[1]q,"extra":{"a":[1]},"signed_blocks":[{"slot":"7","signing_root":%[2]q},{"slot":"5"},{"slot":"7","signing_root":%[3]q}],"signed_attestations":[]},
		{"signed_attestations":[{"source_epoch":"0","target_epoch":"9223372036854775807","signing_root":null},{"source_epoch":"3","target_epoch":"2","signing_root":%[2]q}],
		 "signed_blocks":[{"slot":"0","signing_root":%[3]q}],"pubkey":%[4]q}
	]`, publicKey, one, two, strings.ToUpper(strings.TrimPrefix(publicKey, "0x")))
	got, err := Parse([]byte(file(one, data)), one)
	require.NoError(t, err)
	require.Len(t, got, 1, "the same validator, in another case and without 0x")
	require.Equal(t, []history.Block{{Slot: 0, Rooted: true, Root: two}, {Slot: 5}, {Slot: 7}}, got[0].Blocks)
	require.Equal(t, []history.Vote{
		{Target: 2, MinSource: 3, MaxSource: 3, Rooted: true, Root: one, Highest: 3, Lowest: 0},
		{Target: history.Limit, Highest: 3},
	}, got[0].Votes)
}

// TestParseManyKeys passes over many keys in a second or so, not in the minutes that comparing each with each takes.
func TestParseManyKeys(t *testing.T) {
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `"%d":0,`, i)
	}
	root := keyshare.Root{1}
	text := strings.Replace(file(root, validatorOf("", "")), `"pubkey"`, many.String()+`"pubkey"`, 1)
	got, err := Parse([]byte(text), root)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

func TestParseRefuses(t *testing.T) {
	root := keyshare.Root{1}
	good := file(root, validatorOf(`{"slot":"1"}`, `{"source_epoch":"1","target_epoch":"2"}`))
	_, err := Parse([]byte(good), root)
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{`"5"`, `"4"`, `metadata: interchange_format_version: is "4", "5" expected`},
		{`"5"`, `5`, "metadata: interchange_format_version: is not a string"},
		{root.String(), keyshare.Root{2}.String(), "the file is of the chain with the genesis validators root 0x0200"},
		{root.String(), "0x01", `genesis_validators_root: is "0x01", 0x and 64 hex digits expected`},
		{`"` + root.String() + `"`, "null", "genesis_validators_root: is"},
		{`"genesis_validators_root"`, `"genesis_Validators_root"`, "metadata: genesis_validators_root is missing"},
		{`"slot":"1"`, `"slot":1`, "data: 0: signed_blocks: 0: slot: is not a string"},
		{`"slot":"1"`, `"slot":"01"`, `slot: is "01", a decimal number less than 2^63 expected`},
		{`"slot":"1"`, `"slot":"+1"`, `slot: is "+1"`},
		{`"slot":"1"`, `"slot":""`, `slot: is ""`},
		{`"slot":"1"`, `"slot":"0x1"`, `slot: is "0x1"`},
		{`"slot":"1"`, `"slot":"9223372036854775808"`, `slot: is "9223372036854775808"`},
		{`"slot":"1"`, `"slot":"1","slot":"2"`, `"slot" occurs twice`},
		{`"slot":"1"`, `"slot":"1","\u0073lot":"2"`, `"slot" occurs twice`},
		{`"slot":"1"`, `"Slot":"1"`, "slot is missing"},
		{`"slot":"1"`, `"slot":"1","signing_root":"0x00"`, `signing_root: is "0x00"`},
		{`"slot":"1"`, `"slot":"1","signing_root":""`, `signing_root: is ""`},
		{`"source_epoch":"1",`, "", "source_epoch is missing"},
		{`,"target_epoch":"2"`, "", "target_epoch is missing"},
		{`"target_epoch":"2"`, `"target_epoch":"-2"`, `target_epoch: is "-2"`},
		{publicKey, "0x97f1", "pubkey: keyshare: not a BLS public key"},
		{publicKey, strings.Replace(publicKey, "0x97", "0x96", 1), "pubkey: keyshare: not a BLS public key"},
		{`"signed_blocks":[{"slot":"1"}],`, "", "signed_blocks is missing"},
		{`[{"slot":"1"}]`, `{"slot":"1"}`, "signed_blocks: is not a list"},
		{`[{"slot":"1"}]`, `["1"]`, "signed_blocks: 0: is not an object"},
		{`"data"`, `"data":[],"data"`, `"data" occurs twice`},
		{`"data"`, `"Data"`, "data is missing"},
		{`"2"}]}]}`, `"2"}]}]} {}`, "the file goes on after its end"},
		{`"2"}]}]}`, `"2"}]}]`, "is not JSON"},
		{`"data"`, "\"\xff\":1,\"data\"", "the file is not UTF-8"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		require.NotEqual(t, good, bad, c.old)
		got, err := Parse([]byte(bad), root)
		require.ErrorContains(t, err, c.want, bad)
		require.Nil(t, got)
	}
}

// FuzzParse writes what it has read, and reads the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(file(keyshare.Root{}, validatorOf(`{"slot":"1"}`, `{"source_epoch":"1","target_epoch":"2"},{"source_epoch":"0","target_epoch":"2"}`))))
	for _, path := range vectors.Files(f, "slashing/*.json") {
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		var suite struct {
			Steps []struct {
				Interchange json.RawMessage `json:"interchange"`
			} `json:"steps"`
		}
		require.NoError(f, json.Unmarshal(b, &suite))
		for _, s := range suite.Steps {
			f.Add([]byte(s.Interchange))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := Parse(b, keyshare.Root{})
		if err != nil {
			return
		}
		w := NewWriter(keyshare.Root{})
		for _, v := range first {
			w.Add(v.Key, history.Record{Blocks: v.Blocks, Votes: v.Votes})
		}
		written, err := w.File()
		require.NoError(t, err)
		second, err := Parse(written, keyshare.Root{})
		require.NoError(t, err)
		require.Equal(t, len(first), len(second))
		for i := range first {
			require.Equal(t, first[i], second[i])
		}
	})
}
