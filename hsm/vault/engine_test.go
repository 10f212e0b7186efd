package vault_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
)

// withEngine starts a server with the secrets engine at DefaultMount, allows raw signing, and returns a configuration
// whose token may do everything there.
func withEngine(t testing.TB, o *vaulttest.Options) (*vaulttest.Server, vault.Config) {
	t.Helper()
	if o == nil {
		o = &vaulttest.Options{}
	}
	_, measuring := t.(*testing.B)
	o.Plugin, o.RawLog = true, !measuring
	s := searched(t, vaulttest.Start(t, o))
	mount(t, s, vault.DefaultMount)
	token := s.Policy(t, "all", `path "dvkeys*" { capabilities = ["create", "read", "update", "delete", "list"] }`)
	return s, vault.Config{Address: s.Address, Auth: vault.TokenFile(tokenFile(t, token)), TLS: vault.TLS{CAFile: s.CAFile}}
}

// mount mounts another secrets engine, without any keys.
func mount(t testing.TB, s *vaulttest.Server, path string) {
	t.Helper()
	s.Mount(t, path)
	require.NoError(t, s.Call("PUT", path+"/config", map[string]any{
		"raw_signing": true, "sealing": true, "networks": "hoodi",
		"operator_keys": "*", "withdrawal_addresses": "*", "fee_recipients": "*",
	}, nil))
}

func TestEngine(t *testing.T) {
	s, c := withEngine(t, nil)
	for name, coalesce := range map[string]time.Duration{"one by one": 0, "coalesced": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			var count atomic.Int64
			open := func(t *testing.T) hsm.Backend {
				b, err := vault.Open(context.Background(), c)
				require.NoError(t, err)
				return b
			}
			c.Coalesce = coalesce
			hsmtest.Run(t, func(t *testing.T) hsm.Backend {
				c.Mount = fmt.Sprintf("dvkeys-%d-%d", coalesce, count.Add(1))
				mount(t, s, c.Mount)
				return open(t)
			}, &hsmtest.Options{Keys: 100, Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
				require.NoError(t, b.Close())
				return open(t)
			}})
		})
	}
}
