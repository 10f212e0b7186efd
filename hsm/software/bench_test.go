package software_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkSign compares signing in custody with signing by a keyshare.SecretKey, over roots that are all different and
// over one root by many keys.
func BenchmarkSign(b *testing.B) {
	backend := open(b, filepath.Join(b.TempDir(), "keys.db"))
	const keys = 64
	var direct, custody [keys]keyshare.Key
	for i := range keys {
		k, err := keyshare.Generate()
		require.NoError(b, err)
		defer k.Destroy()
		direct[i] = k
		custody[i], err = backend.Import(b.Context(), "", k)
		require.NoError(b, err)
	}
	n := uint64(0)
	for _, by := range []struct {
		name string
		keys [keys]keyshare.Key
	}{{"direct", direct}, {"custody", custody}} {
		b.Run("distinct/"+by.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				n++
				root := keyshare.Root{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
				_, err := by.keys[i%keys].SignRoots(b.Context(), root)
				require.NoError(b, err)
			}
		})
		b.Run("one root/"+by.name, func(b *testing.B) {
			root := keyshare.Root{0xff, 0xff}
			for i := 0; b.Loop(); i++ {
				_, err := by.keys[i%keys].SignRoots(b.Context(), root)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkGenerate makes keys on one goroutine and on eight, which share the file's fsyncs.
func BenchmarkGenerate(b *testing.B) {
	for _, workers := range []int{1, 8} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			backend := open(b, filepath.Join(b.TempDir(), "keys.db"))
			b.SetParallelism((workers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			if workers == 1 {
				for b.Loop() {
					_, err := backend.Generate(b.Context(), "")
					require.NoError(b, err)
				}
				return
			}
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := backend.Generate(b.Context(), ""); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkOpen10k opens a file of 10,000 keys with a passphrase of the real cost, opens each key and signs with it once.
func BenchmarkOpen10k(b *testing.B) {
	const n = 10_000
	software.RealPassphrases()
	defer software.CheapPassphrases()
	path := filepath.Join(b.TempDir(), "keys.db")
	require.NoError(b, software.MakeFile(b, path, pass("passphrase"), n))
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		backend, err := software.Open(path, pass("passphrase"), &software.Options{MustExist: true})
		require.NoError(b, err)
		var keys []keyshare.Key
		for pk, err := range backend.List(b.Context()) {
			require.NoError(b, err)
			k, err := backend.Open(b.Context(), pk)
			require.NoError(b, err)
			keys = append(keys, k)
		}
		require.Len(b, keys, n)
		for _, k := range keys {
			_, err := k.SignRoots(b.Context(), keyshare.Root{1})
			require.NoError(b, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(keys)
		require.NoError(b, backend.Close())
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/n, "B/key")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/file")
}
