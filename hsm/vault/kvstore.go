package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// headerEntry, pointer and record are the entries' contents.
type (
	headerEntry struct {
		Header []byte `json:"header"`
	}
	pointer struct {
		Record string `json:"record"`
	}
	record struct {
		PublicKey string `json:"public_key"` // hex
		Label     string `json:"label"`
		Sealed    []byte `json:"sealed"`
	}
)

const (
	headerPath = "header"
	keysPath   = "keys/"
	recordPath = "records/"
)

// nameOfRecord returns the name of the record that a key has.
func nameOfRecord(pk [store.PublicKeySize]byte, label string) string {
	if label == "" {
		return "key-" + hex.EncodeToString(pk[:])
	}
	sum := sha256.Sum256([]byte(label))
	return "label-" + hex.EncodeToString(sum[:])
}

func keyPath(pk [store.PublicKeySize]byte) string { return keysPath + hex.EncodeToString(pk[:]) }

// Header implements store.Store.
func (s *kv) Header(ctx context.Context) ([]byte, error) {
	var h headerEntry
	v, err := s.get(ctx, headerPath, &h)
	if err != nil || v == 0 {
		return nil, err
	}
	if store.CheckHeader(h.Header) != nil {
		return nil, corrupt("reading the store's header", "it has %d bytes", len(h.Header))
	}
	return h.Header, nil
}

// SetHeader implements store.Store.
func (s *kv) SetHeader(ctx context.Context, old, next []byte) error {
	if err := errors.Join(store.CheckHeader(next), s.usable(ctx)); err != nil {
		return err
	}
	var h headerEntry
	v, err := s.get(ctx, headerPath, &h)
	if err == nil && v == 0 {
		v, err = s.last(ctx, headerPath)
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(h.Header, old) {
		return store.ErrChanged
	}
	err = s.set(ctx, headerPath, headerEntry{next}, v)
	if !errors.Is(err, errMismatch) {
		return err
	}
	h = headerEntry{}
	if _, err := s.get(ctx, headerPath, &h); err != nil {
		return err
	}
	if !bytes.Equal(h.Header, next) {
		return store.ErrChanged
	}
	return nil
}

// readRecord returns a record that may be nobody's, and its version.
func (s *kv) readRecord(ctx context.Context, name string) (store.Record, version, error) {
	if strings.Contains(name, "/") {
		return store.Record{}, 0, corrupt("reading a record", "a key's entry names %.120q", name)
	}
	var e record
	v, err := s.get(ctx, recordPath+name, &e)
	if err != nil || v == 0 {
		return store.Record{}, 0, err
	}
	r := store.Record{Label: e.Label, Sealed: e.Sealed}
	pk, err := hex.DecodeString(e.PublicKey)
	if err == nil && len(pk) == len(r.PublicKey) {
		copy(r.PublicKey[:], pk)
	} else {
		err = errors.New("has no public key")
	}
	if err = errors.Join(err, r.Check()); err == nil && nameOfRecord(r.PublicKey, r.Label) != name {
		err = errors.New("is another key's")
	}
	if err != nil {
		return store.Record{}, 0, corrupt("reading a record", "record %s: %v", name, err)
	}
	return r, v, nil
}

// Get implements store.Store.
func (s *kv) Get(ctx context.Context, pk [store.PublicKeySize]byte) (store.Record, error) {
	r, _, _, err := s.find(ctx, pk)
	return r, err
}

// find returns a key's record with the versions of its two entries, or hsm.ErrNotFound.
func (s *kv) find(ctx context.Context, pk [store.PublicKeySize]byte) (r store.Record, ofKey, ofRecord version, err error) {
	var p pointer
	if ofKey, err = s.get(ctx, keyPath(pk), &p); err != nil {
		return store.Record{}, 0, 0, err
	}
	if ofKey > 0 {
		if r, ofRecord, err = s.readRecord(ctx, p.Record); err != nil {
			return store.Record{}, 0, 0, err
		}
	}
	if ofRecord == 0 || r.PublicKey != pk {
		return store.Record{}, 0, 0, &Error{Doing: "reading a record", Fault: fmt.Sprintf("there is none of key %#x", pk), is: hsm.ErrNotFound}
	}
	return r, ofKey, ofRecord, nil
}

// Lookup implements store.Store.
func (s *kv) Lookup(ctx context.Context, label string) (store.Record, error) {
	r, v, err := s.readRecord(ctx, nameOfRecord([store.PublicKeySize]byte{}, label))
	if err != nil {
		return store.Record{}, err
	}
	if v > 0 && label != "" {
		if r, err = s.Get(ctx, r.PublicKey); err == nil && r.Label == label {
			return r, nil
		} else if err != nil && !errors.Is(err, hsm.ErrNotFound) {
			return store.Record{}, err
		}
	}
	return store.Record{}, &Error{Doing: "reading a record", Fault: fmt.Sprintf("there is none with the label %q", label), is: hsm.ErrNotFound}
}

// Put implements store.Store: first the entry of the key, then that of the record, then a look whether the first still
// stands.
func (s *kv) Put(ctx context.Context, r store.Record) error {
	if err := errors.Join(r.Check(), s.usable(ctx)); err != nil {
		return err
	}
	name := nameOfRecord(r.PublicKey, r.Label)
	if err := s.point(ctx, r, name); err != nil {
		return err
	}
	if err := s.claim(ctx, r, name); err != nil {
		return err
	}
	stored, err := s.Get(ctx, r.PublicKey)
	switch {
	case errors.Is(err, hsm.ErrNotFound):
		return &Error{Doing: "storing a record", Fault: fmt.Sprintf("key %#x was deleted meanwhile", r.PublicKey), is: hsm.ErrUnavailable}
	case err != nil:
		return err
	case !same(stored, r):
		return &store.ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
	}
	return nil
}

func same(a, b store.Record) bool {
	return a.PublicKey == b.PublicKey && a.Label == b.Label && bytes.Equal(a.Sealed, b.Sealed)
}

// point makes the key's entry name the record, unless the key is stored.
func (s *kv) point(ctx context.Context, r store.Record, name string) error {
	entry := keyPath(r.PublicKey)
	for after := version(0); ; {
		err := s.set(ctx, entry, pointer{name}, after)
		if !errors.Is(err, errMismatch) {
			return err
		}
		stored, err := s.Get(ctx, r.PublicKey)
		switch {
		case err == nil && !same(stored, r):
			return &store.ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
		case err != nil && !errors.Is(err, hsm.ErrNotFound):
			return err
		}
		var p pointer
		v, err := s.get(ctx, entry, &p)
		if err != nil || v > 0 && p.Record == name {
			return err
		}
		if after, err = s.last(ctx, entry); err != nil {
			return err
		}
	}
}

// claim writes the record, unless there is one of that name that is some key's.
func (s *kv) claim(ctx context.Context, r store.Record, name string) error {
	entry, value := recordPath+name, record{hex.EncodeToString(r.PublicKey[:]), r.Label, r.Sealed}
	for after := version(0); ; {
		err := s.set(ctx, entry, value, after)
		if !errors.Is(err, errMismatch) {
			return err
		}
		other, v, err := s.readRecord(ctx, name)
		if err != nil || v > 0 && same(other, r) {
			return err
		}
		if after = v; v == 0 {
			if after, err = s.last(ctx, entry); err != nil {
				return err
			}
			continue
		}
		stored, err := s.Get(ctx, other.PublicKey)
		if err == nil && stored.Label == r.Label {
			return &store.ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
		}
		if err != nil && !errors.Is(err, hsm.ErrNotFound) {
			return err
		}
	}
}

// Replace implements store.Store.
func (s *kv) Replace(ctx context.Context, pk [store.PublicKeySize]byte, old, next []byte) error {
	if err := errors.Join(store.CheckSealed(next), s.usable(ctx)); err != nil {
		return err
	}
	r, _, v, err := s.find(ctx, pk)
	if err != nil {
		return err
	}
	if !bytes.Equal(r.Sealed, old) {
		return store.ErrChanged
	}
	name := nameOfRecord(pk, r.Label)
	err = s.set(ctx, recordPath+name, record{hex.EncodeToString(pk[:]), r.Label, next}, v)
	if !errors.Is(err, errMismatch) {
		return err
	}
	if r, err = s.Get(ctx, pk); err == nil && !bytes.Equal(r.Sealed, next) {
		return store.ErrChanged
	}
	return err
}

// Delete implements store.Store. All versions of the entries are destroyed; their names remain.
func (s *kv) Delete(ctx context.Context, pk [store.PublicKeySize]byte) error {
	for deleted := false; ; deleted = true {
		r, ofKey, ofRecord, err := s.find(ctx, pk)
		if deleted && errors.Is(err, hsm.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		// The record first: without it the key does not exist. Then once more, for a version that was written meanwhile.
		if err := s.destroy(ctx, recordPath+nameOfRecord(pk, r.Label), ofRecord); err != nil {
			return err
		}
		if err := s.destroy(ctx, keyPath(pk), ofKey); err != nil {
			return err
		}
	}
}

// look is how many keys List looks at together.
const look = 32

// List implements store.Store. It reads every key's entries, since names of deleted ones remain.
func (s *kv) List(ctx context.Context) iter.Seq2[[store.PublicKeySize]byte, error] {
	return func(yield func([store.PublicKeySize]byte, error) bool) {
		var names []string
		err := s.usable(ctx)
		if err == nil {
			names, err = s.names(ctx, keysPath)
		}
		for err == nil && len(names) > 0 {
			n := min(look, len(names))
			var keys [look][store.PublicKeySize]byte
			var errs [look]error
			var done sync.WaitGroup
			for i, name := range names[:n] {
				done.Go(func() {
					pk, err := hex.DecodeString(name)
					if err != nil || len(pk) != store.PublicKeySize {
						errs[i] = corrupt("listing keys", "entry %.120q is no public key", name)
						return
					}
					copy(keys[i][:], pk)
					_, _, _, errs[i] = s.find(ctx, keys[i])
				})
			}
			done.Wait()
			for i := range n {
				if err = ctx.Err(); err == nil && !errors.Is(errs[i], hsm.ErrNotFound) {
					err = errs[i]
					if err == nil && !yield(keys[i], nil) {
						return
					}
				}
				if err != nil {
					break
				}
			}
			names = names[n:]
		}
		if err != nil {
			yield([store.PublicKeySize]byte{}, err)
		}
	}
}
