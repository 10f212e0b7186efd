package ssv_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare/ssv"
)

// NewItem beside the one verification that it cannot do without.
func BenchmarkNewItem(b *testing.B) {
	c := fixture(b, 4)
	b.Run("baseline=VerifyIndependent", func(b *testing.B) {
		root := ssv.OwnerNonceRoot(testOwner, testNonce)
		for b.Loop() {
			require.True(b, c.group.PublicKey().VerifyIndependent(root, c.ownership))
		}
	})
	b.Run("NewItem", func(b *testing.B) {
		for b.Loop() {
			_, err := ssv.NewItem(c.group, c.sealed, c.operators, testOwner, testNonce, c.ownership)
			require.NoError(b, err)
		}
	})
}

// Reading and verifying a file of 32 validators.
func BenchmarkVerify(b *testing.B) {
	c := fixture(b, 4)
	f := &ssv.File{}
	for i := range uint64(32) {
		signed, err := c.secret.SignRoots(context.Background(), ssv.OwnerNonceRoot(testOwner, testNonce+i))
		require.NoError(b, err)
		item, err := ssv.NewItem(c.group, c.sealed, c.operators, testOwner, testNonce+i, signed[0])
		require.NoError(b, err)
		f.Items = append(f.Items, *item)
	}
	text, err := f.Bytes()
	require.NoError(b, err)
	for b.Loop() {
		read, err := ssv.ParseFile(text)
		require.NoError(b, err)
		require.ErrorContains(b, ssv.Verify(read, nil), "is the validator of shares[0] too")
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(f.Items)), "µs/validator")
}
