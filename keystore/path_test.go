package keystore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/keystore"
)

func TestPaths(t *testing.T) {
	require.Equal(t, "m/12381/3600/0/0/0", keystore.SigningPath(0).String())
	require.Equal(t, "m/12381/3600/4294967295/0/0", keystore.SigningPath(1<<32-1).String())
	require.Equal(t, "m/12381/3600/7/0", keystore.WithdrawalPath(7).String())
	require.Equal(t, "", keystore.Path{}.String())
	for _, s := range []string{"m/12381/60/3141592653/589793238", "m/0/0/0/0", "m/4294967295/0/1/2/3/4/5"} {
		p, err := keystore.ParsePath(s)
		require.NoError(t, err)
		require.Equal(t, s, p.String())
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"", "path does not begin with m/"},
		{"/12381/3600/0/0", "path does not begin with m/"},
		{"12381/3600/0/0", "path does not begin with m/"},
		{"M/12381/3600/0/0", "path does not begin with m/"},
		{" m/12381/3600/0/0", "path does not begin with m/"},
		{"m", "path level 1 is \"\", expected a number"},
		{"m/", "path level 1 is \"\", expected a number"},
		{"m/12381/3600/0", "path has 3 levels below m, expected at least 4"},
		{"m/12381//0/0", "path level 2 is \"\", expected a number from 0 to 4294967295"},
		{"m/12381/3600/0/0/", "path level 5 is \"\", expected a number"},
		{"m/12381/3600/0'/0", "path level 3 is \"0'\", expected a number"},
		{"m/12381/3600/0h/0", "path level 3 is \"0h\", expected a number"},
		{"m/12381/3600/-1/0", "path level 3 is \"-1\", expected a number"},
		{"m/12381/3600/+1/0", "path level 3 is \"+1\", expected a number"},
		{"m/12381/3600/ 1/0", "path level 3 is \" 1\", expected a number"},
		{"m/12381/3600/01/0", "path level 3 is \"01\", expected a number"},
		{"m/12381/3600/0x1/0", "path level 3 is \"0x1\", expected a number"},
		{"m/12381/3600/1_0/0", "path level 3 is \"1_0\", expected a number"},
		{"m/12381/3600/1e3/0", "path level 3 is \"1e3\", expected a number"},
		{"m/12381/3600/٣/0", "path level 3 is \"٣\", expected a number"},
		{"m/12381/3600/4294967296/0", "path level 3 is \"4294967296\", expected a number"},
	} {
		_, err := keystore.ParsePath(c.path)
		require.ErrorContains(t, err, "keystore: "+c.want, c.path)
	}
}

// TestPathsAreKeys: paths that differ give keys that differ.
func TestPathsAreKeys(t *testing.T) {
	seed, err := keystore.NewSeed(make([]byte, 32))
	require.NoError(t, err)
	keys := map[string]keystore.Path{}
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.OneOf(rapid.StringMatching(`[1-9][0-9]{0,8}`), rapid.SampledFrom([]string{"0", "1", "4294967295"}))
		p, err := keystore.ParsePath("m/" + strings.Join(rapid.SliceOfN(level, 4, 6).Draw(t, "levels"), "/"))
		require.NoError(t, err)
		k, err := seed.Derive(p)
		require.NoError(t, err)
		public := k.PublicKey().String()
		if other, ok := keys[public]; ok {
			require.Equal(t, other, p)
		}
		keys[public] = p
	})
}

// FuzzParsePath holds that what parses is written as it was.
func FuzzParsePath(f *testing.F) {
	f.Add("m/12381/3600/0/0/0")
	f.Add("m/12381/3600/4294967296/0")
	f.Add("m/12381/3600/0'/00")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := keystore.ParsePath(s)
		if err != nil {
			require.Equal(t, keystore.Path{}, p)
			return
		}
		require.Equal(t, s, p.String())
		require.GreaterOrEqual(t, strings.Count(s, "/"), 4)
	})
}
