package vault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// transitPolicy is what a token of OpenTransit needs.
const transitPolicy = `
path "transit/keys/dvkeys"    { capabilities = ["read", "create", "update"] }
path "transit/encrypt/dvkeys" { capabilities = ["update"] }
path "transit/decrypt/dvkeys" { capabilities = ["update"] }
path "secret/data/*"          { capabilities = ["create", "read", "update"] }
path "secret/metadata/*"      { capabilities = ["read", "list"] }
path "secret/destroy/*"       { capabilities = ["update"] }
`

// withTransit starts a server with transit and KV and returns a configuration for it.
func withTransit(t testing.TB, o *vaulttest.Options) (*vaulttest.Server, vault.Config) {
	t.Helper()
	s := vaulttest.Start(t, o)
	require.NoError(t, s.Call("POST", "sys/mounts/transit", map[string]string{"type": "transit"}, nil))
	require.NoError(t, s.Call("POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil))
	return s, vault.Config{Address: s.Address, Auth: vault.TokenFile(tokenFile(t, s.Policy(t, "transit", transitPolicy))), TLS: vault.TLS{CAFile: s.CAFile}}
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
				where = vault.TransitConfig{CreateKey: true, Cache: cache, KV: vault.KV{Path: fmt.Sprintf("%t/%d", cache, count.Add(1))}}
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
	b, err := vault.OpenTransit(t.Context(), c, vault.TransitConfig{CreateKey: true, Store: records})
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
