package keystore

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	require.NoError(t, err)
	return b
}

func decimal(key []byte) string { return new(big.Int).SetBytes(key).String() }

// derivation is one case of the vectors of EIP-2333; some give more of it than others, and some in quotes.
type derivation struct {
	Mnemonic, Password string
	Seed               string
	Master             json.Number `json:"master_SK"`
	Index              json.Number `json:"child_index"`
	Child              json.Number `json:"child_SK"`
	Lamport0           []string    `json:"lamport_0"`
	Lamport1           []string    `json:"lamport_1"`
	Compressed         string      `json:"compressed_lamport_PK"`
}

func (d derivation) check(t *testing.T) {
	seed, err := NewSeed(unhex(t, d.Seed))
	require.NoError(t, err)
	n, err := newNode()
	require.NoError(t, err)
	defer n.destroy()
	require.NoError(t, seed.bytes.Use(n.master))
	require.Equal(t, d.Master.String(), decimal(n.key))
	index, err := d.Index.Int64()
	require.NoError(t, err)
	require.NoError(t, n.child(uint32(index)))
	require.Equal(t, d.Child.String(), decimal(n.key))
}

func TestTreeVectors(t *testing.T) {
	var cases []derivation
	vectors.JSON(t, "eip2333/eip2333_cases.json", &cases)
	require.Len(t, cases, 3)
	var file struct {
		Cases []derivation `json:"kdf_tests"`
	}
	vectors.JSON(t, "eip2333/tree_kdf.json", &file)
	require.Len(t, file.Cases, 4)
	for _, c := range append(cases, file.Cases...) {
		c.check(t)
	}
}

// TestTreeIntermediates checks every chunk of the Lamport keys on the way to the child.
func TestTreeIntermediates(t *testing.T) {
	for _, name := range []string{"eip2333/eip2333_intermediate.json", "eip2333/tree_kdf_intermediate.json"} {
		t.Run(name, func(t *testing.T) {
			var d derivation
			vectors.JSON(t, name, &d)
			d.check(t)
			if d.Mnemonic != "" {
				m, err := ParseMnemonic([]byte(d.Mnemonic))
				require.NoError(t, err)
				seed, err := m.Seed([]byte(d.Password))
				require.NoError(t, err)
				require.NoError(t, seed.bytes.Use(func(b []byte) error {
					require.Equal(t, unhex(t, d.Seed), b)
					return nil
				}))
			}
			n, err := newNode()
			require.NoError(t, err)
			defer n.destroy()
			require.NoError(t, n.master(unhex(t, d.Seed)))
			require.Len(t, d.Lamport0, chunks)
			require.Len(t, d.Lamport1, chunks)
			master := append([]byte{}, n.key...)
			n.compress(0)
			require.Equal(t, unhex(t, d.Compressed), n.compressed[:32])
			require.Equal(t, unhex(t, strings.ReplaceAll(strings.Join(d.Lamport1, ""), "0x", "")), n.lamport, "the second half is there last")
			n.mac.HKDF(n.lamport, master, []byte{0, 0, 0, 0}, nil)
			require.Equal(t, unhex(t, strings.ReplaceAll(strings.Join(d.Lamport0, ""), "0x", "")), n.lamport)
		})
	}
}

// TestMasterOfEveryLength: seeds of zeros of different lengths are different seeds.
func TestMasterOfEveryLength(t *testing.T) {
	seen := map[string]bool{}
	for size := 32; size <= 200; size++ {
		n, err := newNode()
		require.NoError(t, err)
		require.NoError(t, n.master(make([]byte, size)))
		require.False(t, seen[string(n.key)])
		seen[string(n.key)] = true
		n.destroy()
	}
}

func BenchmarkDerive(b *testing.B) {
	seed, err := NewSeed(make([]byte, 64))
	require.NoError(b, err)
	for b.Loop() {
		k, err := seed.Derive(SigningPath(7))
		require.NoError(b, err)
		k.Destroy()
	}
}
