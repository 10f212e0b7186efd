package dvkeys_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/keyshare"
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
				_, err := rsa.EncryptPKCS1v15(rand.Reader, o.PublicKey, text)
				require.NoError(b, err)
			}
		}
	})
	for _, cores := range []int{1, runtime.NumCPU()} {
		b.Run(fmt.Sprintf("cores=%d", cores), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			keys, s := backend(b), spec(b, b.N)
			s.Nonce = 0
			b.ResetTimer()
			for done := 0; done < b.N; done += s.Count { // nonces end at 65535
				s.Count = min(b.N-done, 4096)
				s.Owner[0]++
				_, err := dvkeys.Onboard(b.Context(), keys, s, nil)
				require.NoError(b, err)
			}
		})
	}
}
