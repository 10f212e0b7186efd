//go:build cgo && unix

package dkg

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/keyshare"
)

// Identities in a token sign and, after a crash, decrypt; shares go into the token's
// custody and sign there.
func TestTokens(t *testing.T) {
	s, err := store.OpenFile(filepath.Join(t.TempDir(), "keys.db"), nil)
	require.NoError(t, err)
	token, err := pkcs11.Open(t.Context(), pkcs11.Config{
		Module: softhsmtest.Token(t), Token: "dvkeys", PIN: func() ([]byte, error) { return []byte(softhsmtest.UserPIN), nil },
		Store: s, KEK: "kek", CreateKEK: true,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, token.Close()) }()

	p := &Params{Kind: Generate, Created: time.Unix(1_700_000_000, 0), Expires: time.Unix(4_000_000_000, 0), Keys: 1, Threshold: 3}
	keys := map[keyshare.Index]rsaKey{}
	for i, scheme := range []Scheme{PSS, PKCS1v15, PSS} {
		id := keyshare.Index(11 * (i + 1))
		k, err := token.GenerateRSA(t.Context(), "operator "+fmt.Sprint(id))
		require.NoError(t, err)
		public, err := k.PublicKey(t.Context())
		require.NoError(t, err)
		keys[id] = k
		p.Operators = append(p.Operators, Operator{keyshare.Operator{ID: id, PublicKey: public}, scheme})
	}
	w := newNetWith(t, p, 1, func(o Operator) rsaKey { return keys[o.ID] })
	for id, n := range w.nodes {
		n.put = func(s *keyshare.Share) (keyshare.Key, error) {
			return token.Import(context.Background(), "share "+fmt.Sprint(id), s)
		}
	}
	crashes := 3
	w.crash = func(id keyshare.Index, point int) bool {
		crashes--
		return crashes >= 0
	}
	w.run()
	o := w.requireSuccess()
	g := o.Groups()[0]
	root := keyshare.Root{7}
	partials := map[keyshare.Index]keyshare.Signature{}
	for _, id := range g.Members() {
		pk, _ := g.Member(id)
		k, err := token.Open(t.Context(), pk)
		require.NoError(t, err)
		sigs, err := k.SignRoots(t.Context(), root)
		require.NoError(t, err)
		partials[id] = sigs[0]
		w.requireRecovers(id, o)
	}
	signature, err := g.Combine(root, partials)
	require.NoError(t, err)
	require.True(t, g.PublicKey().Verify(root, signature))
}
