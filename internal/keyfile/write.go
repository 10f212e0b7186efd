package keyfile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// update makes a change and returns when it is on disk. Calls that wait for the file at the same time go into one
// transaction.
func (f *File) update(what string, change func(*bbolt.Tx) error) error {
	return f.wrap(what, f.file.Update(change))
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
