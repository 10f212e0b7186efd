// Package store keeps the sealed records of a custody backend whose keys are wrapped outside of where the records lie: by
// a token, for one. A store knows nothing of secrets. What it holds was encrypted by the backend, and bound by it to the
// public key and the label, so that who can write to the store can delete records and put back older ones, but cannot
// make one that opens to a wrong key.
//
// # Two stores
//
// [OpenFile] opens a file for one process: nothing to install, and one file to back up. Package
// [github.com/claystack/dvkeys/hsm/store/postgres] keeps records in a PostgreSQL database, so that several signers, each
// with access to the token, share one set of keys and need no disk of their own.
//
// # What every store guarantees
//
//   - What a call has stored is durable when it returns, and no call returns what is not yet durable.
//   - A record is made once: neither its public key nor its label may be taken. Of two that try, one succeeds.
//   - Header and sealed bytes are replaced only if they still are what the caller saw, and at once.
//   - Damage that can be noticed is hsm.ErrCorrupt, never a missing key.
//
// Errors wrap the sentinels of package hsm.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/claystack/dvkeys/hsm"
)

// Sizes and limits of what a store holds, in bytes.
const (
	PublicKeySize = 48
	MaxHeader     = 2048
	MaxSealed     = 2048
)

// Record is one stored key.
type Record struct {
	PublicKey [PublicKeySize]byte // the BLS public key, compressed
	Label     string              // as hsm.CheckLabel accepts; "" if none
	Sealed    []byte              // what the backend encrypted, 1 to MaxSealed bytes
}

// Store keeps records. It is safe for concurrent use, also by several processes where it says so.
type Store interface {
	// Header returns what the backend keeps for the store as a whole, nil if nothing yet.
	Header(ctx context.Context) ([]byte, error)

	// SetHeader replaces the header, at most MaxHeader bytes, if it is still old (nil: none yet), and else fails with
	// ErrChanged.
	SetHeader(ctx context.Context, old, next []byte) error

	// Put stores a new record. One with the same public key or the same label is an *ExistsError and stays as it is.
	Put(ctx context.Context, r Record) error

	// Get returns the record of a public key, or hsm.ErrNotFound.
	Get(ctx context.Context, publicKey [PublicKeySize]byte) (Record, error)

	// Lookup returns the record with a label that is not "", or hsm.ErrNotFound.
	Lookup(ctx context.Context, label string) (Record, error)

	// Replace stores other sealed bytes for a record if they are still old, and else fails with ErrChanged, or
	// hsm.ErrNotFound if the record is gone. The label stays.
	Replace(ctx context.Context, publicKey [PublicKeySize]byte, old, next []byte) error

	// Delete removes a record and its label, or fails with hsm.ErrNotFound.
	Delete(ctx context.Context, publicKey [PublicKeySize]byte) error

	// List yields all public keys in ascending order and stops after the first error. The loop's body may use the
	// store. Records stored or deleted meanwhile may or may not be listed.
	List(ctx context.Context) iter.Seq2[[PublicKeySize]byte, error]

	// String names the store: a file, a database and a set of keys in it. It holds no password.
	String() string

	// Close ends the use of the store; later calls fail with hsm.ErrClosed. A second Close does nothing.
	Close() error
}

// ErrChanged: what is stored is not what the caller saw. Nothing was stored; read it again.
var ErrChanged = errors.New("store: changed meanwhile")

// ExistsError reports that a record with the same public key or the same label is stored. It wraps hsm.ErrExists.
type ExistsError struct {
	PublicKey [PublicKeySize]byte // of the stored record
	Label     string              // of the stored record
}

// Error names the stored record by its public key and label.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("store: key %#x is stored already, with the label %q", e.PublicKey, e.Label)
}

// Unwrap returns hsm.ErrExists.
func (e *ExistsError) Unwrap() error { return hsm.ErrExists }

// Check returns an error unless the label is one that hsm.CheckLabel accepts and there are 1 to MaxSealed sealed bytes.
// Stores call it before anything else.
func (r Record) Check() error {
	if err := hsm.CheckLabel(r.Label); err != nil {
		return err
	}
	return CheckSealed(r.Sealed)
}

// CheckSealed returns an error unless there are 1 to MaxSealed bytes.
func CheckSealed(sealed []byte) error {
	if len(sealed) == 0 || len(sealed) > MaxSealed {
		return fmt.Errorf("store: %d sealed bytes, expected 1 to %d", len(sealed), MaxSealed)
	}
	return nil
}

// CheckHeader returns an error unless there are 1 to MaxHeader bytes.
func CheckHeader(header []byte) error {
	if len(header) == 0 || len(header) > MaxHeader {
		return fmt.Errorf("store: a header of %d bytes, expected 1 to %d", len(header), MaxHeader)
	}
	return nil
}
