package keystore_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

func encrypt(t testing.TB, k keyshare.Secret, o keystore.Options) *keystore.Keystore {
	store, err := keystore.Encrypt(k, []byte(password), keystore.Cheap(o))
	require.NoError(t, err)
	return store
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	k := generate(t)
	before := time.Now().Unix()
	name, err := encrypt(t, k, keystore.Options{Path: keystore.SigningPath(3)}).WriteFile(dir)
	require.NoError(t, err)
	require.Equal(t, dir, filepath.Dir(name))
	require.Regexp(t, regexp.MustCompile(`^keystore-m_12381_3600_3_0_0-\d{10}\.json$`), filepath.Base(name))
	require.LessOrEqual(t, before, stamp(t, name))
	require.LessOrEqual(t, stamp(t, name), time.Now().Unix())
	info, err := os.Stat(name)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o400), info.Mode())
	}
	store, err := keystore.ReadFile(name)
	require.NoError(t, err)
	opened, err := store.Decrypt([]byte(password))
	require.NoError(t, err)
	require.True(t, k.Equal(opened))
	require.Len(t, files(t, dir), 1, "nothing else is left")
}

// stamp returns the seconds in a file's name.
func stamp(t *testing.T, name string) (seconds int64) {
	part := regexp.MustCompile(`-(\d+)\.json$`).FindStringSubmatch(name)
	require.NotNil(t, part, name)
	for _, digit := range part[1] {
		seconds = 10*seconds + int64(digit-'0')
	}
	return seconds
}

func files(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestFileNameWithoutPath: a name never follows what a file says of itself out of the folder.
func TestFileNameWithoutPath(t *testing.T) {
	k := generate(t)
	for _, path := range []string{"", "m", "m/0", "../../x", "m/../../x/0", "m/12381/3600/0'/0/0"} {
		dir := t.TempDir()
		store := encrypt(t, k, keystore.Options{})
		store.Path = path
		name, err := store.WriteFile(dir)
		require.NoError(t, err)
		require.Equal(t, dir, filepath.Dir(name))
		require.True(t, strings.HasPrefix(filepath.Base(name), "keystore-m_"+k.PublicKey().String()+"-"), name)
		again, err := keystore.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, path, again.Path)
	}
}

// TestNeverOverwrites writes until two fall into one second.
func TestNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	store := encrypt(t, generate(t), keystore.Options{Path: keystore.SigningPath(0)})
	var content []byte
	for {
		name, err := store.WriteFile(dir)
		if err != nil {
			require.ErrorIs(t, err, fs.ErrExist)
			require.Regexp(t, `^keystore: .*keystore-m_12381_3600_0_0_0-\d+\.json: file already exists, and is never overwritten$`, err.Error())
			require.Empty(t, name)
			break
		}
		content, err = os.ReadFile(name)
		require.NoError(t, err)
		store.Description += "x" // so that another content would be seen
	}
	names := files(t, dir)
	got, err := os.ReadFile(filepath.Join(dir, names[len(names)-1]))
	require.NoError(t, err)
	require.Equal(t, content, got)
	for _, n := range names {
		require.NotEqual(t, '.', rune(n[0]), "nothing is left of the attempt")
	}
}

func TestWriteFileFails(t *testing.T) {
	store := encrypt(t, generate(t), keystore.Options{})
	dir := t.TempDir()
	_, err := store.WriteFile(filepath.Join(dir, "absent"))
	require.ErrorContains(t, err, "keystore: ")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, err = store.WriteFile(filepath.Join(dir, "file"))
	require.ErrorContains(t, err, "keystore: ")
	require.Equal(t, []string{"file"}, files(t, dir))
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := keystore.ReadFile(filepath.Join(dir, "absent.json"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "keystore: ")
	_, err = keystore.ReadFile(dir)
	require.EqualError(t, err, "keystore: "+dir+" is not a regular file")

	large := filepath.Join(dir, "large.json")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, 1<<40))
	_, err = keystore.ReadFile(large)
	require.EqualError(t, err, "keystore: "+large+": file has 65537 bytes, expected at most 65536")

	if runtime.GOOS == "linux" {
		pipe := filepath.Join(dir, "pipe.json")
		require.NoError(t, exec.Command("mkfifo", pipe).Run())
		_, err = keystore.ReadFile(pipe)
		require.EqualError(t, err, "keystore: "+pipe+" is not a regular file")
	}
}

// TestKilled ends a process that writes keystores by SIGKILL, again and again: every file that has appeared is whole.
func TestKilled(t *testing.T) {
	if to := os.Getenv("KEYSTORE_WRITE_TO"); to != "" {
		k := generate(t)
		for i := uint32(0); ; i++ {
			_, err := encrypt(t, k, keystore.Options{Path: keystore.SigningPath(i)}).WriteFile(to)
			require.NoError(t, err)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGKILL")
	}
	dir, whole := t.TempDir(), 0
	for round := range 8 {
		to := filepath.Join(dir, string(rune('a'+round)))
		require.NoError(t, os.Mkdir(to, 0o700))
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "KEYSTORE_WRITE_TO="+to)
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			finished, err := filepath.Glob(filepath.Join(to, "keystore-*.json"))
			return err == nil && len(finished) > 2*round
		}, 5*time.Minute, time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		for f, err := range keystore.ReadDir(t.Context(), to, []byte(password)) {
			require.NoError(t, err)
			whole++
			f.Key.Destroy()
		}
	}
	require.Greater(t, whole, 8)
}
