package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
)

// write is one change that waits for a transaction.
type write struct {
	change func(*bbolt.Tx) error
	err    error
	done   bool
}

// Update makes a change and returns when it is on disk. change either succeeds or leaves the transaction as it was; its
// error is returned. It is called once, or not at all if the file cannot be written.
//
// Calls that wait for the file at the same time go into one transaction: whoever gets hold of the file commits what all
// have queued.
func (f *File) Update(change func(*bbolt.Tx) error) error {
	w := &write{change: change}
	f.waiting.Lock()
	f.queue = append(f.queue, w)
	f.waiting.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	if !w.done { // nobody has committed it while this call waited
		f.waiting.Lock()
		batch := f.queue
		f.queue = nil
		f.waiting.Unlock()
		f.commit(batch)
	}
	return w.err
}

var errNoChange = errors.New("no change")

// commit makes the changes of a batch in one transaction. The caller holds mu.
func (f *File) commit(batch []*write) {
	err := f.usable()
	if err == nil {
		err = f.guard(func() error {
			return f.db.Update(func(tx *bbolt.Tx) error {
				changed := false
				for _, w := range batch {
					w.err = w.change(tx)
					changed = changed || w.err == nil
				}
				if !changed {
					return errNoChange
				}
				return nil
			})
		})
		if err != nil && err != errNoChange {
			err = f.fail(err)
		}
	}
	for _, w := range batch {
		w.done = true
		if w.err == nil {
			w.err = err
		}
	}
}

// fail classifies the failure of a transaction: one that found no space before its last page was written has changed
// nothing. After any other, an fsync above all, it is unknown what the disk holds, and the kernel may not say so twice.
func (f *File) fail(err error) error {
	var write *fs.PathError
	full := errors.As(err, &write) && write.Op == "write" &&
		(errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG))
	if full || strings.HasPrefix(err.Error(), "file resize error:") { // bbolt's words
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	f.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	return f.failed
}
