package dkg

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keyshare"
)

// TestNoCopyStays looks for a party's secrets in all of this process's memory, while a
// ceremony runs and after it: the seed, the scalar of the Hello key, coefficients, the
// shares that it deals and receives, and the secrets that it shares with others. At rest
// each is encrypted or derived anew when it is needed.
func TestNoCopyStays(t *testing.T) {
	p := generateParams(t, 3, 3, 2)
	w := newNet(t, p, 1)
	for _, n := range w.nodes {
		n.config.Decrypter = nil // crypto/rsa keeps copies of what it decrypts
	}
	patterns := map[string]memscan.Pattern{}
	note := func(name string, b []byte) error {
		pattern, err := memscan.Mask(b)
		patterns[name] = pattern
		return err
	}
	nowhere := func(when string) {
		t.Helper()
		hits, err := memscan.Find(memscan.All(slices.Collect(maps.Values(patterns))...))
		require.NoError(t, err)
		if len(hits) == 0 {
			return
		}
		for name, pattern := range patterns { // which is it?
			again, err := memscan.Find(pattern)
			require.NoError(t, err)
			require.Empty(t, again, "%s, %s", name, when)
		}
		require.Empty(t, hits, when)
	}
	for _, id := range w.order {
		w.start(id)
	}
	d := w.nodes[22].party.dealer
	require.NoError(t, d.seed.Use(func(b []byte) error {
		require.NoError(t, note("seed", b))
		hits, err := memscan.Find(patterns["seed"])
		require.NoError(t, err)
		require.NotEmpty(t, hits, "what is in use is found")
		return nil
	}))
	require.NoError(t, d.use(roleKey, 0, 0, func(b []byte) error { return note("scalar of the Hello", b) }))
	for v := range 2 {
		for k := range 3 {
			require.NoError(t, d.use(roleCoefficient, v, k, func(b []byte) error { return note(fmt.Sprintf("coefficient %d of key %d", k, v), b) }))
		}
	}
	h, err := newDeriver()
	require.NoError(t, err)
	f, err := d.polynomial(h, 1)
	require.NoError(t, err)
	share, err := f.Evaluate(33)
	require.NoError(t, err)
	require.NoError(t, note("share dealt to 33", share.Bytes()))
	share.Destroy()
	f.Destroy()
	h.destroy()
	nowhere("after the Hellos")

	for _, n := range w.nodes { // a custody that keeps shares encrypted, and notes one
		n.put = func(s *keyshare.Share) (keyshare.Key, error) {
			var k *keyshare.SecretKey
			err := s.Use(func(b []byte) (err error) {
				require.NoError(t, note(fmt.Sprintf("share of %d", s.Index()), b))
				k, err = keyshare.ParseSecretKey(b)
				return err
			})
			return k, err
		}
	}
	shared := false
	w.crash = func(id keyshare.Index, point int) bool {
		if party := w.nodes[id].party; id == 22 && point == afterSave && party.own(RoundDeal) != nil && !shared {
			points, err := party.sharedPoints(party.params.Operators, party.hellos)
			require.NoError(t, err)
			require.NoError(t, note("secret shared with 33", points[2].Bytes()))
			destroyAll(points)
			shared = true
			nowhere("after the Deals")
		}
		return false
	}
	w.drain()
	o := w.requireSuccess()
	require.Len(t, patterns, 13)
	nowhere("at the end")
	_, err = o.Key(0).SignRoots(context.Background(), o.Roots[0]...)
	require.NoError(t, err)
}
