package software

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// kind is what key files of this backend say that they are.
const kind = "software"

// Options change how Open works. The zero value, and nil, are the defaults.
type Options struct {
	// MustExist makes Open fail with fs.ErrNotExist where it would make a new file.
	MustExist bool
}

// Backend is an open key file. It implements hsm.Backend.
type Backend struct {
	file    *keyfile.File
	dataKey *secret.Key

	mu   sync.Mutex
	keys map[keyshare.PublicKey]*key // that are open; nil after Close

	changing sync.Mutex // one new passphrase at a time
}

// Open opens the key file at path, or makes it (with mode 0600, the folder has to exist). The passphrase is asked for
// once, or twice if another process makes the file at the same time. A new file is on disk, under its name and complete, when Open returns; a file that exists is never replaced.
//
// Errors wrap ErrPassphrase for a wrong passphrase, hsm.ErrUnavailable if another process has the file open,
// hsm.ErrCorrupt if the file is damaged, cut short or not a key file, and fs.ErrNotExist or fs.ErrPermission as files do.
// A file to which others than its owner and group have access is refused.
func Open(path string, passphrase Passphrase, o *Options) (*Backend, error) {
	file, err := keyfile.Open(path, kind)
	var dataKey *secret.Key
	if errors.Is(err, fs.ErrNotExist) && (o == nil || !o.MustExist) {
		file, dataKey, err = create(path, passphrase)
	}
	if err != nil {
		return nil, translate(err)
	}
	if dataKey == nil {
		if dataKey, err = unlock(file, passphrase); err != nil {
			return nil, errors.Join(translate(err), file.Close())
		}
	}
	return &Backend{file: file, dataKey: dataKey, keys: map[keyshare.PublicKey]*key{}}, nil
}

// create makes a new file and opens it. It returns no data key if another process was faster and the file is that one's.
func create(path string, passphrase Passphrase) (*keyfile.File, *secret.Key, error) {
	dataKey, err := secret.NewKey()
	if err != nil {
		return nil, nil, err
	}
	var made keyfile.ID
	err = keyfile.Create(path, kind, func(id keyfile.ID) ([]byte, error) {
		made = id
		return wrap(id, dataKey, passphrase)
	})
	var file *keyfile.File
	if err == nil || errors.Is(err, fs.ErrExist) {
		file, err = keyfile.Open(path, kind)
	}
	if err != nil || file.ID() != made {
		dataKey.Destroy()
		dataKey = nil
	}
	return file, dataKey, err
}

func unlock(file *keyfile.File, passphrase Passphrase) (*secret.Key, error) {
	header, err := file.Header()
	if err != nil {
		return nil, err
	}
	return unwrap(file.ID(), header, passphrase)
}

// Info names the file. The level is hsm.Enveloped.
func (b *Backend) Info() hsm.Info {
	return hsm.Info{Kind: kind, Device: b.file.Path(), Protection: hsm.Enveloped}
}

// String names the backend and its file.
func (b *Backend) String() string { return "software key file " + b.file.Path() }

// ChangePassphrase makes the file open with another passphrase, and with the old one no more. It rewrites the encrypted
// data key only, at once: after a crash the file opens with either the old passphrase or the new one. A copy of the file
// made before still opens with the old one.
func (b *Backend) ChangePassphrase(next Passphrase) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	header, err := wrap(b.file.ID(), b.dataKey, next)
	if err != nil {
		return translate(err)
	}
	return translate(b.file.SetHeader(header))
}

// Close implements hsm.Backend. It releases the file for other processes.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.file.Close()
	b.dataKey.Destroy()
	for _, k := range b.keys {
		k.secret.Destroy()
	}
	b.keys = nil
	return translate(err)
}
