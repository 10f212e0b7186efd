package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

var bucket = []byte("numbers")

// numbers checks a file whose one bucket has framed numbers.
type numbers struct{ seen int }

func (n *numbers) Bucket(name string) func(key, value []byte) error {
	if name != string(bucket) {
		return nil
	}
	return func(key, value []byte) error {
		n.seen++
		_, err := Unframe(key, value)
		return err
	}
}

func (n *numbers) Done() error {
	if n.seen == 0 {
		return errors.New("it is empty")
	}
	return nil
}

func put(tx *bbolt.Tx, i int) error {
	key := binary.BigEndian.AppendUint64(nil, uint64(i))
	return tx.Bucket(bucket).Put(key, Frame(key, []byte("content")))
}

func create(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "numbers.db")
	require.NoError(t, Create(path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return errors.Join(err, put(tx, 0))
	}))
	return path
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path, new(numbers))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestConcurrentUpdatesShareATransaction(t *testing.T) {
	path := create(t)
	f := open(t, path)
	before := transaction(t, f)
	refused := errors.New("odd")
	var done sync.WaitGroup
	f.mu.Lock() // so that all of them have queued before the first commits
	for i := range 200 {
		done.Go(func() {
			err := f.Update(func(tx *bbolt.Tx) error {
				if i%2 == 1 {
					return refused
				}
				return put(tx, i)
			})
			if i%2 == 1 != errors.Is(err, refused) {
				t.Error(i, err)
			}
		})
	}
	for queued := 0; queued < 200; {
		f.waiting.Lock()
		queued = len(f.queue)
		f.waiting.Unlock()
	}
	f.mu.Unlock()
	done.Wait()
	require.Equal(t, before+1, transaction(t, f))
	require.ErrorIs(t, f.Update(func(*bbolt.Tx) error { return refused }), refused)
	require.Equal(t, before+1, transaction(t, f), "nothing changed, nothing is written")
	require.NoError(t, f.Close())

	var found numbers
	f, err := Open(path, &found)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, 100, found.seen)
}

// TestFail: only for want of space is it known that a failed transaction has stored nothing.
func TestFail(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
	}{
		{&fs.PathError{Op: "write", Err: syscall.ENOSPC}, ErrNoSpace},
		{&fs.PathError{Op: "write", Err: syscall.EFBIG}, ErrNoSpace},
		{errors.New("file resize error: no space"), ErrNoSpace},
		{&fs.PathError{Op: "write", Err: syscall.EIO}, ErrFailed},
		{&fs.PathError{Op: "sync", Err: syscall.ENOSPC}, ErrFailed},
		{syscall.EIO, ErrFailed},
	} {
		f := open(t, create(t))
		err := f.fail(c.err)
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, err, c.err)
		err = f.Update(func(tx *bbolt.Tx) error { return put(tx, 1) })
		if c.want == ErrFailed {
			require.ErrorIs(t, err, ErrFailed)
		} else {
			require.NoError(t, err)
		}
	}
}

func transaction(t *testing.T, f *File) (id int) {
	t.Helper()
	require.NoError(t, f.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

func TestCreateFails(t *testing.T) {
	path := create(t)
	require.ErrorIs(t, Create(path, func(*bbolt.Tx) error { return nil }), fs.ErrExist)
	boom := errors.New("boom")
	require.ErrorIs(t, Create(path+"2", func(*bbolt.Tx) error { return boom }), boom)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}

// The owner's check decides too: what it does not know and what it misses is damage.
func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	require.NoError(t, Create(path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return err
	}))
	_, err := Open(path, new(numbers))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "it is empty")

	for text, change := range map[string]func(*bbolt.Tx) error{
		"is 3 bytes long, expected at least 5": func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte("k"), []byte("abc")) },
		"does not match its checksum":          func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte("k"), Frame([]byte("other"), nil)) },
		"has format version 2, expected 1":     func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte("k"), []byte{2, 0, 0, 0, 0}) },
		"is not a bucket of such a file":       func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err },
		"is a bucket, expected an entry":       func(tx *bbolt.Tx) error { _, err := tx.Bucket(bucket).CreateBucket([]byte("inner")); return err },
	} {
		path := create(t)
		f := open(t, path)
		require.NoError(t, f.Update(change))
		require.NoError(t, f.Close())
		_, err := Open(path, new(numbers))
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, text)
	}
}

func TestFrame(t *testing.T) {
	for n := range 40 {
		key, rest := []byte(fmt.Sprint(n)), make([]byte, n)
		got, err := Unframe(key, Frame(key, rest))
		require.NoError(t, err)
		require.Equal(t, rest, got)
	}
}
