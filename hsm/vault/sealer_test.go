package vault

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzReadPlaintext puts any text around a plaintext, which has to be found nevertheless, and reads any bytes.
func FuzzReadPlaintext(f *testing.F) {
	f.Add([]byte("secret"), `"plaintext":"x"`, `\"plaintext\":\"`)
	f.Add([]byte{}, "", "\x00\u2028")
	f.Fuzz(func(t *testing.T, plain []byte, before, after string) {
		body, err := json.Marshal(struct {
			Before string         `json:"a"`
			Data   map[string]any `json:"data"`
			After  []string       `json:"z"`
		}{before, map[string]any{"plaintext": plain, "note": before}, []string{after}})
		require.NoError(t, err)
		got, err := readPlaintext(bytes.NewReader(body))
		if len(body) >= maxPlaintext || len(plain) == 0 {
			got.Destroy()
		} else {
			require.NoError(t, err)
			require.Equal(t, plain, got.Bytes())
			got.Destroy()
		}
		got, _ = readPlaintext(strings.NewReader(before))
		got.Destroy()
	})
}

// FuzzHeader reads any header of a store.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"version":1,"transit_key":"dvkeys","store_key":"vault:v1:AAAA"}`))
	f.Add([]byte(`{"version":1,"transit_key":"../../sys/x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := new(transitSealer)
		if s.decode(b) != nil {
			return
		}
		again, err := json.Marshal(s.header)
		require.NoError(t, err)
		other := new(transitSealer)
		require.NoError(t, other.decode(again))
		require.Equal(t, s.header, other.header)
		require.Regexp(t, plainName, s.key, "a part of a path")
	})
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, label := range []string{
		"a", "A", "validator-3", "v1.2_3", strings.Repeat("a", 64), // plain
		strings.Repeat("a", 65), "a b", "-a", "a-", ".", "..", "a/b", "a..b", "label-x", "key-x", "key-" + strings.Repeat("0", 32), " ", "~",
	} {
		name := nameOf(label)
		require.Regexp(t, enginesName, name)
		require.NotContains(t, name, "..", "Vault takes no such path")
		require.Equal(t, name, nameOf(label))
		require.Empty(t, seen[name], "%q and %q", label, seen[name])
		seen[name] = label
		require.Equal(t, label, labelOf(name, label))
		require.Equal(t, strings.HasPrefix(name, hashedPrefix), name != label)
		if name == label {
			require.Equal(t, label, labelOf(name, ""), "of a key that somebody made by hand")
		}
	}
	require.Regexp(t, enginesName, freshName())
	require.Empty(t, labelOf(freshName(), ""))
}
