package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/claystack/dvkeys/hsm/software"
)

// TestInterruptedWriting makes the state that a kill leaves between two files, and runs
// the program again, with the same flags and with others.
func TestInterruptedWriting(t *testing.T) {
	dir, _ := onboarded(t, "-validators", "1")
	type file struct {
		Name    string `json:"name"`
		Content []byte `json:"content"`
	}
	var record struct {
		Files []file `json:"files"`
	}
	for _, pattern := range []string{"deposit_data-*.json", "keyshares-*.json", "transactions.json"} {
		path := match(t, dir, pattern)
		record.Files = append(record.Files, file{filepath.Base(path), read(t, path)})
	}
	b, err := json.Marshal(record)
	require.NoError(t, err)
	interrupt := func() {
		replace(t, filepath.Join(dir, ".onboard-pending.json"), b)
		require.NoError(t, os.Remove(filepath.Join(dir, "transactions.json")))
	}
	again := func(args ...string) (string, error) {
		return program(append([]string{"-out", dir, "-operators", operators, "-passphrase-file", passphrase(t)}, args...)...)
	}

	interrupt()
	_, err = program("-verify", "-out", dir)
	require.ErrorContains(t, err, "dvkeys: ")
	out, err := again("-validators", "1")
	require.NoError(t, err)
	require.Contains(t, out, "finished writing "+filepath.Join(dir, "transactions.json"))
	require.Contains(t, out, "the batch of the interrupted run is complete and verified")
	_, err = program("-verify", "-out", dir)
	require.NoError(t, err)
	require.Len(t, files(t, dir), 4)

	interrupt()
	_, err = again("-validators", "1", "-nonce", "7")
	require.ErrorContains(t, err, "a run with other flags was interrupted in "+dir)
	require.ErrorContains(t, err, "ownerNonce")
	_, err = program("-verify", "-out", dir)
	require.NoError(t, err)
}

// TestFullDisk onboards on file systems that are full at one point or another, and again
// when there is room.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	pass := passphrase(t)
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) }()
	args := []string{"-out", filepath.Join(disk, "out"), "-operators", operators, "-passphrase-file", pass}
	full := 0
	for _, size := range []string{"16k", "28k", "36k", "96k", "108k", "128k", "1m"} {
		require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size="+size))
		_, err := program(args...)
		if err == nil {
			break
		}
		full++
		require.ErrorIs(t, err, syscall.ENOSPC, size)
	}
	require.Greater(t, full, 2)
	_, err := program("-verify", "-out", filepath.Join(disk, "out"), "-passphrase-file", pass)
	require.NoError(t, err)
}

// TestKeyFileFaults gives the program key files that it can not use. It says so, changes
// nothing of them and makes no folder.
func TestKeyFileFaults(t *testing.T) {
	good, _ := onboarded(t, "-validators", "1")
	original := read(t, filepath.Join(good, "keys.db"))
	for _, c := range []struct {
		name, want string
		spoil      func(path, pass string)
	}{
		{"wrong passphrase", "wrong passphrase", func(_, pass string) { replace(t, pass, []byte("incorrect horse battery staple")) }},
		{"empty passphrase", "the passphrase is empty", func(_, pass string) { replace(t, pass, []byte("\n")) }},
		{"open in another process", "in use by another process", func(path, pass string) {
			b, err := software.Open(path, software.PassphraseFile(pass), nil)
			require.NoError(t, err)
			t.Cleanup(func() { b.Close() })
		}},
		{"one bit flipped", "damaged", func(path, _ string) {
			b := read(t, path)
			b[4096+40] ^= 8 // in the first pages; what is beyond the last record is not in use
			replace(t, path, b)
		}},
		{"cut short", "damaged", func(path, _ string) { replace(t, path, original[:len(original)/2]) }},
		{"empty", "damaged", func(path, _ string) { replace(t, path, nil) }},
		{"something else", "damaged", func(path, _ string) { replace(t, path, make([]byte, 1<<16)) }},
		{"readable by all", "gives everybody access", func(path, _ string) { require.NoError(t, os.Chmod(path, 0o644)) }},
		{"a folder", "is a directory", func(path, _ string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}},
		{"in no folder", "no such file", func(path, _ string) { require.NoError(t, os.RemoveAll(filepath.Dir(path))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			pass, keys, dir := passphrase(t), filepath.Join(t.TempDir(), "keys.db"), filepath.Join(t.TempDir(), "out")
			replace(t, keys, original)
			c.spoil(keys, pass)
			before, _ := os.ReadFile(keys)
			_, err := program("-out", dir, "-operators", operators, "-passphrase-file", pass, "-keys", keys)
			require.ErrorContains(t, err, c.want)
			require.NoDirExists(t, dir)
			after, _ := os.ReadFile(keys)
			require.Equal(t, before, after)
		})
	}
}

// TestReadOnlyFolder runs the program where it may not write. The keys that it had made
// by then are those of the next run.
func TestReadOnlyFolder(t *testing.T) {
	dir, keys, pass := t.TempDir(), filepath.Join(t.TempDir(), "keys.db"), passphrase(t)
	args := []string{"-operators", operators, "-passphrase-file", pass, "-validators", "1", "-keys", keys}
	require.NoError(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)
	as := func(run func()) { run() }
	if os.Getuid() == 0 {
		as = asNobody(t, filepath.Dir(dir), dir, filepath.Dir(keys), filepath.Dir(pass), pass)
	}
	as(func() {
		for _, out := range []string{dir, filepath.Join(dir, "out")} {
			if _, err := program(append(args, "-out", out)...); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("in a read-only folder: %v, expected that permission is denied", err)
			}
		}
	})
	require.Empty(t, files(t, dir))
	b, err := software.Open(keys, software.PassphraseFile(pass), nil)
	require.NoError(t, err)
	defer b.Close()
	n := 0
	for pk, err := range b.List(t.Context()) {
		require.NoError(t, err)
		require.False(t, pk.IsZero())
		n++
	}
	require.Equal(t, 1, n, "both runs made the same key")
}

// asNobody returns what runs a function as a user without rights, to whom the paths are
// given. Only the function's own thread is that user.
func asNobody(t *testing.T, paths ...string) func(run func()) {
	const nobody = 65534
	for _, path := range paths {
		require.NoError(t, os.Chown(path, nobody, -1))
	}
	return func(run func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // the thread ends with its goroutine
			if _, err := unix.SetfsuidRetUid(nobody); err != nil {
				t.Error(err)
				return
			}
			run()
		}()
		<-done
	}
}
