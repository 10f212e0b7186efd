package vault_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// TestLeaderChange has clients of both servers of a cluster make and use keys while the leader steps down again and again.
// With patience they notice nothing; without, what they get is ErrUnavailable.
func TestLeaderChange(t *testing.T) {
	s, c := withEngine(t, &vaulttest.Options{Raft: true, Cluster: true})
	servers := []*vaulttest.Server{s, s.Join(t)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var signed, refused atomic.Int64
	var clients sync.WaitGroup
	keys := make([]map[string]keyshare.PublicKey, 2*len(servers))
	for i := range keys {
		c, patient := c, i%2 == 0
		c.Address, c.Patience = servers[i/2].Address, -1
		if patient {
			c.Patience = time.Minute
		}
		var b *vault.Backend
		require.Eventually(t, func() (opened bool) {
			var err error
			b, err = vault.Open(ctx, c)
			return err == nil
		}, time.Minute, 20*time.Millisecond)
		defer b.Close()
		keys[i] = map[string]keyshare.PublicKey{}
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				label := fmt.Sprintf("client %d, key %d", i, n)
				k, err := b.Generate(ctx, label)
				for try := 0; err == nil && try < 5; try++ {
					keys[i][label] = k.PublicKey()
					if _, err = k.SignRoots(ctx, keyshare.Root{byte(try)}); err == nil {
						signed.Add(1)
					}
				}
				switch {
				case err == nil || errors.Is(err, context.Canceled):
				case !patient && errors.Is(err, hsm.ErrUnavailable):
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
				default:
					t.Errorf("%s: %v", label, err)
					return
				}
			}
		})
	}
	for round := range 4 {
		before := signed.Load()
		require.Eventually(t, func() bool { return signed.Load() >= before+40 }, 2*time.Minute, 5*time.Millisecond, "the clients get answers")
		if round == 3 {
			break
		}
		require.Eventually(t, func() bool {
			for _, server := range servers {
				var leader struct {
					IsSelf bool `json:"is_self"`
				}
				if server.Call("GET", "sys/leader", nil, &leader) == nil && leader.IsSelf {
					return server.Call("PUT", "sys/step-down", nil, nil) == nil
				}
			}
			return false
		}, time.Minute, 10*time.Millisecond)
	}
	stop()
	clients.Wait()
	t.Logf("%d signatures, %d calls without patience were refused", signed.Load(), refused.Load())

	c.Patience = time.Minute
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	for _, made := range keys {
		require.NotEmpty(t, made)
		for label, pk := range made {
			again, err := b.Generate(t.Context(), label)
			require.NoError(t, err)
			require.Equal(t, pk, again.PublicKey(), "no key that was handed out is lost, and none is made twice")
		}
	}
}
