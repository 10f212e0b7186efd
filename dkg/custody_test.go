//go:build cgo && unix

package dkg

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// The operators of one ceremony keep their shares in a file, in a token and in Vault, each
// imports a batch again after it died between custody and Confirm, and a reshare moves the
// key among them. From then on the shares only sign.
func TestEveryCustody(t *testing.T) {
	dir := t.TempDir()
	secretFile := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	file, err := software.Open(filepath.Join(dir, "keys.db"), software.PassphraseFile(secretFile("passphrase", "correct horse battery staple\n")), nil)
	require.NoError(t, err)
	records, err := store.OpenFile(filepath.Join(dir, "token.db"), nil)
	require.NoError(t, err)
	token, err := pkcs11.Open(t.Context(), pkcs11.Config{
		Module: softhsmtest.Token(t), Token: "dvkeys", PIN: func() ([]byte, error) { return []byte(softhsmtest.UserPIN), nil },
		Store: records, KEK: "kek", CreateKEK: true,
	})
	require.NoError(t, err)
	server := vaulttest.Start(t, &vaulttest.Options{Plugin: true})
	server.Mount(t, vault.DefaultMount)
	require.NoError(t, server.Call("PUT", vault.DefaultMount+"/config", map[string]any{"raw_signing": true}, nil)) // what confirms is no duty
	engine, err := vault.Open(t.Context(), vault.Config{Address: server.Address, Auth: vault.TokenFile(secretFile("token", server.Token))})
	require.NoError(t, err)

	backends := map[keyshare.Index]hsm.Backend{11: file, 22: token, 33: engine}
	for _, b := range backends {
		defer func() { require.NoError(t, b.Close()) }()
	}
	keepIn := func(w *net) {
		for id, n := range w.nodes {
			n.put = func(s *keyshare.Share) (keyshare.Key, error) {
				return backends[id].Import(context.Background(), "share "+s.PublicKey().String(), s)
			}
		}
		died := map[keyshare.Index]bool{}
		w.crash = func(id keyshare.Index, point int) bool {
			if point != afterKeep || died[id] {
				return false
			}
			died[id] = true
			return true
		}
		w.run()
		require.Len(t, died, len(backends))
	}
	signs := func(o *Outcome) {
		for v, g := range o.Groups() {
			root := keyshare.Root{byte(v)}
			partials := map[keyshare.Index]keyshare.Signature{}
			for id, b := range backends {
				pk, _ := g.Member(id)
				k, err := b.Open(t.Context(), pk)
				require.NoError(t, err)
				sigs, err := k.SignRoots(t.Context(), root)
				require.NoError(t, err)
				partials[id] = sigs[0]
			}
			signature, err := g.Combine(root, partials)
			require.NoError(t, err)
			require.True(t, g.PublicKey().Verify(root, signature))
		}
	}
	w := newNet(t, generateParams(t, 3, 3, 2), 1)
	keepIn(w)
	first := w.requireSuccess()
	signs(first)

	// To deal in a refresh, an operator whose custody only signs finds its shares again in
	// what is public, by its RSA key.
	all := first.Params.Operators
	p := follow(t, Refresh, first, all, all, 3)
	w = newNet(t, p, 2)
	for id, n := range w.nodes {
		old := n.config
		old.Params = first.Params
		_, shares, err := Recover(old, first.Transcript, first.Certificate)
		require.NoError(t, err)
		n.config.Lineages = first.Lineages
		for _, s := range shares {
			defer s.Destroy()
			n.config.Old = append(n.config.Old, s)
		}
		require.Equal(t, id, shares[0].Index())
	}
	keepIn(w)
	fresh := w.requireSuccess()
	signs(fresh)
	for v := range first.Lineages {
		require.Equal(t, first.Lineages[v].Group.PublicKey(), fresh.Lineages[v].Group.PublicKey())
	}
}
