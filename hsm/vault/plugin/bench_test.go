package plugin_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// BenchmarkSign measures signatures through HTTP on the loopback interface, with the token of a policy, beside the same
// signatures made in this process on all processors. Metrics: signatures per second, and the median and the 99th
// hundredth of the time of a request in milliseconds.
func BenchmarkSign(b *testing.B) {
	s := vaulttest.Start(b, &vaulttest.Options{Plugin: true})
	s.Mount(b, "dvkeys")
	m := &mount{Server: s, path: "dvkeys", token: s.Token}
	require.NoError(b, m.call("PUT", "config", map[string]any{"networks": "*", "raw_signing": true}, nil))
	for i := range 16 {
		require.NoError(b, m.call("PUT", fmt.Sprintf("keys/k%d", i), nil, nil))
	}
	m = m.with(s.Policy(b, "bench", `path "dvkeys/*" { capabilities = ["update", "read"] }`))

	k, err := keyshare.Generate()
	require.NoError(b, err)
	defer k.Destroy()
	b.Run("in process", func(b *testing.B) {
		b.SetParallelism(1)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := k.SignRoots(b.Context(), freshRoot()); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
	})
	run := func(name string, clients, each int, request func(client int, n uint64) error) {
		b.Run(fmt.Sprintf("%s/%d each/%d clients", name, each, clients), func(b *testing.B) {
			var next atomic.Int64
			var wait sync.WaitGroup
			times := make([][]time.Duration, clients)
			for c := range clients {
				wait.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						begin := time.Now()
						if err := request(c, uint64(n)); err != nil {
							b.Error(err)
							return
						}
						times[c] = append(times[c], time.Since(begin))
					}
				})
			}
			wait.Wait()
			all := slices.Concat(times...)
			slices.Sort(all)
			b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "signatures/s")
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
	run("HTTP alone", 1, 1, func(int, uint64) error { return s.CallAs("", "GET", "sys/health", nil, nil) })
	run("HTTP and token", 1, 1, func(int, uint64) error { return s.CallAs(s.Token, "GET", "auth/token/lookup-self", nil, nil) })
	run("HTTP, token and engine", 1, 1, func(int, uint64) error { return m.call("GET", "keys/k0", nil, nil) })
	for _, each := range []int{1, 100} {
		for _, clients := range []int{1, 16} {
			run("raw", clients, each, func(c int, _ uint64) error {
				roots := make([]string, each)
				for i := range roots {
					roots[i] = freshRoot().String()
				}
				return m.call("PUT", fmt.Sprintf("sign/k%d", c), wire.Sign{Roots: roots}, nil)
			})
		}
	}
	var epoch atomic.Uint64
	for _, clients := range []int{1, 16} {
		run("attestation", clients, 1, func(c int, _ uint64) error {
			n := epoch.Add(1)
			got, err := m.duties("attestation", fmt.Sprintf("k%d", c), vote(n, n+1, 1))
			if err == nil && got[0].Fault != nil {
				err = fmt.Errorf("%s", got[0].Fault.Text)
			}
			return err
		})
	}

	// Of 100 validators in one request, as in a slot.
	create := wire.CreateMany{}
	for i := range 100 {
		create.Requests = append(create.Requests, wire.CreateKey{Name: fmt.Sprintf("v%d", i)})
	}
	require.NoError(b, m.call("PUT", "keys", create, nil))
	run("attestation", 1, 100, func(int, uint64) error {
		n := epoch.Add(1)
		text, err := signer.EncodeDuty(vote(n, n+1, 1))
		if err != nil {
			return err
		}
		want := wire.DutiesMany{Network: "hoodi"}
		for _, k := range create.Requests {
			want.Requests = append(want.Requests, wire.DutiesKey{Name: k.Name, Duties: []json.RawMessage{text}})
		}
		var got wire.ResultsMany
		if err := m.call("PUT", "attestation", want, &got); err != nil {
			return err
		}
		for _, r := range got.Results {
			if r.Fault != nil || r.Results.Results[0].Fault != nil {
				return fmt.Errorf("refused: %+v", r)
			}
		}
		return nil
	})
}

// freshRoot is one whose hash to the curve nobody has remembered.
func freshRoot() (r keyshare.Root) {
	rand.Read(r[:])
	return r
}
