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
		Void      bool   `json:"void,omitempty"` // there is no record: see void
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
	_, v, err := s.getLast(ctx, headerPath, &h)
	if err != nil {
		return err
	}
	if !bytes.Equal(h.Header, old) {
		return store.ErrChanged
	}
	err = s.set(ctx, headerPath, headerEntry{next}, v)
	if m := (*mismatch)(nil); !errors.As(err, &m) {
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

// look returns a record, which may be nobody's, and the version of its entry's last write, whether or not it is there.
func (s *kv) look(ctx context.Context, name string) (r store.Record, found bool, last version, err error) {
	if strings.Contains(name, "/") {
		return store.Record{}, false, 0, corrupt("reading a record", "a key's entry names %.120q", name)
	}
	var e record
	if found, last, err = s.getLast(ctx, recordPath+name, &e); err != nil || !found || e.Void {
		return store.Record{}, false, last, err
	}
	r = store.Record{Label: e.Label, Sealed: e.Sealed}
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
		return store.Record{}, false, 0, corrupt("reading a record", "record %s: %v", name, err)
	}
	return r, true, last, nil
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
	found := false
	if ofKey > 0 {
		if r, found, ofRecord, err = s.look(ctx, p.Record); err != nil {
			return store.Record{}, 0, 0, err
		}
	}
	if !found || r.PublicKey != pk {
		return store.Record{}, 0, 0, &Error{Doing: "reading a record", Fault: fmt.Sprintf("there is none of key %#x", pk), is: hsm.ErrNotFound}
	}
	return r, ofKey, ofRecord, nil
}

// Lookup implements store.Store.
func (s *kv) Lookup(ctx context.Context, label string) (store.Record, error) {
	r, found, err := s.holder(ctx, nameOfRecord([store.PublicKeySize]byte{}, label))
	if err != nil {
		return store.Record{}, err
	}
	if !found || label == "" {
		return store.Record{}, &Error{Doing: "reading a record", Fault: fmt.Sprintf("there is none with the label %q", label), is: hsm.ErrNotFound}
	}
	return r, nil
}

// holder returns the record of a name if a key has it.
func (s *kv) holder(ctx context.Context, name string) (store.Record, bool, error) {
	r, found, _, err := s.look(ctx, name)
	if err != nil || !found {
		return store.Record{}, false, err
	}
	r, err = s.Get(ctx, r.PublicKey)
	if errors.Is(err, hsm.ErrNotFound) {
		return store.Record{}, false, nil
	}
	return r, err == nil && nameOfRecord(r.PublicKey, r.Label) == name, err
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
	err = s.set(ctx, recordPath+nameOfRecord(pk, r.Label), record{PublicKey: hex.EncodeToString(pk[:]), Label: r.Label, Sealed: next}, v)
	if m := (*mismatch)(nil); !errors.As(err, &m) {
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
