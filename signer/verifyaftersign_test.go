package signer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// foreignKey claims the public key of one key and signs with another.
type foreignKey struct {
	keyshare.Key
	public keyshare.PublicKey
}

func (k foreignKey) PublicKey() keyshare.PublicKey { return k.public }

// TestVerifyTogether has one of several guards sign wrongly: the others' signatures,
// verified together with its, are returned all the same.
func TestVerifyTogether(t *testing.T) {
	var jobs []signer.Job
	for i := range byte(5) {
		var k keyshare.Key = testKey(t, i+1)
		if i == 3 {
			k = foreignKey{testKey(t, 100), k.PublicKey()}
		}
		g := guard(t, k, k.PublicKey(), &signer.GuardOptions{VerifyAfterSign: i != 0})
		jobs = append(jobs, signer.Job{Guard: g, Duty: electra()})
	}
	results, err := signer.SignAll(context.Background(), jobs...)
	require.NoError(t, err)
	for i, r := range results {
		if i == 3 {
			require.ErrorContains(t, r.Err, "does not verify under its public key")
			require.True(t, r.Signature.IsZero())
			continue
		}
		require.NoError(t, r.Err)
		root, err := signer.SigningRoot(signer.Mainnet, electra())
		require.NoError(t, err)
		require.True(t, jobs[i].Guard.PublicKey().Verify(root, r.Signature))
	}
}
