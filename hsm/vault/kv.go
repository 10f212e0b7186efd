package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// KV says where in Vault sealed records are kept: below a path of a KV version 2 engine. The entries are header, keys/*
// and records/*, written with check-and-set only.
type KV struct {
	Mount string // of the engine; "" stands for "secret"
	Path  string // below it; "" stands for "dvkeys"
}

// kv is a store.Store. A key is two entries:
//
//	keys/<public key>  the name of the key's record
//	records/<name>     public key, label and sealed bytes; the name is made from the label, or from the public key
//
// and is there if and only if each names the other. Vault has no transactions over several entries; check-and-set of one
// and this rule stand in for them: who writes both entries last has the key, and what a process that was killed between
// them left behind does not exist, and is overwritten by the next.
type kv struct {
	session *session
	owned   bool // the session is this store's to close
	where   KV
	device  string
	closed  atomic.Bool
}

// OpenKV logs in and returns the store of sealed records at a place of a KV version 2 engine, for a backend whose keys are
// sealed elsewhere: by a PKCS #11 token, for one. OpenTransit has its own. Several processes may use one place at the same
// time. The token's policy must allow to create, read and update data/, to read and list metadata/ and to update destroy/
// below the place; c.Mount and c.Coalesce are not used.
func OpenKV(ctx context.Context, c Config, where KV) (store.Store, error) {
	s, err := openSession(ctx, c)
	if err != nil {
		return nil, err
	}
	records, err := newKV(s, where)
	if err == nil {
		records.owned = true
		_, err = records.Header(ctx) // that it can be read
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return records, nil
}

func newKV(s *session, where KV) (*kv, error) {
	var err error
	if where.Mount, err = checkMount("KV mount", where.Mount, "secret"); err != nil {
		return nil, err
	}
	if where.Path, err = checkMount("KV path", where.Path, "dvkeys"); err != nil {
		return nil, err
	}
	return &kv{session: s, where: where, device: s.device(where.Mount + "/data/" + where.Path)}, nil
}

func (s *kv) String() string { return "KV version 2, " + s.device }

// GoString is String.
func (s *kv) GoString() string { return s.String() }

// Close implements store.Store.
func (s *kv) Close() error {
	if !s.closed.Swap(true) && s.owned {
		s.session.close()
	}
	return nil
}

func (s *kv) usable(ctx context.Context) error {
	if s.closed.Load() {
		return closed()
	}
	return s.session.usable(ctx)
}

// at returns the path of an entry for an operation: data, metadata or destroy.
func (s *kv) at(operation, entry string) string {
	return s.where.Mount + "/" + operation + "/" + s.where.Path + "/" + entry
}

// version numbers the writes of an entry from 1 on; 0 is before the first.
type version int

// get reads an entry into v and returns its version, 0 if there is nothing in it now.
func (s *kv) get(ctx context.Context, entry string, v any) (version, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	answer := struct {
		Data     any `json:"data"`
		Metadata struct {
			Version version `json:"version"`
			written
		} `json:"metadata"`
	}{Data: v}
	err := s.do(ctx, &request{doing: "reading " + entry, method: http.MethodGet, path: s.at("data", entry), read: into(&answer)})
	if errors.Is(err, hsm.ErrNotFound) {
		return 0, nil
	}
	if err == nil && answer.Metadata.Version < 1 {
		err = &Error{Doing: "reading " + entry, Fault: "the answer has no version", Remedy: "mount a KV engine of version 2 there", is: hsm.ErrDenied}
	}
	if entry == headerPath && err == nil { // without which no record opens
		err = answer.Metadata.stays("reading " + entry)
	}
	return answer.Metadata.Version, err
}

// written is what the engine says of a version.
type written struct {
	Deletion string `json:"deletion_time"` // when it will go by itself; "" for never
}

// stays returns an error if the engine is going to delete an entry by itself.
func (w written) stays(doing string) error {
	if w.Deletion == "" {
		return nil
	}
	return &Error{Doing: doing, Fault: fmt.Sprintf("the engine is going to delete it on %.40s", w.Deletion), is: hsm.ErrDenied,
		Remedy: "set delete_version_after of the KV engine, and of the metadata below the path, to 0s, and write again what was written meanwhile"}
}

// getLast is get, but an entry in which nothing is now has the version of its last write, 0 only if there was none. What
// it returns was so at one moment.
func (s *kv) getLast(ctx context.Context, entry string, v any) (found bool, last version, err error) {
	if last, err = s.get(ctx, entry, v); err != nil || last > 0 {
		return err == nil, last, err
	}
	var metadata struct {
		Current version `json:"current_version"`
	}
	err = s.do(ctx, &request{doing: "reading the version of " + entry, method: http.MethodGet, path: s.at("metadata", entry), read: into(&metadata)})
	if err != nil && !errors.Is(err, hsm.ErrNotFound) {
		return false, 0, err
	}
	// It may have been written between the two reads. If it is still empty, it was when the version was read.
	if last, err = s.get(ctx, entry, v); err != nil || last > 0 {
		return err == nil, last, err
	}
	return false, metadata.Current, nil
}

// mismatch is the error of a write after which the entry has another version than was expected. If the write was sent more
// than once, it may have been by its own first attempt, whose answer was lost.
type mismatch struct{ repeated bool }

func (*mismatch) Error() string { return "vault: the entry has been written meanwhile" }

// set writes an entry if its last version is still after. If it is not, the error is a *mismatch. An entry that will not
// last is an error too, so that no key that depends on it becomes known.
func (s *kv) set(ctx context.Context, entry string, v any, after version) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	attempts := 0
	var made written
	body := map[string]any{"options": map[string]any{"cas": after}, "data": v}
	err := s.do(ctx, &request{doing: "writing " + entry, method: http.MethodPut, path: s.at("data", entry), body: body, sent: func() { attempts++ }, read: into(&made)})
	if e := (*Error)(nil); errors.As(err, &e) && e.Status == http.StatusBadRequest && strings.Contains(e.Fault, "check-and-set") {
		return &mismatch{attempts > 1}
	}
	if err == nil {
		err = made.stays("writing " + entry)
	}
	return err
}

// destroy removes what all versions up to one wrote.
func (s *kv) destroy(ctx context.Context, entry string, upTo version) error {
	versions := make([]version, 0, upTo)
	for v := max(1, upTo-99); v <= upTo; v++ { // the engine keeps ten unless told otherwise
		versions = append(versions, v)
	}
	return s.do(ctx, &request{doing: "destroying " + entry, method: http.MethodPut, path: s.at("destroy", entry), body: map[string]any{"versions": versions}})
}

// names lists the entries below a folder.
func (s *kv) names(ctx context.Context, folder string) ([]string, error) {
	var list struct {
		Keys []string `json:"keys"`
	}
	err := s.do(ctx, &request{doing: "listing " + folder, method: "LIST", path: s.at("metadata", folder), read: into(&list)})
	if errors.Is(err, hsm.ErrNotFound) {
		return nil, nil
	}
	return list.Keys, err
}

// do is the session's, for an engine that says of itself, for a moment after it was mounted, that it is upgrading.
func (s *kv) do(ctx context.Context, r *request) error {
	return persist(ctx, s.session.config.Patience, false, func() error {
		err := s.session.do(ctx, r)
		if e := (*Error)(nil); errors.As(err, &e) && strings.Contains(e.Fault, "Upgrading from non-versioned") {
			e.is = hsm.ErrUnavailable
		}
		return err
	})
}

func corrupt(doing, format string, args ...any) error {
	return &Error{Doing: doing, Fault: fmt.Sprintf(format, args...), Remedy: "restore it from a copy, or undelete an older version", is: hsm.ErrCorrupt}
}
