package vectors

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	root := filepath.Join(t.TempDir(), "module")
	require.NoError(t, os.Mkdir(root, 0o755))

	_, skip, err := find("", root, false)
	require.NoError(t, err)
	require.Contains(t, skip, "set DVKEYS_VECTORS", "a clone without vectors skips, with a reason")

	_, skip, err = find("", root, true)
	require.ErrorContains(t, err, "no test vectors at", "in CI the missing folder is a failure")
	require.Empty(t, skip)

	_, _, err = find(filepath.Join(root, "absent"), root, false)
	require.ErrorContains(t, err, "DVKEYS_VECTORS names", "a variable that names nothing is a mistake, never a skip")

	beside := filepath.Join(root, "..", "shared", "vectors")
	require.NoError(t, os.MkdirAll(beside, 0o755))
	dir, skip, err := find("", root, true)
	require.NoError(t, err)
	require.Empty(t, skip)
	require.Equal(t, beside, dir)

	dir, _, err = find(root, root, true)
	require.NoError(t, err)
	require.Equal(t, root, dir, "the variable wins over the folder beside the module")
}

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "sub.json"), 0o755))
	_, err := match(dir, "a/*.json")
	require.ErrorContains(t, err, `matches "a/*.json"`, "a folder is not a file")
	_, err = match(dir, "a/[")
	require.ErrorContains(t, err, "syntax error in pattern")

	for _, name := range []string{"2.json", "1.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a", name), []byte("{}"), 0o600))
	}
	files, err := match(dir, "a/*.json")
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "a", "1.json"), filepath.Join(dir, "a", "2.json")}, files)
}

// TestModuleRoot makes sure that the folder beside the module is looked for beside the right folder.
func TestModuleRoot(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(moduleRoot(), "go.mod"))
	require.NoError(t, err)
	require.Contains(t, string(mod), "module github.com/claystack/dvkeys\n")
}

func TestJSON(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DVKEYS_VECTORS", dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x", "y.json"), []byte(`{"n":7}`), 0o600))
	var v struct{ N int }
	JSON(t, "x/y.json", &v)
	require.Equal(t, 7, v.N)
	require.Len(t, Files(t, "x/*.json"), 1)
}
