package signer_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/signer"
)

func TestParseEther(t *testing.T) {
	for s, want := range map[string]signer.Gwei{
		"0":                     0,
		"32":                    32 * signer.Ether,
		"1.5":                   1_500_000_000,
		"1.50":                  1_500_000_000,
		"0.000000001":           1,
		"32.000000001":          32_000_000_001, // 32.000000001 is not exact as a float64
		"2048":                  signer.MaxEffectiveBalance,
		"18446744073.709551615": math.MaxUint64,
	} {
		got, err := signer.ParseEther(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
}

func TestParseEtherRefused(t *testing.T) {
	const malformed = " is malformed, a decimal number such as 32 or 1.5 expected"
	for s, want := range map[string]string{
		"":                      `""` + malformed,
		".5":                    `".5"` + malformed,
		"5.":                    `"5."` + malformed,
		"+1":                    `"+1"` + malformed,
		"-1":                    `"-1"` + malformed,
		" 1":                    `" 1"` + malformed,
		"1e3":                   `"1e3"` + malformed,
		"1_000":                 `"1_000"` + malformed,
		"1,5":                   `"1,5"` + malformed,
		"1.2.3":                 `"1.2.3"` + malformed,
		"0x20":                  `"0x20"` + malformed,
		"٣٢":                    `"٣٢"` + malformed,
		"NaN":                   `"NaN"` + malformed,
		"032":                   `"032" has a leading zero`,
		"00":                    `"00" has a leading zero`,
		"1.0000000001":          `"1.0000000001" has 10 decimals, at most 9 expected`,
		"18446744073.709551616": `"18446744073.709551616" is too large, less than 2^64 gwei expected`,
		"99999999999":           `"99999999999" is too large, less than 2^64 gwei expected`,
	} {
		_, err := signer.ParseEther(s)
		require.EqualError(t, err, "signer: amount "+want)
	}
}

func TestEtherRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := signer.Gwei(rapid.Uint64().Draw(t, "gwei"))
		got, err := signer.ParseEther(g.Ether())
		require.NoError(t, err)
		require.Equal(t, g, got)
	})
	require.Equal(t, "32", (32 * signer.Ether).Ether())
	require.Equal(t, "0", signer.Gwei(0).Ether())
	require.Equal(t, "1000", (1000 * signer.Ether).Ether())
	require.Equal(t, "0.00000001", signer.Gwei(10).Ether())
	require.Equal(t, "10 gwei", signer.Gwei(10).String())
}

func FuzzParseEther(f *testing.F) {
	for _, s := range []string{"32", "1.5", "0.000000001", "18446744073.709551616", ".5", "1e3", "01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := signer.ParseEther(s)
		if err != nil {
			require.Zero(t, g)
			return
		}
		again, err := signer.ParseEther(g.Ether())
		require.NoError(t, err)
		require.Equal(t, g, again)
		require.LessOrEqual(t, len(g.Ether()), len(s), "Ether is the shortest form")
	})
}
