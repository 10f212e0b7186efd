package durable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/durable"
)

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	require.NoError(t, durable.Create(path, []byte("one"), 0o400))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o400), info.Mode())

	require.ErrorIs(t, durable.Create(path, []byte("two"), 0o600), fs.ErrExist)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one", string(b), "an existing file is left alone")

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")

	require.NoError(t, durable.Remove(path))
	require.NoFileExists(t, path)
	require.ErrorIs(t, durable.Create(filepath.Join(dir, "none", "b"), nil, 0o600), fs.ErrNotExist)
}

func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, durable.MkdirAll(dir, 0o700))
	require.NoError(t, durable.MkdirAll(dir, 0o700), "it exists")
	info, err := os.Stat(filepath.Dir(dir))
	require.NoError(t, err)
	require.Equal(t, fs.ModeDir|0o700, info.Mode())
	t.Chdir(dir)
	require.NoError(t, durable.MkdirAll("c", 0o700))
	require.DirExists(t, filepath.Join(dir, "c"))
	require.NoError(t, durable.Create("file", nil, 0o600))
	require.ErrorContains(t, durable.MkdirAll(filepath.Join("file", "d"), 0o700), "not a directory")
}
