package slashing

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
	"github.com/claystack/dvkeys/signer/slashing/internal/interchange"
)

// Import unites the histories in an interchange file (EIP-3076, version 5) with
// those of the store: all of them in one transaction, or none if the file has a
// fault or is of another chain. It may run while others sign.
func (s *Store) Import(ctx context.Context, file []byte) error {
	validators, err := interchange.Parse(file, s.root)
	if err != nil {
		return s.wrap("import into", fmt.Errorf("interchange file: %w", err))
	}
	if len(validators) == 0 {
		return nil
	}
	return s.update(ctx, "import into", func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		// All is read before anything is written: a change that fails must not leave a part of itself.
		stored, merged := make([]record, len(validators)), make([]history.Record, len(validators))
		for i, v := range validators {
			if stored[i], err = t.record(v.Key.Bytes()); err != nil {
				return err
			}
			merged[i] = history.Merge(stored[i].Record, history.Record{Blocks: v.Blocks, Votes: v.Votes}, t.header.strategy == Complete)
		}
		for i, v := range validators {
			if err := t.replace(v.Key.Bytes(), stored[i], merged[i]); err != nil {
				return err
			}
		}
		return t.end()
	})
}

// Export stops the signing of the given validators, or of all if none is given, and
// then returns their histories as an interchange file (EIP-3076, version 5). They
// stay stopped, over a restart as well, until Resume. A validator that the store
// does not know is stopped too, and has an empty history in the file.
func (s *Store) Export(ctx context.Context, validators ...keyshare.PublicKey) ([]byte, error) {
	if err := s.setStopped(ctx, "stop signing in", true, validators); err != nil {
		return nil, err
	}
	w := interchange.NewWriter(s.root)
	err := s.file.View(func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		if len(validators) == 0 {
			if validators, err = t.list(); err != nil {
				return err
			}
		}
		for _, v := range validators {
			r, err := t.record(v.Bytes())
			if err != nil {
				return err
			}
			w.Add(v, r.Record)
		}
		return nil
	})
	if err != nil {
		return nil, s.wrap("export from", err)
	}
	file, err := w.File()
	return file, s.wrap("export from", err)
}

// Resume lets the given validators sign again whose signing an Export stopped. With
// no validators it takes back an Export of all; those that were stopped by name
// stay stopped. Only call it where the exported history is not in use elsewhere.
func (s *Store) Resume(ctx context.Context, validators ...keyshare.PublicKey) error {
	return s.setStopped(ctx, "resume signing in", false, validators)
}

func (s *Store) setStopped(ctx context.Context, what string, stopped bool, validators []keyshare.PublicKey) error {
	for _, v := range validators {
		if v.IsZero() {
			return s.wrap(what, errors.New("a public key is missing"))
		}
	}
	return s.update(ctx, what, func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		if len(validators) == 0 {
			t.header.stopped = stopped
			return t.file.Put(headerKey, encodeHeader(t.header))
		}
		states := make([]validator, len(validators))
		for i, v := range validators {
			if states[i], err = t.validator(v.Bytes()); err != nil {
				return err
			}
		}
		for i, v := range validators {
			states[i].stopped = stopped
			if err := t.putValidator(v.Bytes(), states[i]); err != nil {
				return err
			}
		}
		return t.end()
	})
}

// record is all that is stored of a validator.
type record struct {
	history.Record
	stopped bool
}

func (t *transaction) record(k key) (r record, err error) {
	v, err := t.validator(k)
	if err != nil {
		return record{}, err
	}
	r.Marks, r.stopped = v.marks, v.stopped
	if r.Blocks, err = entries(t.blocks, k, decodeBlock); err != nil {
		return record{}, err
	}
	r.Votes, err = entries(t.votes, k, decodeVote)
	return r, err
}

// entries returns a validator's entries of one bucket in ascending order.
func entries[E any](b *bbolt.Bucket, k key, decode func(k, value []byte) (E, error)) (list []E, err error) {
	c := b.Cursor()
	for key, value := c.Seek(k[:]); bytes.HasPrefix(key, k[:]); key, value = c.Next() {
		e, err := decode(key, value)
		if err != nil {
			return nil, fmt.Errorf("%w: entry %#x %w", ErrCorrupt, key, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// replace stores a validator's history in place of the one that was read.
func (t *transaction) replace(k key, stored record, merged history.Record) error {
	for _, b := range stored.Blocks {
		if err := t.remove(t.blocks, entryKey(k, b.Slot)); err != nil {
			return err
		}
	}
	for _, v := range stored.Votes {
		if err := t.remove(t.votes, entryKey(k, v.Target)); err != nil {
			return err
		}
	}
	for _, b := range merged.Blocks {
		if err := t.putBlock(k, b); err != nil {
			return err
		}
	}
	for _, v := range merged.Votes {
		if err := t.putVote(k, v); err != nil {
			return err
		}
	}
	return t.putValidator(k, validator{marks: merged.Marks, stopped: stored.stopped})
}

// list returns all validators that the file knows.
func (t *transaction) list() (all []keyshare.PublicKey, err error) {
	seen := map[key]bool{}
	for _, b := range []*bbolt.Bucket{t.validators, t.blocks, t.votes} {
		c := b.Cursor()
		for k, _ := c.First(); k != nil; {
			owner := key(k[:keyshare.PublicKeySize])
			if !seen[owner] {
				seen[owner] = true
				pk, err := keyshare.ParsePublicKey(k[:keyshare.PublicKeySize])
				if err != nil {
					return nil, fmt.Errorf("%w: validator %#x: %w", ErrCorrupt, owner, err)
				}
				all = append(all, pk)
			}
			k, _ = c.Seek(append(owner[:], bytes.Repeat([]byte{0xFF}, 9)...)) // past the owner's entries
		}
	}
	return all, nil
}
