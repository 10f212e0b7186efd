//go:build cgo && unix

package pkcs11

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store/postgres"
	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/keyshare"
)

// TestSharedStore has three signers start with one empty set of keys in a database, make and use keys together, and one
// of them rotate.
func TestSharedStore(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	require.NoError(t, c.Store.Close())
	connection := pgtest.Database(t)
	signers := make([]*Token, 3)
	var group sync.WaitGroup
	for i := range signers {
		group.Go(func() {
			s, err := postgres.Open(ctx, connection, "validators")
			if err != nil {
				t.Error(err)
				return
			}
			c := c
			c.Store = s
			signers[i], err = Open(ctx, c)
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, s := range signers {
		require.NotNil(t, s)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
	}
	keys := make([]hsm.Key, len(signers))
	for i, s := range signers {
		group.Go(func() {
			var err error
			if keys[i], err = s.Generate(ctx, "the same label"); err != nil {
				t.Error(err)
			}
			for n := range 5 {
				if _, err := s.Generate(ctx, fmt.Sprintf("%d of %d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := c.KEK + "-next"
	group.Go(func() {
		if _, err := signers[0].Rotate(ctx, next); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	_, err := signers[1].Rotate(ctx, next)
	require.NoError(t, err)
	require.Equal(t, map[string]int{next: 16}, sealers(t, signers[2].store))
	runChild(t, "delete", c.KEK)
	for i, k := range keys {
		require.Equal(t, keys[0].PublicKey(), k.PublicKey())
		sigs, err := k.SignRoots(ctx, keyshare.Root{1})
		require.NoError(t, err, "signer %d has the key open since before the rotation", i)
		require.True(t, k.PublicKey().Verify(keyshare.Root{1}, sigs[0]))
	}
	require.NoError(t, signers[0].Delete(ctx, keys[0].PublicKey()))
	_, err = signers[1].Open(ctx, keys[0].PublicKey())
	require.NoError(t, err, "open keys of other processes go on")
}
