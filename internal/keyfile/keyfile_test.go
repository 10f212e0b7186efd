package keyfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/claystack/dvkeys/internal/boltfile"
)

const kind = "test"

// create makes a key file with n records and returns its path.
func create(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.db")
	require.NoError(t, Create(path, kind, func(ID) ([]byte, error) { return []byte("header"), nil }))
	f := open(t, path)
	for i := range n {
		require.NoError(t, f.Put(record(i)))
	}
	require.NoError(t, f.Close())
	return path
}

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path, kind)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// record returns the i-th test record. Every third one has no label.
func record(i int) Record {
	r := Record{Sealed: bytes.Repeat([]byte{byte(i)}, 100)}
	binary.BigEndian.PutUint64(r.PublicKey[:], uint64(i)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(r.PublicKey[40:], uint64(i))
	if i%3 != 0 {
		r.Label = fmt.Sprintf("batch/%d", i)
	}
	return r
}

func TestRecords(t *testing.T) {
	path := create(t, 300)
	f := open(t, path)
	header, err := f.Header()
	require.NoError(t, err)
	require.Equal(t, "header", string(header))
	for i := range 300 {
		want := record(i)
		got, err := f.Get(want.PublicKey)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if want.Label != "" {
			got, err = f.Lookup(want.Label)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	_, err = f.Get(record(300).PublicKey)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.Lookup("batch/0")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, f.Delete(record(300).PublicKey), ErrNotFound)

	require.NoError(t, f.Delete(record(1).PublicKey))
	_, err = f.Lookup("batch/1")
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, f.SetHeader([]byte("other")))

	id := f.ID()
	require.NoError(t, f.Close())
	f = open(t, path)
	require.Equal(t, id, f.ID())
	header, err = f.Header()
	require.NoError(t, err)
	require.Equal(t, "other", string(header))
	var all [][PublicKeySize]byte
	for {
		var last []byte
		if len(all) > 0 {
			last = all[len(all)-1][:]
		}
		page, err := f.After(last, 7)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	require.Len(t, all, 299)
	require.IsIncreasing(t, sortable(all))
}

func sortable(keys [][PublicKeySize]byte) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = string(k[:])
	}
	return out
}

func TestPutRefusesDuplicates(t *testing.T) {
	f := open(t, create(t, 3))
	sameKey := record(1)
	sameKey.Label = "another"
	sameLabel := record(2)
	sameLabel.PublicKey[47] ^= 1
	for _, r := range []Record{record(1), sameKey, sameLabel} {
		var exists *ExistsError
		require.ErrorAs(t, f.Put(r), &exists)
		stored, err := f.Get(exists.PublicKey)
		require.NoError(t, err)
		require.Equal(t, stored.Label, exists.Label)
		require.True(t, stored.PublicKey == r.PublicKey || stored.Label == r.Label)
	}
	noLabel := record(0)
	noLabel.PublicKey[47] ^= 1
	require.NoError(t, f.Put(noLabel), "any number of records may have no label")
}

func TestPutRefusesBadRecords(t *testing.T) {
	f := open(t, create(t, 1))
	for text, change := range map[string]func(*Record){
		"label of 129 bytes":            func(r *Record) { r.Label = string(bytes.Repeat([]byte{'a'}, 129)) },
		"byte 0x0a at place 2":          func(r *Record) { r.Label = "ab\nc" },
		"byte 0xc3 at place 0":          func(r *Record) { r.Label = "é" },
		"0 sealed bytes":                func(r *Record) { r.Sealed = nil },
		"2049 sealed bytes, expected 1": func(r *Record) { r.Sealed = make([]byte, MaxSealed+1) },
	} {
		r := record(7)
		change(&r)
		require.ErrorContains(t, f.Put(r), text)
		_, err := f.Get(r.PublicKey)
		require.ErrorIs(t, err, ErrNotFound)
	}
	largest := Record{PublicKey: [PublicKeySize]byte{1}, Label: string(bytes.Repeat([]byte{'~'}, MaxLabel)), Sealed: make([]byte, MaxSealed)}
	require.NoError(t, f.Put(largest))
	require.ErrorContains(t, f.SetHeader(make([]byte, MaxHeader+1)), "2049 bytes")
	require.NoError(t, f.SetHeader(make([]byte, MaxHeader)))
}

func TestCreateLeavesExistingFilesAlone(t *testing.T) {
	path := create(t, 2)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.ErrorIs(t, Create(path, kind, func(ID) ([]byte, error) { return nil, nil }), fs.ErrExist)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())

	boom := errors.New("boom")
	other := filepath.Join(filepath.Dir(path), "other.db")
	require.ErrorIs(t, Create(other, kind, func(ID) ([]byte, error) { return nil, boom }), boom)
	require.ErrorContains(t, Create(other, "", func(ID) ([]byte, error) { return nil, nil }), "kind of 0 bytes")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }

	_, err := Open(at("missing"), kind)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, at("missing"))

	require.NoError(t, os.WriteFile(at("empty"), nil, 0o600))
	_, err = Open(at("empty"), kind)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "0 bytes long")

	require.NoError(t, os.WriteFile(at("text"), bytes.Repeat([]byte("not a key file\n"), 5000), 0o600))
	_, err = Open(at("text"), kind)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "not a file of this library")

	db, err := bbolt.Open(at("bolt"), 0o600, &bbolt.Options{PageSize: boltfile.PageSize})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("somebody else's"))
		return err
	}))
	require.NoError(t, db.Close())
	_, err = Open(at("bolt"), kind)
	require.ErrorContains(t, err, "not a bucket of such a file")

	_, err = Open(dir, kind)
	require.ErrorContains(t, err, "directory")
	require.NoError(t, unix.Mkfifo(at("fifo"), 0o600))
	_, err = Open(at("fifo"), kind)
	require.ErrorContains(t, err, "not a regular file")

	path := create(t, 1)
	_, err = Open(path, "other")
	require.ErrorContains(t, err, `belongs to the backend "test", expected "other"`)
	require.NotErrorIs(t, err, ErrCorrupt)
	for mode, ok := range map[fs.FileMode]bool{0o604: false, 0o602: false, 0o601: false, 0o666: false, 0o660: true, 0o640: true} {
		require.NoError(t, os.Chmod(path, mode))
		f, err := Open(path, kind)
		if ok {
			require.NoError(t, err)
			require.NoError(t, f.Close())
		} else {
			require.ErrorContains(t, err, fmt.Sprintf("mode %04o", mode))
		}
	}
}

func TestOpenOnce(t *testing.T) {
	path := create(t, 1)
	f := open(t, path)
	_, err := Open(path, kind)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "a second Close does nothing")
	open(t, path)
}

func TestClosed(t *testing.T) {
	f := open(t, create(t, 1))
	require.NoError(t, f.Close())
	_, err := f.Get(record(0).PublicKey)
	require.ErrorIs(t, err, ErrClosed)
	_, err = f.Lookup("x")
	require.ErrorIs(t, err, ErrClosed)
	_, err = f.After(nil, 1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = f.Header()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, f.Put(record(1)), ErrClosed)
	require.ErrorIs(t, f.Delete(record(0).PublicKey), ErrClosed)
	require.ErrorIs(t, f.SetHeader(nil), ErrClosed)
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "keys.db")
			require.NoError(b, Create(path, kind, func(ID) ([]byte, error) { return nil, nil }))
			f := open(b, path)
			require.NoError(b, f.update("fill", func(tx *bbolt.Tx) error {
				for i := range n {
					r := record(i)
					r.Label = fmt.Sprint("none", i)
					err := errors.Join(addCount(tx, 1), tx.Bucket(keysBucket).Put(r.PublicKey[:], encodeRecord(r)), tx.Bucket(labelsBucket).Put([]byte(r.Label), r.PublicKey[:]))
					if err != nil {
						return err
					}
				}
				return nil
			}))
			require.NoError(b, f.Close())
			for b.Loop() {
				f, err := Open(path, kind)
				require.NoError(b, err)
				require.NoError(b, f.Close())
			}
		})
	}
}
