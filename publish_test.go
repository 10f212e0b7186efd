package dvkeys

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/durable"
)

var published = []pendingFile{{"deposit_data-7.json", []byte("deposits")}, {"keyshares-7.json", []byte("shares")}, {transactionsName, []byte("calls")}}

// TestPublishCrash makes each state that a crash of publish can leave and goes on
// from it.
func TestPublishCrash(t *testing.T) {
	for written := range len(published) + 1 {
		dir := t.TempDir()
		record, err := json.Marshal(pending{published})
		require.NoError(t, err)
		require.NoError(t, durable.Create(filepath.Join(dir, pendingName), record, 0o600))
		for _, f := range published[:written] {
			require.NoError(t, durable.Create(filepath.Join(dir, f.Name), f.Content, 0o400))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp-1"), []byte("half"), 0o600))
		require.ErrorContains(t, VerifyFiles(dir, nil), "dvkeys: ")

		paths, err := CheckFolder(dir)
		require.ErrorIs(t, err, ErrOutput)
		require.Len(t, paths, len(published))
		for _, f := range published {
			b, err := os.ReadFile(filepath.Join(dir, f.Name))
			require.NoError(t, err)
			require.Equal(t, f.Content, b)
		}
		require.NoFileExists(t, filepath.Join(dir, pendingName))

		paths, err = CheckFolder(dir)
		require.ErrorIs(t, err, ErrOutput)
		require.Empty(t, paths, "there is nothing left to finish")
	}
}

func TestPublishNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	existing := filepath.Join(dir, published[1].Name)
	require.NoError(t, os.WriteFile(existing, []byte("another"), 0o600))
	require.ErrorContains(t, publish(dir, published), "exists with another content")
	b, err := os.ReadFile(existing)
	require.NoError(t, err)
	require.Equal(t, "another", string(b))
}

func TestPendingDamaged(t *testing.T) {
	for _, record := range []string{"", "{", `{"files":[{"name":"../escape","content":""}]}`, `{"files":[{"name":"/x","content":""}]}`, `{"files":[{"name":".","content":""}]}`} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, pendingName), []byte(record), 0o600))
		_, err := CheckFolder(dir)
		require.ErrorContains(t, err, "is damaged")
	}
	_, err := CheckFolder(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err, "a folder that does not exist holds nothing")
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	require.ErrorIs(t, publish(dir, published), fs.ErrPermission)
}
