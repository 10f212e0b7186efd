package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

func testImport(t *testing.T, m *mount) {
	k, _ := secretOf(t)
	m.imports(t, "a", k)
	m.imports(t, "a", k) // the same again
	var signed wire.Signed
	root := keyshare.Root{1}
	m.ok(t, "PUT", "sign/a", wire.Sign{Roots: []string{root.String()}}, &signed)
	require.True(t, k.PublicKey().Verify(root, signature(t, signed.Signatures[0])))

	m.refused(t, 409, `stored under the name "a"`, "PUT", "import", m.importing(t, "b", k))
	other, _ := secretOf(t)
	m.refused(t, 409, `the name "a" is that of the key `+k.PublicKey().String(), "PUT", "import", m.importing(t, "a", other))
	m.refused(t, 404, "", "GET", "keys/b", nil)
	require.Equal(t, k.PublicKey(), m.create(t, "a"), "the name is the imported key's")
}

func testImportRefused(t *testing.T, m *mount) {
	k, plain := secretOf(t)
	other, _ := secretOf(t)
	good := m.importing(t, "a", k)
	m.ok(t, "PUT", "import", good, nil)
	m.refused(t, 400, "it was used", "PUT", "import", good) // replayed
	m.ok(t, "DELETE", "keys/a", nil, nil)
	m.refused(t, 400, "it was used", "PUT", "import", good)

	for text, change := range map[string]func(w *wire.Import){
		"it does not open":                  func(w *wire.Import) { w.Name = "b" },
		"name is not letters":               func(w *wire.Import) { w.Name = "../a" },
		"two dots in a row":                 func(w *wire.Import) { w.Name = "a..b" },
		"public_key is not 0x":              func(w *wire.Import) { w.PublicKey = "0x00" },
		"no such wrapping key":              func(w *wire.Import) { w.WrappingID = "other" },
		"label has 129 bytes":               func(w *wire.Import) { w.Label = string(make([]byte, 129)) },
		"wrapped: it does not open under t": func(w *wire.Import) { w.Wrapped[0] ^= 1 },
		"for this name and public key":      func(w *wire.Import) { w.PublicKey = other.PublicKey().String() },
	} {
		w := m.importing(t, "a", k)
		change(&w)
		m.refused(t, 400, text, "PUT", "import", w)
		m.refused(t, 400, "no such wrapping key", "PUT", "import", w) // it is used up by a failure too
	}
	lie := m.importing(t, "a", liar{k, other.PublicKey()})
	m.refused(t, 400, "it is not that of the wrapped secret", "PUT", "import", lie)
	require.Len(t, plain, 32)
	m.refused(t, 404, "", "LIST", "keys", nil)
}
