package dvkeys_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

// BenchmarkOnboard measures the making of one validator with four operators, on one
// core and on all, beside the primitives that it can not do without: three
// signatures, five public keys, four RSA encryptions and three verifications.
func BenchmarkOnboard(b *testing.B) {
	b.Run("primitives", func(b *testing.B) {
		s := spec(b, 1)
		key, err := keyshare.Generate()
		require.NoError(b, err)
		text := make([]byte, 66)
		var root keyshare.Root
		for b.Loop() {
			for range 3 {
				binary.BigEndian.PutUint64(root[:], binary.BigEndian.Uint64(root[:])+1)
				sigs, err := key.SignRoots(b.Context(), root)
				require.NoError(b, err)
				require.True(b, key.PublicKey().VerifyIndependent(root, sigs[0]))
			}
			for range 5 {
				k, err := keyshare.Generate()
				require.NoError(b, err)
				k.Destroy()
			}
			for _, o := range s.Operators {
				//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
				_, err := rsa.EncryptPKCS1v15(rand.Reader, o.PublicKey, text)
				require.NoError(b, err)
			}
		}
	})
	for _, cores := range []int{1, runtime.NumCPU()} {
		b.Run(fmt.Sprintf("cores=%d", cores), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			if cores == 1 {
				pin(b)
			}
			keys, s := backend(b), spec(b, b.N)
			s.Nonce = 0
			b.ResetTimer()
			for done := 0; done < b.N; done += s.Count { // nonces end at 65535
				s.Count = min(b.N-done, 4096)
				s.Owner[0]++
				_, err := dvkeys.Onboard(b.Context(), keys, s, &dvkeys.Options{Workers: 2 * cores})
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkOpenKeys opens a key file, opens every key in it and signs once with
// each, beside opening ten EIP-2335 keystores with scrypt, the usual way to keep
// keys.
func BenchmarkOpenKeys(b *testing.B) {
	const count = 10_000
	dir := b.TempDir()
	path, pass := filepath.Join(dir, "keys.db"), filepath.Join(dir, "pass")
	require.NoError(b, os.WriteFile(pass, []byte("correct horse battery staple"), 0o600))
	open := func() *software.Backend {
		keys, err := software.Open(path, software.PassphraseFile(pass), nil)
		require.NoError(b, err)
		return keys
	}
	made := sync.OnceFunc(func() {
		keys := open()
		defer keys.Close()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range count/64 + 1 {
					_, err := keys.Generate(b.Context(), "")
					require.NoError(b, err)
				}
			})
		}
		wg.Wait()
	})
	b.Run(fmt.Sprintf("software/keys=%d", count), func(b *testing.B) {
		made()
		for b.Loop() {
			before := heap()
			keys := open()
			opened := make([]hsm.Key, 0, count)
			for pk, err := range keys.List(b.Context()) {
				require.NoError(b, err)
				key, err := keys.Open(b.Context(), pk)
				require.NoError(b, err)
				_, err = key.SignRoots(b.Context(), keyshare.Root{1})
				require.NoError(b, err)
				opened = append(opened, key)
			}
			b.ReportMetric(float64(heap()-before)/float64(len(opened)), "B/key")
			runtime.KeepAlive(opened)
			require.NoError(b, keys.Close())
		}
	})
	b.Run("keystore/keys=10", func(b *testing.B) {
		folder, password := b.TempDir(), []byte("correct horse battery staple")
		var entries []keystore.Entry
		for i := range uint32(10) {
			key, err := keyshare.Generate()
			require.NoError(b, err)
			entries = append(entries, keystore.Entry{Key: key, Options: &keystore.Options{Path: keystore.SigningPath(i)}})
		}
		_, err := keystore.WriteDir(b.Context(), folder, password, entries)
		require.NoError(b, err)
		for b.Loop() {
			for f, err := range keystore.ReadDir(b.Context(), folder, password) {
				require.NoError(b, err)
				_, err = f.Key.SignRoots(b.Context(), keyshare.Root{1})
				require.NoError(b, err)
			}
		}
	})
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
