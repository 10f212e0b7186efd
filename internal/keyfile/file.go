package keyfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/claystack/dvkeys/internal/durable"
)

// lockWait is how long Open waits for another holder of the file to let go.
const lockWait = time.Second

// File is an open key file. It is safe for concurrent use.
type File struct {
	path string
	id   ID

	// mu is held for writing while a transaction commits, so that a reader sees only what is on disk: bbolt shows a
	// transaction before its last fsync.
	mu     sync.RWMutex
	db     *bbolt.DB // nil after Close
	file   *os.File  // the one that db works on
	failed error     // of the write after which nothing can be relied on

	waiting sync.Mutex
	queue   []*write // to go into the next transaction
}

// Create makes a new key file at path with mode 0600. kind (1 to MaxKind bytes) names the backend; header returns the
// backend's data for the new file's id, at most MaxHeader bytes. The file appears under its name complete; an existing
// file is never touched: the error is then fs.ErrExist.
func Create(path, kind string, data func(ID) ([]byte, error)) (err error) {
	h := header{kind: kind}
	rand.Read(h.id[:])
	if h.data, err = data(h.id); err != nil {
		return err
	}
	if kind == "" || len(kind) > MaxKind || len(h.data) > MaxHeader {
		return fmt.Errorf("keyfile: a kind of %d bytes and a header of %d, expected 1 to %d and at most %d", len(kind), len(h.data), MaxKind, MaxHeader)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("keyfile: create %s: %w", path, fs.ErrExist)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	if err := initialize(temp.Name(), h); err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	// A link, unlike a rename, never replaces a file that somebody else made meanwhile.
	if err := os.Link(temp.Name(), path); err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	return nil
}

func initialize(path string, h header) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, Timeout: lockWait, NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{keysBucket, labelsBucket, fileBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		b := tx.Bucket(fileBucket)
		return errors.Join(b.Put(headerKey, encodeHeader(h)), b.Put(countKey, make([]byte, 8)))
	})
	return errors.Join(err, db.Close())
}

// Open opens the key file at path, which has to be of the given kind, takes its lock and verifies all of it. A missing
// file is fs.ErrNotExist. A file to which others than its owner and group have access is refused, as is anything that
// is not a regular file. The faults on which a caller branches are ErrCorrupt and ErrInUse.
func Open(path, kind string) (*File, error) {
	f := &File{path: path}
	var found content
	err := f.guard(func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			PageSize: pageSize, Timeout: lockWait, NoStatistics: true,
			OpenFile: func(string, int, os.FileMode) (_ *os.File, err error) {
				f.file, found, err = openVerified(path, kind)
				return f.file, err
			},
		})
		return err
	})
	if err != nil {
		if f.file != nil {
			f.file.Close() // and with it the lock, if bbolt did not come to do so
		}
		if errors.Is(err, bbolterrors.ErrTimeout) {
			err = ErrInUse
		}
		return nil, f.wrap("open", err)
	}
	f.id = found.header.id
	return f, nil
}

// openVerified opens, locks and verifies the file.
func openVerified(path, kind string) (_ *os.File, _ content, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, content{}, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, content{}, err
	case !info.Mode().IsRegular():
		return nil, content{}, errors.New("it is not a regular file")
	case info.Mode().Perm()&0o007 != 0:
		return nil, content{}, fmt.Errorf("its mode %04o gives everybody access, expected 0600: chmod o= %s", info.Mode().Perm(), path)
	}
	if err := lock(file); err != nil {
		return nil, content{}, err
	}
	if info, err = file.Stat(); err != nil { // again, now that nobody else changes it
		return nil, content{}, err
	}
	found, err := verify(file, info.Size())
	if err != nil {
		return nil, content{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if found.header.kind != kind {
		return nil, content{}, fmt.Errorf("it belongs to the backend %q, expected %q", found.header.kind, kind)
	}
	// A process that was killed may have left what it wrote, and the file's name, in the kernel's cache alone.
	return file, found, errors.Join(file.Sync(), durable.SyncDir(filepath.Dir(path)))
}

// ID returns the file's id, to be bound to whatever is sealed for this file.
func (f *File) ID() ID { return f.id }

// Path returns the path that the file was opened with.
func (f *File) Path() string { return f.path }

// Close releases the file and its lock. Later calls fail with ErrClosed; a second Close does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return nil
	}
	release := f.db.Close
	if f.failed != nil {
		release = f.file.Close // bbolt may have stopped in the middle of a write with its locks held, and would wait for them
	}
	f.db = nil
	if err := release(); err != nil {
		return f.wrap("close", err)
	}
	return nil
}

// usable says why the file cannot be used, if so. The caller holds mu.
func (f *File) usable() error {
	switch {
	case f.db == nil:
		return ErrClosed
	case f.failed != nil:
		return f.failed
	}
	return nil
}

// guard runs what touches mapped pages. A fault or a panic there, which a file changed by others or a failing disk
// brings about, becomes ErrCorrupt.
func (f *File) guard(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: reading it failed: %v", ErrCorrupt, r)
		}
	}()
	return run()
}

func (f *File) wrap(what string, err error) error {
	return fmt.Errorf("keyfile: %s %s: %w", what, f.path, err)
}
