package software_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

func TestSecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	holder := command(t, "hold", path)
	stdin, err := holder.StdinPipe()
	require.NoError(t, err)
	stdout, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "open\n", line)

	start := time.Now()
	_, err = software.Open(path, func() ([]byte, error) {
		t.Error("the passphrase was asked for")
		return []byte("passphrase"), nil
	}, nil)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "in use by another process")
	require.Less(t, time.Since(start), 5*time.Second)

	require.NoError(t, stdin.Close())
	require.NoError(t, holder.Wait())
	b := open(t, path)
	require.NoError(t, b.Close())

	// The lock goes with its process, however that ends.
	holder = command(t, "hold", path)
	_, err = holder.StdinPipe()
	require.NoError(t, err)
	stdout, err = holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
	open(t, path)
}

// TestManyProcessesCreate starts processes that all make the same file at once.
func TestManyProcessesCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	type result struct {
		out string
		err error
	}
	results := make(chan result, 4)
	for range cap(results) {
		c := command(t, "generate", path)
		go func() {
			out, err := c.Output()
			results <- result{string(out), err}
		}()
	}
	var first string
	for range cap(results) {
		r := <-results
		require.NoError(t, r.err)
		if first == "" {
			first = r.out
		}
		require.Equal(t, first, r.out, "all have the same keys")
	}
	requireNothingLost(t, path, first, 3)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
}

// TestKilledAtAnyTime kills a process that makes keys on four goroutines, again and again on the same file, each time
// when it has told of some keys more.
func TestKilledAtAnyTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	told, lines := "", 0
	for range 8 {
		lines += 1 + rand.IntN(40)
		c := command(t, "generate at once", path)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		r := bufio.NewReader(out)
		for range lines {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			told += line
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		require.NoError(t, c.Process.Kill())
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		c.Wait()
		told += string(rest)
	}
	highest := -1
	for line := range strings.Lines(told) {
		var label int
		_, err := fmt.Sscan(line, &label)
		require.NoError(t, err)
		highest = max(highest, label)
	}
	t.Logf("%d keys", highest+1)
	require.Positive(t, highest)
	// Labels are taken in order, and four may have been stored without anybody being told.
	requireNothingLost(t, path, told, highest+1+4)
}

// fill makes keys until the limit on the size of files forbids it, and again when it no longer does.
func fill(b *software.Backend, path string) error {
	if err := generateLabels(b, 40, 1); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	// Pages are written to where earlier transactions left space, so that the limit lies in the middle of the file.
	for _, size := range []uint64{3 * 4096, 5 * 4096, 9 * 4096, 0} {
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return err
		}
		if size == 0 { // the file can be written, but not grow
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			size = uint64(info.Size())
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
			return err
		}
		var err error
		for i := 0; err == nil; i++ {
			_, err = b.Generate(context.Background(), fmt.Sprintf("%d in %d bytes", i, size))
		}
		if !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "no space left: nothing was stored") {
			return fmt.Errorf("limit %d: %w, expected ErrUnavailable for want of space", size, err)
		}
		if err := b.ChangePassphrase(pass("passphrase")); size < 5*4096 && !errors.Is(err, hsm.ErrUnavailable) {
			return fmt.Errorf("limit %d: changing the passphrase: %w, expected ErrUnavailable", size, err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return err
		}
		k, err := b.Generate(context.Background(), fmt.Sprintf("after %d", size))
		if err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		if err := hsm.TestSign(context.Background(), k); err != nil {
			return err
		}
		fmt.Println("filled")
	}
	return nil
}

func TestNoSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	c := command(t, "fill", path)
	out, err := c.Output()
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(out), "filled\n"))
	b := open(t, path)
	for line := range strings.Lines(strings.ReplaceAll(string(out), "filled\n", "")) {
		label, pk, _ := strings.Cut(strings.TrimSpace(line), " ")
		k, err := b.Generate(t.Context(), label)
		require.NoError(t, err)
		require.Equal(t, pk, k.PublicKey().String())
	}
}

// TestFullDisk fills a real file system, where the process may mount one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()
	b := open(t, filepath.Join(dir, "keys.db"))
	defer b.Close()
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))
	var keys []keyshare.PublicKey
	var err error
	for {
		var k hsm.Key
		if k, err = b.Generate(t.Context(), fmt.Sprint(len(keys))); err != nil {
			break
		}
		keys = append(keys, k.PublicKey())
	}
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NotEmpty(t, keys)
	require.NoError(t, os.Remove(ballast))
	_, err = b.Generate(t.Context(), "with space again")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	b = open(t, filepath.Join(dir, "keys.db"))
	defer b.Close()
	for _, pk := range keys {
		k, err := b.Open(t.Context(), pk)
		require.NoError(t, err)
		require.NoError(t, hsm.TestSign(t.Context(), k))
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.db")
	require.NoError(t, open(t, path).Close())
	require.NoError(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)

	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			// Root may write anywhere, so become nobody on this one thread, which ends with its goroutine.
			runtime.LockOSThread()
			const nobody = 65534
			if err := errors.Join(os.Chown(dir, nobody, -1), os.Chown(path, nobody, -1), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
				t.Error(err)
				return
			}
			if _, err := unix.SetfsuidRetUid(nobody); err != nil {
				t.Error(err)
				return
			}
		}
		_, err := software.Open(filepath.Join(dir, "new.db"), pass("passphrase"), nil)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "new.db") {
			t.Errorf("a new file in a read-only folder: %v, expected that permission is denied", err)
		}
		b, err := software.Open(path, pass("passphrase"), nil)
		if err != nil {
			t.Errorf("an existing file in a read-only folder: %v", err)
			return
		}
		if _, err := b.Generate(context.Background(), ""); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Error(err)
		}
		if _, err := software.Open(path, pass("passphrase"), nil); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a read-only file: %v, expected that permission is denied", err)
		}
	}()
	<-done
}
