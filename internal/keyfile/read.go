package keyfile

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// view runs a read transaction. What read keeps has to be copied: the pages are only mapped until it returns.
func (f *File) view(what string, read func(*bbolt.Tx) error) error {
	return f.wrap(what, f.file.View(read))
}

// Header returns the backend's data.
func (f *File) Header() (data []byte, err error) {
	err = f.view("read the header of", func(tx *bbolt.Tx) error {
		h, err := decodeHeader(tx.Bucket(fileBucket).Get(headerKey))
		if err != nil {
			return fmt.Errorf("%w: header: %w", ErrCorrupt, err)
		}
		data = h.data
		return nil
	})
	return data, err
}

// Get returns the record of a public key, or ErrNotFound.
func (f *File) Get(publicKey [PublicKeySize]byte) (r Record, err error) {
	err = f.view("read", func(tx *bbolt.Tx) (err error) {
		r, err = get(tx, publicKey[:])
		return err
	})
	return r, err
}

// Lookup returns the record that was stored under a label, or ErrNotFound.
func (f *File) Lookup(label string) (r Record, err error) {
	err = f.view("read", func(tx *bbolt.Tx) (err error) {
		r, err = lookup(tx, label)
		return err
	})
	return r, err
}

// After returns, in ascending order, up to n public keys that follow the given one; nil begins at the start.
func (f *File) After(publicKey []byte, n int) (keys [][PublicKeySize]byte, err error) {
	err = f.view("list", func(tx *bbolt.Tx) error {
		c := tx.Bucket(keysBucket).Cursor()
		k, _ := c.Seek(publicKey)
		if publicKey != nil && bytes.Equal(k, publicKey) {
			k, _ = c.Next()
		}
		for ; k != nil && len(keys) < n; k, _ = c.Next() {
			if len(k) != PublicKeySize {
				return fmt.Errorf("%w: a public key of %d bytes", ErrCorrupt, len(k))
			}
			keys = append(keys, [PublicKeySize]byte(k))
		}
		return nil
	})
	return keys, err
}

func get(tx *bbolt.Tx, publicKey []byte) (Record, error) {
	value := tx.Bucket(keysBucket).Get(publicKey)
	if value == nil {
		return Record{}, fmt.Errorf("%w: %#x", ErrNotFound, publicKey)
	}
	r, err := decodeRecord(publicKey, value)
	if err != nil {
		return Record{}, fmt.Errorf("%w: record %#x %w", ErrCorrupt, publicKey, err)
	}
	return r, nil
}

// lookup finds a record by its label and checks that the record bears it.
func lookup(tx *bbolt.Tx, label string) (Record, error) {
	publicKey := tx.Bucket(labelsBucket).Get([]byte(label))
	if publicKey == nil {
		return Record{}, fmt.Errorf("%w: label %q", ErrNotFound, label)
	}
	r, err := get(tx, bytes.Clone(publicKey))
	if err != nil || r.Label != label {
		return Record{}, fmt.Errorf("%w: label %q leads to the wrong record", ErrCorrupt, label)
	}
	return r, nil
}
