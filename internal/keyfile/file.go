package keyfile

import (
	"crypto/rand"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/internal/boltfile"
)

// File is an open key file. It is safe for concurrent use.
type File struct {
	file *boltfile.File
	id   ID
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
	err = boltfile.Create(path, func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{keysBucket, labelsBucket, fileBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		b := tx.Bucket(fileBucket)
		return errors.Join(b.Put(headerKey, encodeHeader(h)), b.Put(countKey, make([]byte, 8)))
	})
	if err != nil {
		return fmt.Errorf("keyfile: create %s: %w", path, err)
	}
	return nil
}

// Open opens the key file at path, which has to be of the given kind, takes its lock and verifies all of it. A missing
// file is fs.ErrNotExist. A file to which others than its owner and group have access is refused, as is anything that
// is not a regular file. The faults on which a caller branches are ErrCorrupt and ErrInUse.
func Open(path, kind string) (*File, error) {
	found := newContent()
	file, err := boltfile.Open(path, found)
	if err == nil && found.header.kind != kind {
		err = errors.Join(fmt.Errorf("it belongs to the backend %q, expected %q", found.header.kind, kind), file.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("keyfile: open %s: %w", path, err)
	}
	return &File{file: file, id: found.header.id}, nil
}

// ID returns the file's id, to be bound to whatever is sealed for this file.
func (f *File) ID() ID { return f.id }

// Path returns the path that the file was opened with.
func (f *File) Path() string { return f.file.Path() }

// Close releases the file and its lock. Later calls fail with ErrClosed; a second Close does nothing.
func (f *File) Close() error { return f.wrap("close", f.file.Close()) }

// wrap names the file and what was done with it.
func (f *File) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keyfile: %s %s: %w", what, f.Path(), err)
}
