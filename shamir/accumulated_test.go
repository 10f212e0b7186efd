package shamir_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/shamir"
)

// TestAccumulated hashes what many splits with known randomness give, in place of many megabytes of vectors. Any change
// of the result is a change of how secrets are drawn, shared or committed to.
func TestAccumulated(t *testing.T) {
	n, want := 10_000, "f4e9d458fe855b48c77288551bd969fdf6f59ec9c61e523fcd7f1f8c00869910"
	if testing.Short() {
		n, want = 100, "8d602de6b717a24e57028ddd4c5e1253ac2ea3aaec8e21aae45d3d450fe96a41"
	}
	randomScalar(t).Destroy() // draws what is random once per process
	cryptotest.SetGlobalRandom(t, 1)

	h := sha256.New()
	for i := range n {
		threshold := 1 + i%3
		at := make([]shamir.Index, threshold+i%2)
		for k := range at {
			at[k] = shamir.Index(1 + i%500 + k)
			if i%5 == 0 {
				at[k] = math.MaxUint64 - at[k]
			}
		}
		secret := randomScalar(t)
		shares, c, err := shamir.Split(secret, threshold, at)
		require.NoError(t, err)
		h.Write(c.Bytes())
		for _, s := range shares {
			_ = binary.Write(h, binary.BigEndian, s.Index)
			require.NoError(t, s.Value.Use(func(b []byte) error { h.Write(b); return nil }))
		}
		if i%16 == 0 {
			whole, err := shamir.Combine(c, shares[len(shares)-threshold:])
			require.NoError(t, err)
			require.True(t, whole.Equal(secret))
			whole.Destroy()
		}
		for _, s := range append(shares, shamir.Share{Value: secret}) {
			s.Destroy()
		}
	}
	require.Equal(t, want, hex.EncodeToString(h.Sum(nil)))
}
