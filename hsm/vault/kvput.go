package vault

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"

	"github.com/claystack/dvkeys/hsm/store"
)

// How two entries are written as if at once. A key's entry is written first, then the record, and the record only if its
// entry was not written since before the key's was. Who wants a key's entry that names a record which is not there, left
// behind by a process that was killed or about to be written by one that is not, voids that record before it takes the
// entry: then either the other has written the record already, which is seen, or it can not any more, and starts anew.

// Put implements store.Store.
func (s *kv) Put(ctx context.Context, r store.Record) error {
	if err := errors.Join(r.Check(), s.usable(ctx)); err != nil {
		return err
	}
	name := nameOfRecord(r.PublicKey, r.Label)
	ofRecord := version(0) // an entry that was never written needs no look
	for {
		err := s.point(ctx, r, name)
		if err == nil {
			err = s.claim(ctx, r, name, ofRecord)
		}
		if m := (*mismatch)(nil); !errors.As(err, &m) {
			return err
		}
		if held, found, err := s.holder(ctx, name); err != nil {
			return err
		} else if found {
			return &store.ExistsError{PublicKey: held.PublicKey, Label: held.Label}
		}
		if _, _, ofRecord, err = s.look(ctx, name); err != nil {
			return err
		}
	}
}

// point writes the key's entry, unless the key is stored.
func (s *kv) point(ctx context.Context, r store.Record, name string) error {
	entry := keyPath(r.PublicKey)
	err := s.set(ctx, entry, pointer{name}, 0)
	if m := (*mismatch)(nil); !errors.As(err, &m) {
		return err
	}
	var p pointer
	_, ofKey, err := s.getLast(ctx, entry, &p)
	if err != nil {
		return err
	}
	if p.Record != "" && p.Record != name {
		if err := s.void(ctx, r, p.Record); err != nil {
			return err
		}
	}
	return s.set(ctx, entry, pointer{name}, ofKey)
}

// void keeps another from writing the record that the key's entry names, unless it has written it.
func (s *kv) void(ctx context.Context, r store.Record, name string) error {
	stored, found, ofRecord, err := s.look(ctx, name)
	switch {
	case err != nil:
		return err
	case found && stored.PublicKey == r.PublicKey:
		return &store.ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
	case found:
		return nil // another key's: who wants it for this key has to void it first
	}
	return s.set(ctx, recordPath+name, record{Void: true}, ofRecord)
}

// claim writes the record if its entry has the version that it had before the key's entry was written.
func (s *kv) claim(ctx context.Context, r store.Record, name string, ofRecord version) error {
	err := s.set(ctx, recordPath+name, record{PublicKey: hex.EncodeToString(r.PublicKey[:]), Label: r.Label, Sealed: r.Sealed}, ofRecord)
	if m := (*mismatch)(nil); errors.As(err, &m) && m.repeated {
		if stored, lookErr := s.Get(ctx, r.PublicKey); lookErr == nil && same(stored, r) {
			return nil
		}
	}
	return err
}

func same(a, b store.Record) bool {
	return a.PublicKey == b.PublicKey && a.Label == b.Label && bytes.Equal(a.Sealed, b.Sealed)
}
