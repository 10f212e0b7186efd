package vault_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/keyshare"
)

// The benchmarks run client, server and engine on this machine, by AppRole and without TLS. Baselines sign in this process
// on the same cores.

// withAppRole is withEngine with the kind of login that a service has.
func withAppRole(b *testing.B) vault.Config {
	s, c := withEngine(b, nil)
	role, file := approle(b, s, engineRules, map[string]any{"token_ttl": "1h"})
	c.Auth = vault.AppRole(role, vault.File(file), nil)
	return c
}

// measure has clients call f until b.N calls are done, and reports calls, or what each of them counts for, a second, and
// the times of half and of 99 in 100 calls.
func measure(b *testing.B, clients, each int, f func(i int) error) {
	b.Helper()
	times := make([]time.Duration, b.N)
	var next atomic.Int64
	var done sync.WaitGroup
	b.ResetTimer()
	for range clients {
		done.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				start := time.Now()
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	done.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(times[b.N/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[b.N*99/100].Microseconds()), "p99-µs")
}

func roots(n, i int) []keyshare.Root {
	roots := make([]keyshare.Root, n)
	for j := range roots {
		roots[j] = keyshare.Root{byte(i), byte(i >> 8), byte(i >> 16), byte(j), byte(j >> 8)}
	}
	return roots
}

// BenchmarkSign signs one root and a hundred a request, each beside signing in this process. Its baseline for a hundred
// uses all cores, as the engine does.
func BenchmarkSign(b *testing.B) {
	c := withAppRole(b)
	engine, err := vault.Open(b.Context(), c)
	require.NoError(b, err)
	defer engine.Close()
	k, err := engine.Generate(b.Context(), "bench")
	require.NoError(b, err)
	c.Coalesce = 2 * time.Millisecond
	coalescing, err := vault.Open(b.Context(), c)
	require.NoError(b, err)
	defer coalescing.Close()
	joined, err := coalescing.Open(b.Context(), k.PublicKey())
	require.NoError(b, err)
	local, err := openSoftware(b).Generate(b.Context(), "bench")
	require.NoError(b, err)
	sign := func(k keyshare.Key, n int) func(int) error {
		return func(i int) error {
			_, err := k.SignRoots(b.Context(), roots(n, i)...)
			return err
		}
	}
	cores := runtime.GOMAXPROCS(0)
	for _, c := range []struct {
		name          string
		clients, each int
		f             func(int) error
	}{
		{"software/1root/1client", 1, 1, sign(local, 1)},
		{"vault/1root/1client", 1, 1, sign(k, 1)},
		{"vault/1root/4clients", 4, 1, sign(k, 1)},
		{"vault/1root/16clients", 16, 1, sign(k, 1)},
		{"vault/1root/16clients/coalesced", 16, 1, sign(joined, 1)},
		{"vault/1root/64clients/coalesced", 64, 1, sign(joined, 1)},
		{fmt.Sprintf("software/100roots/%dclients", cores), cores, 100, sign(local, 100)},
		{"vault/100roots/1client", 1, 100, sign(k, 100)},
		{"vault/100roots/4clients", 4, 100, sign(k, 100)},
	} {
		b.Run(c.name, func(b *testing.B) { measure(b, c.clients, c.each, c.f) })
	}
}

// BenchmarkRequest shows where a request's time goes: HTTP and Vault's handler alone; with a token and the lookup of what it
// may do; with the hop to the plugin's process and a read of storage; and with a signature.
func BenchmarkRequest(b *testing.B) {
	s, c := withEngine(b, nil)
	engine, err := vault.Open(b.Context(), c)
	require.NoError(b, err)
	defer engine.Close()
	k, err := engine.Generate(b.Context(), "bench")
	require.NoError(b, err)
	token := s.Policy(b, "all", engineRules)
	for name, f := range map[string]func(int) error{
		"1 http":       func(int) error { return s.CallAs("", http.MethodGet, "sys/health", nil, nil) },
		"2 and token":  func(int) error { return s.CallAs(token, http.MethodGet, "sys/internal/ui/mounts/dvkeys", nil, nil) },
		"3 and plugin": func(int) error { _, err := engine.Open(b.Context(), k.PublicKey()); return err },
		"4 and BLS": func(i int) error {
			_, err := k.SignRoots(b.Context(), roots(1, i)...)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) { measure(b, 1, 1, f) })
	}
}

// BenchmarkOnboard onboards a hundred validators with each backend. What many of them need at a time goes to Vault together,
// as examples/onboard has it.
func BenchmarkOnboard(b *testing.B) {
	const validators = 100
	c := withAppRole(b)
	c.Coalesce = 5 * time.Millisecond
	for name, open := range map[string]func() hsm.Backend{
		"software": func() hsm.Backend { return openSoftware(b) },
		"vault": func() hsm.Backend {
			engine, err := vault.Open(context.Background(), c)
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, engine.Close()) })
			return engine
		},
	} {
		b.Run(name, func(b *testing.B) {
			backend := open()
			spec := onboarding(b, validators)
			for b.Loop() {
				spec.Nonce += validators // others than before
				_, err := dvkeys.Onboard(b.Context(), backend, spec, nil)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N*validators)/b.Elapsed().Seconds(), "validators/s")
		})
	}
}

// BenchmarkTransit signs with keys that transit opens for each signature.
func BenchmarkTransit(b *testing.B) {
	_, c := withTransit(b, nil)
	backend, err := vault.OpenTransit(b.Context(), c, vault.TransitConfig{})
	require.NoError(b, err)
	defer backend.Close()
	k, err := backend.Generate(b.Context(), "bench")
	require.NoError(b, err)
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("1root/%dclients", clients), func(b *testing.B) {
			measure(b, clients, 1, func(i int) error {
				_, err := k.SignRoots(b.Context(), roots(1, i)...)
				return err
			})
		})
	}
}
