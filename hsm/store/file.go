package store

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/keyfile"
)

// kind is what the file says that it is. Files of other backends are refused.
const kind = "store"

// Options change how OpenFile works. The zero value, and nil, are the defaults.
type Options struct {
	// MustExist makes OpenFile fail with fs.ErrNotExist where it would make a new file.
	MustExist bool
}

// file is a Store in one file.
type file struct{ f *keyfile.File }

// OpenFile opens the file at path, or makes it (with mode 0600, the folder has to exist). It is read and verified as a
// whole, about 50 ms for 100,000 records, and belongs to one process at a time: if another has it open, the error is
// hsm.ErrUnavailable. A truncated or damaged file is hsm.ErrCorrupt and is not changed. A file to which others than its
// owner and group have access is refused.
func OpenFile(path string, o *Options) (Store, error) {
	f, err := keyfile.Open(path, kind)
	if errors.Is(err, fs.ErrNotExist) && (o == nil || !o.MustExist) {
		err = keyfile.Create(path, kind, func(keyfile.ID) ([]byte, error) { return nil, nil })
		if err == nil || errors.Is(err, fs.ErrExist) {
			f, err = keyfile.Open(path, kind)
		}
	}
	if err != nil {
		return nil, translate(err)
	}
	return file{f}, nil
}

func (s file) Header(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	header, err := s.f.Header()
	if err != nil {
		return nil, translate(err)
	}
	if len(header) == 0 {
		return nil, nil
	}
	return header, nil
}

func (s file) SetHeader(ctx context.Context, old, next []byte) error {
	if err := errors.Join(CheckHeader(next), ctx.Err()); err != nil {
		return err
	}
	return translate(s.f.ReplaceHeader(old, next))
}

func (s file) Put(ctx context.Context, r Record) error {
	if err := errors.Join(r.Check(), ctx.Err()); err != nil {
		return err
	}
	err := s.f.Put(keyfile.Record(r))
	if e := (*keyfile.ExistsError)(nil); errors.As(err, &e) {
		return &ExistsError{PublicKey: e.PublicKey, Label: e.Label}
	}
	return translate(err)
}

func (s file) Get(ctx context.Context, publicKey [PublicKeySize]byte) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	r, err := s.f.Get(publicKey)
	return Record(r), translate(err)
}

func (s file) Lookup(ctx context.Context, label string) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	r, err := s.f.Lookup(label)
	return Record(r), translate(err)
}

func (s file) Replace(ctx context.Context, publicKey [PublicKeySize]byte, old, next []byte) error {
	if err := errors.Join(CheckSealed(next), ctx.Err()); err != nil {
		return err
	}
	return translate(s.f.Replace(publicKey, old, next))
}

func (s file) Delete(ctx context.Context, publicKey [PublicKeySize]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return translate(s.f.Delete(publicKey))
}

// page is how many keys are read at a time. No transaction is open while the loop's body runs.
const page = 256

func (s file) List(ctx context.Context) iter.Seq2[[PublicKeySize]byte, error] {
	return func(yield func([PublicKeySize]byte, error) bool) {
		var last []byte
		for {
			keys, err := s.f.After(last, page)
			if err == nil && len(keys) == 0 {
				return
			}
			for i := 0; err == nil && i < len(keys); i++ {
				if err = ctx.Err(); err == nil && !yield(keys[i], nil) {
					return
				}
				last = keys[i][:]
			}
			if err != nil {
				yield([PublicKeySize]byte{}, translate(err))
				return
			}
		}
	}
}

func (s file) String() string { return "file " + s.f.Path() }

func (s file) Close() error { return translate(s.f.Close()) }

// fault is an error that wraps a sentinel of package hsm and leaves the wording to its cause.
type fault struct{ sentinel, cause error }

func (f *fault) Error() string   { return "store: " + f.cause.Error() }
func (f *fault) Unwrap() []error { return []error{f.sentinel, f.cause} }

var sentinels = []struct{ of, is error }{
	{keyfile.ErrNotFound, hsm.ErrNotFound},
	{keyfile.ErrCorrupt, hsm.ErrCorrupt},
	{keyfile.ErrChanged, ErrChanged},
	{keyfile.ErrInUse, hsm.ErrUnavailable},
	{keyfile.ErrNoSpace, hsm.ErrUnavailable},
	{keyfile.ErrFailed, hsm.ErrUnavailable},
	{keyfile.ErrClosed, hsm.ErrClosed},
}

// translate wraps the sentinel of package hsm that fits the error of a key file.
func translate(err error) error {
	for _, s := range sentinels {
		if errors.Is(err, s.of) {
			return &fault{s.is, err}
		}
	}
	return err
}
