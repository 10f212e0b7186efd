package keyfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"go.etcd.io/bbolt"
)

// write is one change that waits for a transaction. change either succeeds or leaves the transaction as it was.
type write struct {
	change func(*bbolt.Tx) error
	err    error
	done   bool
}

// update makes a change and returns when it is on disk. Calls that wait for the file at the same time go into one
// transaction: whoever gets hold of the file commits what all have queued.
func (f *File) update(what string, change func(*bbolt.Tx) error) error {
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
	if w.err != nil {
		return f.wrap(what, w.err)
	}
	return nil
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

// fail classifies the failure of a transaction: one that stopped before its last page was written has changed nothing.
// After any other, an fsync above all, it is unknown what the disk holds, and the kernel may not say so twice.
func (f *File) fail(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) && path.Op == "write" || strings.HasPrefix(err.Error(), "file resize error:") { // bbolt's words
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	f.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	return f.failed
}

// Put stores a new record, at most MaxSealed sealed bytes and a label of printable ASCII or "". A record with the same
// public key or the same label is an *ExistsError and stays as it is.
func (f *File) Put(r Record) error {
	if err := checkLabel(r.Label); err != nil {
		return fmt.Errorf("keyfile: the record %w", err)
	}
	if len(r.Sealed) == 0 || len(r.Sealed) > MaxSealed {
		return fmt.Errorf("keyfile: the record has %d sealed bytes, expected 1 to %d", len(r.Sealed), MaxSealed)
	}
	return f.update("write", func(tx *bbolt.Tx) error {
		stored, err := get(tx, r.PublicKey[:])
		if errors.Is(err, ErrNotFound) && r.Label != "" {
			stored, err = lookup(tx, r.Label)
		}
		switch {
		case err == nil:
			return &ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
		case !errors.Is(err, ErrNotFound):
			return err
		}
		if err := addCount(tx, 1); err != nil {
			return err
		}
		if r.Label != "" {
			if err := tx.Bucket(labelsBucket).Put([]byte(r.Label), r.PublicKey[:]); err != nil {
				return err
			}
		}
		return tx.Bucket(keysBucket).Put(r.PublicKey[:], encodeRecord(r))
	})
}

// Delete removes the record of a public key and its label, or fails with ErrNotFound.
func (f *File) Delete(publicKey [PublicKeySize]byte) error {
	return f.update("delete from", func(tx *bbolt.Tx) error {
		r, err := get(tx, publicKey[:])
		if err != nil {
			return err
		}
		if err := addCount(tx, -1); err != nil {
			return err
		}
		if r.Label != "" {
			if err := tx.Bucket(labelsBucket).Delete([]byte(r.Label)); err != nil {
				return err
			}
		}
		return tx.Bucket(keysBucket).Delete(publicKey[:])
	})
}

// SetHeader replaces the backend's data, at most MaxHeader bytes, at once and for good: after a crash it is either the
// old one or the new one.
func (f *File) SetHeader(data []byte) error {
	if len(data) > MaxHeader {
		return fmt.Errorf("keyfile: a header of %d bytes, expected at most %d", len(data), MaxHeader)
	}
	return f.update("write the header of", func(tx *bbolt.Tx) error {
		b := tx.Bucket(fileBucket)
		h, err := decodeHeader(b.Get(headerKey))
		if err != nil {
			return fmt.Errorf("%w: header: %w", ErrCorrupt, err)
		}
		h.data = data
		return b.Put(headerKey, encodeHeader(h))
	})
}

// addCount keeps the number of records, by which verify notices that one is missing.
func addCount(tx *bbolt.Tx, n int) error {
	b := tx.Bucket(fileBucket)
	count := b.Get(countKey)
	if len(count) != 8 {
		return fmt.Errorf("%w: the count has %d bytes, expected 8", ErrCorrupt, len(count))
	}
	return b.Put(countKey, binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(count)+uint64(n)))
}
