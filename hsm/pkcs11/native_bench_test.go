//go:build cgo && unix

package pkcs11

import (
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkNativeSign signs distinct roots in the test token, beside a key in this process. The difference is what the
// way through the module, a socket and another process costs, and the check of the point that comes back.
func BenchmarkNativeSign(b *testing.B) {
	token, err := testtoken.Start()
	require.NoError(b, err)
	defer token.Close()
	n, err := OpenNative(b.Context(), nativeConfig(token), IBMEP11())
	require.NoError(b, err)
	defer n.Close()
	inToken, err := n.Generate(b.Context(), "")
	require.NoError(b, err)
	here, err := keyshare.Generate()
	require.NoError(b, err)
	defer here.Destroy()

	var count atomic.Uint64
	root := func() (r keyshare.Root) {
		binary.LittleEndian.PutUint64(r[:], count.Add(1))
		return r
	}
	for _, c := range []struct {
		name string
		key  keyshare.Key
	}{{"process", here}, {"token", inToken}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.key.SignRoots(b.Context(), root()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := c.key.SignRoots(b.Context(), root()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
