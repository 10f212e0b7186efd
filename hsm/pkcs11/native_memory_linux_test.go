//go:build cgo

package pkcs11

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keyshare"
)

// TestNativeMemory looks for an imported key in all of this process's memory, after the import and while the token signs
// with it.
func TestNativeMemory(t *testing.T) {
	b, _ := native(t)
	source, err := keyshare.Generate()
	require.NoError(t, err)
	pattern := mask(t, source)
	k, err := b.Import(t.Context(), "x", source)
	require.NoError(t, err)
	source.Destroy()
	for i := range 25 {
		if i%6 == 0 { // a search takes long
			hits, err := memscan.Find(pattern)
			require.NoError(t, err)
			require.Empty(t, hits, "after %d signatures", i)
		}
		_, err = k.SignRoots(t.Context(), keyshare.Root{byte(i)})
		require.NoError(t, err)
	}
}
