package keystore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

// entries returns new keys to be written at the first paths.
func entries(t testing.TB, n int) (keys []*keyshare.SecretKey, e []keystore.Entry) {
	for i := range n {
		keys = append(keys, generate(t))
		e = append(e, keystore.Entry{Key: keys[i], Options: keystore.Cheap(keystore.Options{Path: keystore.SigningPath(uint32(i))})})
	}
	return keys, e
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	keys, list := entries(t, 25)
	names, err := keystore.WriteDir(t.Context(), dir, []byte(password), list)
	require.NoError(t, err)
	require.Len(t, files(t, dir), len(keys))
	of := map[string]*keyshare.SecretKey{}
	for i, name := range names {
		require.True(t, strings.HasPrefix(filepath.Base(name), fmt.Sprintf("keystore-m_12381_3600_%d_0_0-", i)))
		require.Equal(t, stamp(t, names[0]), stamp(t, name), "all have the same time")
		of[name] = keys[i]
	}

	// What does not count as a keystore: leftovers of a crash, hidden files, other files, folders.
	for _, name := range []string{".tmp-123", ".keystore-m_1.json", "deposit_data-1.json", "keystore.txt", "keystore-m.json.tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "keystore-folder.json"), 0o700))

	last := ""
	for f, err := range keystore.ReadDir(t.Context(), dir, []byte(password)) {
		require.NoError(t, err)
		require.Greater(t, f.Path, last, "in the order of names")
		last = f.Path
		require.True(t, of[f.Path].Equal(f.Key))
		require.Equal(t, f.Key.PublicKey(), f.Keystore.PublicKey)
		delete(of, f.Path)
	}
	require.Empty(t, of)
}

// TestReadDirFaults yields a file that cannot be opened with the reason, and those after it.
func TestReadDirFaults(t *testing.T) {
	dir := t.TempDir()
	other := encrypt(t, generate(t), keystore.Options{})
	_, list := entries(t, 1)
	names, err := keystore.WriteDir(t.Context(), dir, []byte(password), list)
	require.NoError(t, err)
	good, err := os.ReadFile(names[0])
	require.NoError(t, err)
	content := map[string]string{
		"keystore-1.json": string(good),
		"keystore-2.json": string(good[:len(good)/2]),
		"keystore-3.json": strings.Replace(string(good), `"n":4`, `"n":8`, 1),
		"keystore-4.json": strings.Replace(string(good), list[0].Key.PublicKey().String()[2:], other.PublicKey.String()[2:], 1),
		"keystore-5.json": "",
		"keystore-6.json": string(good),
	}
	require.NoError(t, os.Remove(names[0]))
	for name, text := range content {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("keystore-1.json", filepath.Join(dir, "keystore-7.json")))
	require.NoError(t, os.Symlink("absent", filepath.Join(dir, "keystore-8.json")))
	want := map[string]string{
		"keystore-2.json": "file is not one JSON value: fault at byte ",
		"keystore-3.json": "wrong password, or an altered keystore",
		"keystore-4.json": "pubkey is ",
		"keystore-5.json": "file is not one JSON value: fault at byte 0 of 0",
		"keystore-8.json": "no such file",
	}
	opened := 0
	for f, err := range keystore.ReadDir(t.Context(), dir, []byte(password)) {
		if text, ok := want[filepath.Base(f.Path)]; ok {
			require.ErrorContains(t, err, text)
			require.ErrorContains(t, err, filepath.Base(f.Path))
			require.Nil(t, f.Key)
			delete(want, filepath.Base(f.Path))
			continue
		}
		require.NoError(t, err)
		require.NotNil(t, f.Key)
		opened++
	}
	require.Empty(t, want)
	require.Equal(t, 3, opened)

	for _, err := range keystore.ReadDir(t.Context(), dir, []byte("another password")) {
		require.Error(t, err)
		require.NotContains(t, err.Error(), "another password")
	}
}

func TestReadDirRefuses(t *testing.T) {
	dir := t.TempDir()
	for of, want := range map[string]string{
		dir:                          "keystore: " + dir + " holds no keystore: no file *keystore*.json",
		filepath.Join(dir, "absent"): "no such file or directory",
	} {
		n := 0
		for f, err := range keystore.ReadDir(t.Context(), of, []byte(password)) {
			require.ErrorContains(t, err, want)
			require.Empty(t, f.Path)
			n++
		}
		require.Equal(t, 1, n)
	}
}

func TestReadDirStops(t *testing.T) {
	dir := t.TempDir()
	_, list := entries(t, 10)
	_, err := keystore.WriteDir(t.Context(), dir, []byte(password), list)
	require.NoError(t, err)

	for f, err := range keystore.ReadDir(t.Context(), dir, []byte(password)) {
		require.NoError(t, err)
		f.Key.Destroy()
		break
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	good, bad := 0, 0
	for f, err := range keystore.ReadDir(ctx, dir, []byte(password)) {
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, f.Path)
			bad++
			continue
		}
		good++
	}
	require.Equal(t, 1, bad, "the end is told once")
	require.LessOrEqual(t, good, 1+runtime.GOMAXPROCS(0))
}

func TestWriteDirRefuses(t *testing.T) {
	dir := t.TempDir()
	_, list := entries(t, 3)
	twice := append(append([]keystore.Entry{}, list...), list[1])
	_, err := keystore.WriteDir(t.Context(), dir, []byte(password), twice)
	require.ErrorContains(t, err, "keystore: entries 1 and 3 have the same path or key: the file would be keystore-m_12381_3600_1_0_0-")

	_, err = keystore.WriteDir(t.Context(), dir, []byte(password), []keystore.Entry{{Key: list[0].Key}, {Key: list[0].Key}})
	require.ErrorContains(t, err, "keystore: entries 0 and 1 have the same path or key")

	_, err = keystore.WriteDir(t.Context(), filepath.Join(dir, "absent"), []byte(password), list)
	require.ErrorIs(t, err, fs.ErrNotExist)

	written, err := keystore.WriteDir(t.Context(), dir, []byte("short"), list)
	require.ErrorContains(t, err, "keystore: password has fewer than 12 characters")
	require.Equal(t, []string{"", "", ""}, written)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = keystore.WriteDir(ctx, dir, []byte(password), list)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, files(t, dir), "nothing was written")

	for { // until both fall into one second
		_, err = keystore.WriteDir(t.Context(), dir, []byte(password), list[1:2])
		require.NoError(t, err)
		n := len(files(t, dir))
		if _, err = keystore.WriteDir(t.Context(), dir, []byte(password), list); err != nil {
			require.ErrorIs(t, err, fs.ErrExist)
			require.Len(t, files(t, dir), n, "nothing was written")
			break
		}
	}
}

// failing is a key that cannot be read.
type failing struct {
	*keyshare.SecretKey
	calls *atomic.Int32
}

func (f failing) Use(func([]byte) error) error {
	f.calls.Add(1)
	return fs.ErrPermission
}

// TestWriteDirTellsWhatIsWritten stops at the first fault and says what there is.
func TestWriteDirTellsWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	keys, list := entries(t, 20)
	var calls atomic.Int32
	for i := 5; i < 20; i++ {
		list[i].Key = failing{keys[i], &calls}
	}
	written, err := keystore.WriteDir(t.Context(), dir, []byte(password), list)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.Len(t, written, 20)
	for i, name := range written {
		require.Equal(t, i < 5, name != "")
		if name != "" {
			require.FileExists(t, name)
		}
	}
	require.Len(t, files(t, dir), 5)
	require.LessOrEqual(t, int(calls.Load()), 1+runtime.GOMAXPROCS(0), "the rest was not tried")
}

// TestBulkMemory opens 18 keystores of 64 MiB at once, which is more than 1 GiB, and watches the memory.
func TestBulkMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(18))
	dir := t.TempDir()
	store, err := keystore.Encrypt(generate(t), []byte(password), keystore.Costing(16))
	require.NoError(t, err)
	b, err := json.Marshal(store)
	require.NoError(t, err)
	for i := range 18 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("keystore-m_%d.json", i)), b, 0o400))
	}
	runtime.GC()

	done := make(chan error)
	go func() {
		var failed error
		for _, err := range keystore.ReadDir(t.Context(), dir, []byte(password)) {
			failed = errors.Join(failed, err)
		}
		done <- failed
	}()
	var m runtime.MemStats
	peak := uint64(0)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		case <-tick.C:
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	require.Greater(t, peak, uint64(512<<20), "many are opened at a time")
	require.Less(t, peak, uint64(1<<30+64<<20), "but never all")
}

func BenchmarkDecryptScrypt(b *testing.B) {
	benchmarkDecrypt(b, &keystore.Options{})
}

func BenchmarkDecryptPBKDF2(b *testing.B) {
	benchmarkDecrypt(b, &keystore.Options{PBKDF2: true})
}

func benchmarkDecrypt(b *testing.B, o *keystore.Options) {
	store, err := keystore.Encrypt(generate(b), []byte(password), o)
	require.NoError(b, err)
	for b.Loop() {
		k, err := store.Decrypt([]byte(password))
		require.NoError(b, err)
		k.Destroy()
	}
}

// BenchmarkReadDir opens a folder of 10 keystores of the usual cost.
func BenchmarkReadDir(b *testing.B) {
	dir := b.TempDir()
	var list []keystore.Entry
	for i := range 10 {
		list = append(list, keystore.Entry{Key: generate(b), Options: &keystore.Options{Path: keystore.SigningPath(uint32(i))}})
	}
	_, err := keystore.WriteDir(b.Context(), dir, []byte(password), list)
	require.NoError(b, err)
	for b.Loop() {
		for f, err := range keystore.ReadDir(b.Context(), dir, []byte(password)) {
			require.NoError(b, err)
			f.Key.Destroy()
		}
	}
}
