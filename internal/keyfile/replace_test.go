package keyfile

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	require.NoError(t, Create(path, "test", func(ID) ([]byte, error) { return []byte("one"), nil }))
	f, err := Open(path, "test")
	require.NoError(t, err)
	pk := [PublicKeySize]byte{1}
	require.ErrorIs(t, f.Replace(pk, []byte("a"), []byte("b")), ErrNotFound)
	require.NoError(t, f.Put(Record{PublicKey: pk, Label: "x", Sealed: []byte("a")}))
	require.ErrorIs(t, f.Replace(pk, []byte("b"), []byte("c")), ErrChanged)
	require.Error(t, f.Replace(pk, []byte("a"), nil))
	require.Error(t, f.Replace(pk, []byte("a"), make([]byte, MaxSealed+1)))
	require.NoError(t, f.Replace(pk, []byte("a"), []byte("longer than before")))

	require.ErrorIs(t, f.ReplaceHeader([]byte("two"), []byte("three")), ErrChanged)
	require.Error(t, f.ReplaceHeader([]byte("one"), make([]byte, MaxHeader+1)))
	require.NoError(t, f.ReplaceHeader([]byte("one"), []byte("two")))
	require.NoError(t, f.Close())

	f, err = Open(path, "test")
	require.NoError(t, err)
	r, err := f.Lookup("x")
	require.NoError(t, err)
	require.Equal(t, Record{PublicKey: pk, Label: "x", Sealed: []byte("longer than before")}, r)
	header, err := f.Header()
	require.NoError(t, err)
	require.Equal(t, "two", string(header))
	require.NoError(t, f.Close())
}
