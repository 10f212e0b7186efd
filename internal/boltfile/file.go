package boltfile

import (
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

// PageSize is the size of a database's pages in bytes, on every machine.
const PageSize = 4096

// lockWait is how long Open waits for another holder of the file to let go.
const lockWait = time.Second

// Errors on which a caller takes a branch. They have no prefix; the owner names the file.
var (
	ErrCorrupt = errors.New("the file is damaged")                   // nothing was changed
	ErrInUse   = errors.New("the file is in use by another process") // end it, or try again later
	ErrNoSpace = errors.New("no space left: nothing was stored")     // the file is as it was; make room and repeat
	ErrFailed  = errors.New("a write failed: open the file again")   // what the disk holds is unknown
	ErrClosed  = errors.New("the file is closed")
)

// File is an open database. It is safe for concurrent use.
type File struct {
	path string

	// mu is held for writing while a transaction commits, so that a reader sees only what is on disk: bbolt shows a
	// transaction before its last fsync.
	mu     sync.RWMutex
	db     *bbolt.DB // nil after Close
	file   *os.File  // the one that db works on
	failed error     // of the write after which nothing can be relied on

	waiting sync.Mutex
	queue   []*write // to go into the next transaction
}

// Create makes a new file at path with mode 0600 and what fill stores. It appears under its name complete; an existing
// file is never touched: the error is then fs.ErrExist.
func Create(path string, fill func(*bbolt.Tx) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(temp.Name(), 0o600, &bbolt.Options{PageSize: PageSize, Timeout: lockWait, NoStatistics: true})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces a file that somebody else made meanwhile.
	if err := os.Link(temp.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// Open opens the file at path, takes its lock and verifies all of it. A missing file is fs.ErrNotExist. A file to which
// others than its owner and group have access is refused, as is anything that is not a regular file. The faults on
// which a caller branches are ErrCorrupt and ErrInUse.
func Open(path string, check Check) (*File, error) {
	f := &File{path: path}
	err := f.guard(func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			PageSize: PageSize, Timeout: lockWait, NoStatistics: true,
			OpenFile: func(string, int, os.FileMode) (_ *os.File, err error) {
				f.file, err = openVerified(path, check)
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
		return nil, err
	}
	return f, nil
}

// openVerified opens, locks and verifies the file.
func openVerified(path string, check Check) (_ *os.File, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("its mode %04o gives everybody access, expected 0600: chmod o= %s", info.Mode().Perm(), path)
	}
	if err := lock(file); err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err != nil { // again, now that nobody else changes it
		return nil, err
	}
	if err := Verify(file, info.Size(), check); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// A process that was killed may have left what it wrote, and the file's name, in the kernel's cache alone.
	return file, errors.Join(file.Sync(), durable.SyncDir(filepath.Dir(path)))
}

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
	return release()
}

// View runs a read transaction. What read keeps has to be copied: the pages are only mapped until it returns.
func (f *File) View(read func(*bbolt.Tx) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.usable(); err != nil {
		return err
	}
	return f.guard(func() error { return f.db.View(read) })
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
