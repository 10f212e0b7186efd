//go:build cgo && unix

package pkcs11

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/stretchr/testify/require"
)

func TestBackend(t *testing.T) {
	softHSM(t)
	hsmtest.Run(t, func(t *testing.T) hsm.Backend { return openToken(t, config(t)) },
		&hsmtest.Options{Keys: 300, Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
			c := config(t)
			require.NoError(t, c.Store.Close())
			require.NoError(t, b.Close())
			path, _ := strings.CutPrefix(b.(*Token).store.String(), "file ")
			c.Store = openStore(t, filepath.Clean(path))
			return openToken(t, c)
		}})
}

func TestBackendWithCache(t *testing.T) {
	softHSM(t)
	hsmtest.Run(t, func(t *testing.T) hsm.Backend {
		c := config(t)
		c.Cache = true
		return openToken(t, c)
	}, &hsmtest.Options{Keys: 50})
}
