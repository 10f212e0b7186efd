package keyfile

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// ErrChanged is what Replace and ReplaceHeader return when what is stored is not what the caller saw. Nothing was stored.
var ErrChanged = errors.New("it was changed meanwhile")

// Replace stores next, 1 to MaxSealed bytes, in place of the sealed bytes of a record, at once: after a crash the record
// has either. The record keeps its label. If its sealed bytes are not old, it is left alone and the error is ErrChanged;
// a missing record is ErrNotFound.
func (f *File) Replace(publicKey [PublicKeySize]byte, old, next []byte) error {
	if len(next) == 0 || len(next) > MaxSealed {
		return fmt.Errorf("keyfile: the record has %d sealed bytes, expected 1 to %d", len(next), MaxSealed)
	}
	return f.update("replace a record of", func(tx *bbolt.Tx) error {
		r, err := get(tx, publicKey[:])
		if err != nil {
			return err
		}
		if !bytes.Equal(r.Sealed, old) {
			return fmt.Errorf("%w: record %#x", ErrChanged, publicKey)
		}
		r.Sealed = next
		return tx.Bucket(keysBucket).Put(publicKey[:], encodeRecord(r))
	})
}

// ReplaceHeader is SetHeader if the backend's data are still old, and else ErrChanged.
func (f *File) ReplaceHeader(old, next []byte) error {
	if len(next) > MaxHeader {
		return fmt.Errorf("keyfile: a header of %d bytes, expected at most %d", len(next), MaxHeader)
	}
	return f.update("replace the header of", func(tx *bbolt.Tx) error {
		b := tx.Bucket(fileBucket)
		h, err := decodeHeader(b.Get(headerKey))
		if err != nil {
			return fmt.Errorf("%w: header: %w", ErrCorrupt, err)
		}
		if !bytes.Equal(h.data, old) {
			return fmt.Errorf("%w: header", ErrChanged)
		}
		h.data = next
		return b.Put(headerKey, encodeHeader(h))
	})
}
