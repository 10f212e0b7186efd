package ssv_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// cluster is a validator that was split among n operators, ids 10, 20, ….
type cluster struct {
	item      ssv.Item
	operators []keyshare.Operator
	keys      []*rsa.PrivateKey
	group     *keyshare.Group
	sealed    []keyshare.Sealed
	ownership keyshare.Signature
	secret    *keyshare.SecretKey
}

// rsaKeys returns the first n of the RSA keys that all tests share. A key is made
// when it is first asked for.
func rsaKeys(n int) []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, n)
	for i := range keys {
		keys[i] = rsaPool[i]()
	}
	return keys
}

var rsaPool = func() (pool [13]func() *rsa.PrivateKey) {
	for i := range pool {
		pool[i] = sync.OnceValue(func() *rsa.PrivateKey {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return k
		})
	}
	return pool
}()

var testOwner = keyshare.Address{0x81, 0x59, 0x2c, 0x3d, 0xe1, 0x84, 0xa3, 0xe2, 0xc0, 0xdc, 0xb5, 0xa2, 0x61, 0xbc, 0x10, 0x7b, 0xfa, 0x91, 0xf4, 0x94}

const testNonce = 12

func fixture(tb testing.TB, n int) *cluster {
	tb.Helper()
	return fixtureAt(tb, n, testNonce)
}

func fixtureAt(tb testing.TB, n int, nonce uint64) *cluster {
	tb.Helper()
	c := &cluster{}
	var ids []keyshare.Index
	for i, key := range rsaKeys(n) {
		id := keyshare.Index(10 * (i + 1))
		ids, c.keys = append(ids, id), append(c.keys, key)
		c.operators = append(c.operators, keyshare.Operator{ID: id, PublicKey: &key.PublicKey})
	}
	var err error
	c.secret, err = keyshare.Generate()
	require.NoError(tb, err)
	tb.Cleanup(c.secret.Destroy)
	t, err := ssv.Threshold(n)
	require.NoError(tb, err)
	var shares []*keyshare.Share
	c.group, shares, err = keyshare.Split(c.secret, t, ids)
	require.NoError(tb, err)
	for i, s := range shares {
		sealed, err := s.Seal(c.operators[i])
		require.NoError(tb, err)
		c.sealed = append(c.sealed, sealed)
		s.Destroy()
	}
	c.ownership = c.sign(tb, testOwner, nonce)
	item, err := ssv.NewItem(c.group, c.sealed, c.operators, testOwner, nonce, c.ownership)
	require.NoError(tb, err)
	c.item = *item
	return c
}

func (c *cluster) sign(tb testing.TB, owner keyshare.Address, nonce uint64) keyshare.Signature {
	tb.Helper()
	s, err := c.secret.SignRoots(context.Background(), ssv.OwnerNonceRoot(owner, nonce))
	require.NoError(tb, err)
	return s[0]
}

func otherKey(tb testing.TB) keyshare.PublicKey {
	tb.Helper()
	k, err := keyshare.Generate()
	require.NoError(tb, err)
	defer k.Destroy()
	return k.PublicKey()
}
