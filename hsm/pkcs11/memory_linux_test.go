//go:build cgo

package pkcs11

import (
	"crypto/rand"
	"crypto/rsa"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keyshare"
)

// TestMemory looks for a key in all of this process's memory, SoftHSM's included, after it was imported, used on several
// goroutines, sealed anew and split.
func TestMemory(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	token := openToken(t, c)
	source, err := keyshare.Generate()
	require.NoError(t, err)
	pattern := mask(t, source)
	k, err := token.Import(ctx, "x", source)
	require.NoError(t, err)
	source.Destroy()
	nowhere := func(when string) {
		t.Helper()
		hits, err := memscan.Find(pattern)
		require.NoError(t, err)
		require.Empty(t, hits, when)
	}
	nowhere("after Import")
	use := func() {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for i := range 25 {
					if _, err := k.SignRoots(ctx, keyshare.Root{byte(i)}, keyshare.Root{1, byte(i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
	}
	use()
	nowhere("after signing")
	_, err = token.SignAll(ctx, keyshare.Root{1}, k.PublicKey())
	require.NoError(t, err)
	operators := []keyshare.Operator{{ID: 1, PublicKey: newRSA(t)}, {ID: 2, PublicKey: newRSA(t)}}
	_, _, err = k.Split(ctx, 2, operators)
	require.NoError(t, err)
	nowhere("after splitting")
	_, err = token.Rotate(ctx, c.KEK+"-next")
	require.NoError(t, err)
	use()
	nowhere("after Rotate")
	killSessions(t, token)
	use()
	path, _ := strings.CutPrefix(c.Store.String(), "file ")
	require.NoError(t, token.Close())
	nowhere("after Close")

	// With a cache the key is there, in its encrypted box: not in the clear either.
	c.Store, c.Cache = openStore(t, filepath.Clean(path)), true
	token = openToken(t, c)
	k, err = token.Open(ctx, k.PublicKey())
	require.NoError(t, err)
	use()
	nowhere("with a cache")
}

// TestMemoryOfShare opens an operator's share with an RSA key of the token and puts it into custody.
func TestMemoryOfShare(t *testing.T) {
	ctx := t.Context()
	token := openToken(t, config(t))
	operator, err := token.GenerateRSA(ctx, unique("operator of the memory test"))
	require.NoError(t, err)
	public, err := operator.PublicKey(ctx)
	require.NoError(t, err)
	whole, err := keyshare.Generate()
	require.NoError(t, err)
	group, shares, err := keyshare.Split(whole, 2, []keyshare.Index{7, 9})
	require.NoError(t, err)
	sealed, err := shares[0].Seal(keyshare.Operator{ID: 7, PublicKey: public})
	require.NoError(t, err)
	pattern := mask(t, shares[0])
	whole.Destroy()
	shares[0].Destroy()
	shares[1].Destroy()
	share, err := keyshare.Open(sealed, 7, operator, group)
	require.NoError(t, err)
	k, err := token.Import(ctx, "share", share)
	require.NoError(t, err)
	share.Destroy()
	_, err = k.SignRoots(ctx, keyshare.Root{1})
	require.NoError(t, err)
	hits, err := memscan.Find(pattern)
	require.NoError(t, err)
	require.Empty(t, hits)
}

func mask(t *testing.T, s keyshare.Secret) (pattern memscan.Pattern) {
	t.Helper()
	require.NoError(t, s.Use(func(secret []byte) (err error) {
		pattern, err = memscan.Mask(secret)
		require.NoError(t, err)
		hits, err := memscan.Find(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, hits, "a key in use is found")
		return nil
	}))
	return pattern
}

func newRSA(t *testing.T) *rsa.PublicKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return &k.PublicKey
}
