package vault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// fromDocs returns a block of docs/vault.md.
func fromDocs(t testing.TB, block string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "vault.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n```"+block+"\n")
	require.True(t, found, block)
	block, _, found = strings.Cut(rest, "\n```\n")
	require.True(t, found)
	return block
}

// withTransit starts a server with transit and KV, as docs/vault.md has it, and returns a configuration for it with a
// token that has the documented policy.
func withTransit(t testing.TB, o *vaulttest.Options) (*vaulttest.Server, vault.Config) {
	t.Helper()
	if o == nil {
		o = &vaulttest.Options{}
	}
	_, measuring := t.(*testing.B)
	o.RawLog = !measuring
	s := searched(t, vaulttest.Start(t, o))
	require.Equal(t, "vault secrets enable transit\nvault secrets enable -version=2 -path=secret kv\nvault write -f transit/keys/dvkeys type=aes256-gcm96", fromDocs(t, "sh transit"))
	require.NoError(t, s.Call("POST", "sys/mounts/transit", map[string]string{"type": "transit"}, nil))
	require.NoError(t, s.Call("POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil))
	require.NoError(t, s.Call("PUT", "transit/keys/dvkeys", map[string]string{"type": "aes256-gcm96"}, nil))
	return s, vault.Config{Address: s.Address, Auth: vault.TokenFile(tokenFile(t, transitToken(t, s))), TLS: vault.TLS{CAFile: s.CAFile}}
}

func transitToken(t testing.TB, s *vaulttest.Server) string {
	t.Helper()
	return s.Policy(t, "transit", fromDocs(t, "hcl transit"))
}

// tokenFile writes a token where only its owner reads it.
func tokenFile(t testing.TB, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

func TestTransit(t *testing.T) {
	_, c := withTransit(t, nil)
	for _, cache := range []bool{false, true} {
		t.Run(fmt.Sprintf("cache %t", cache), func(t *testing.T) {
			var count atomic.Int64
			var where vault.TransitConfig
			open := func(t *testing.T) hsm.Backend {
				b, err := vault.OpenTransit(context.Background(), c, where)
				require.NoError(t, err)
				return b
			}
			hsmtest.Run(t, func(t *testing.T) hsm.Backend {
				where = vault.TransitConfig{Cache: cache, KV: vault.KV{Path: fmt.Sprintf("dvkeys/%t/%d", cache, count.Add(1))}}
				return open(t)
			}, &hsmtest.Options{Keys: 100, Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
				require.NoError(t, b.Close())
				return open(t)
			}})
		})
	}
}

// TestTransitFile keeps the records in a file, and finds the level that Info claims.
func TestTransitFile(t *testing.T) {
	_, c := withTransit(t, nil)
	records, err := store.OpenFile(filepath.Join(t.TempDir(), "keys.db"), nil)
	require.NoError(t, err)
	b, err := vault.OpenTransit(t.Context(), c, vault.TransitConfig{Store: records})
	require.NoError(t, err)
	require.Equal(t, hsm.JustInTime, b.Info().Protection)
	require.False(t, b.Info().HardwareBacked)
	require.NoError(t, b.Health(t.Context()))
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	_, err = k.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrClosed)
}

// TestTransitKeys meets keys of the transit engine that are absent, unfit, or were taken away.
func TestTransitKeys(t *testing.T) {
	s, c := withTransit(t, nil)
	c.Auth = vault.TokenFile(tokenFile(t, s.Token))
	for name, attributes := range map[string]map[string]any{
		"absent": nil, "exportable": {"exportable": true}, "backup": {"allow_plaintext_backup": true}, "derived": {"derived": true}, "rsa": {"type": "rsa-2048"},
	} {
		if attributes != nil {
			require.NoError(t, s.Call("PUT", "transit/keys/"+name, attributes, nil))
		}
		_, err := vault.OpenTransit(t.Context(), c, vault.TransitConfig{Key: name, KV: vault.KV{Path: name}})
		require.ErrorIs(t, err, hsm.ErrDenied, name)
	}
	created := vault.TransitConfig{Key: "absent", CreateKey: true, KV: vault.KV{Path: "absent"}}
	b, err := vault.OpenTransit(t.Context(), c, created)
	require.NoError(t, err)
	defer b.Close()
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)

	created.Key = "" // the store knows
	again, err := vault.OpenTransit(t.Context(), c, created)
	require.NoError(t, err)
	require.NoError(t, again.Close())

	// A record of another store that is sealed by the same transit key.
	other, err := vault.OpenTransit(t.Context(), c, vault.TransitConfig{Key: "absent", KV: vault.KV{Path: "other"}})
	require.NoError(t, err)
	defer other.Close()
	const label = "records/label-2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // SHA-256 of "x"
	var stored struct {
		Data map[string]any `json:"data"`
	}
	require.NoError(t, s.Call("GET", "secret/data/absent/"+label, nil, &stored))
	require.NoError(t, s.Call("POST", "secret/data/other/"+label, map[string]any{"data": stored.Data}, nil))
	pk := k.PublicKey().Bytes()
	require.NoError(t, s.Call("POST", fmt.Sprintf("secret/data/other/keys/%x", pk[:]), map[string]any{"data": map[string]string{"record": label[len("records/"):]}}, nil))
	moved, err := other.Open(t.Context(), k.PublicKey())
	require.NoError(t, err)
	_, err = moved.SignRoots(t.Context(), keyshare.Root{})
	require.ErrorIs(t, err, hsm.ErrCorrupt)

	require.NoError(t, s.Call("POST", "transit/keys/absent/config", map[string]any{"deletion_allowed": true}, nil))
	require.NoError(t, s.Call("DELETE", "transit/keys/absent", nil, nil))
	_, err = k.SignRoots(t.Context(), keyshare.Root{})
	require.Error(t, err, "without the transit key nothing is signed")
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.Error(t, b.Health(t.Context()))
}
