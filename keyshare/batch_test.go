package keyshare_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

func TestVerifyBatch(t *testing.T) {
	var claims []keyshare.Signed
	for i := range byte(6) {
		k, err := keyshare.Generate()
		require.NoError(t, err)
		root := keyshare.Root{i / 3} // two roots
		sigs, err := k.SignRoots(t.Context(), root)
		require.NoError(t, err)
		claims = append(claims, keyshare.Signed{PublicKey: k.PublicKey(), Root: root, Signature: sigs[0]})
		k.Destroy()
	}
	for _, verify := range []func([]keyshare.Signed) bool{keyshare.VerifyBatch, keyshare.VerifyBatchIndependent} {
		require.True(t, verify(claims))
		require.True(t, verify(claims[:1]))
		require.False(t, verify(nil), "nothing is claimed")
	}
	for i := range claims {
		for name, spoil := range map[string]func(*keyshare.Signed){
			"root":         func(c *keyshare.Signed) { c.Root[31]++ },
			"key":          func(c *keyshare.Signed) { c.PublicKey = claims[(i+1)%6].PublicKey },
			"signature":    func(c *keyshare.Signed) { c.Signature = claims[(i+1)%6].Signature },
			"no key":       func(c *keyshare.Signed) { c.PublicKey = keyshare.PublicKey{} },
			"no signature": func(c *keyshare.Signed) { c.Signature = keyshare.Signature{} },
		} {
			spoilt := append([]keyshare.Signed(nil), claims...)
			spoil(&spoilt[i])
			require.False(t, keyshare.VerifyBatch(spoilt), "%s of claim %d", name, i)
			require.False(t, keyshare.VerifyBatchIndependent(spoilt), "%s of claim %d", name, i)
		}
	}
}
