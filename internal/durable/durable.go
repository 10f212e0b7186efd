// Package durable writes files that are either wholly there or not there, and
// never in place of another.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// tempPattern names files that are being written. A process that dies leaves one
// behind; it is never a finished file.
const tempPattern = ".tmp-*"

// Create writes data to a new file with the given mode. The content is on the disk
// before the name exists, and the name before Create returns. A file that exists
// is left alone: the error wraps fs.ErrExist.
func Create(path string, data []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), tempPattern)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, refuses an existing name
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Remove deletes a file and waits until the disk knows.
func Remove(path string) error {
	return errors.Join(os.Remove(path), SyncDir(filepath.Dir(path)))
}

// MkdirAll makes a folder, and those above it that do not exist, and waits until the
// disk knows all of their names. That goes for folders that exist, too: whoever made
// them may not have waited.
func MkdirAll(dir string, mode os.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	for parent := filepath.Dir(dir); err == nil && parent != dir; parent = filepath.Dir(dir) {
		err = SyncDir(parent)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
			err = nil // not ours to read, or of a file system that does not know syncing: older than this call
		}
		dir = parent
	}
	return err
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
