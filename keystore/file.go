package keystore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/claystack/dvkeys/internal/durable"
)

// ReadFile reads the keystore in a file, as [Parse] does.
func ReadFile(name string) (*Keystore, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	k, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("keystore: %s: %w", name, err)
	}
	return k, nil
}

// readFile reads at most a byte more than a keystore may have.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// WriteFile writes the keystore to a new file in a folder, which exists, and returns the file's path. Its name is that
// which the Ethereum deposit tool gives and others look for: keystore-m_12381_3600_0_0_0-1700000000.json, of the key's
// path and the time in seconds. Without a path (or with one that is not of EIP-2334) the public key takes its place.
//
// The owner, and nobody else, may read the file, and nobody may write it (mode 0400). A file of that name is never
// overwritten: the error is [fs.ErrExist]. The file appears when its content is on the disk; what a crash leaves behind
// is at most a hidden file of another name.
func (k *Keystore) WriteFile(dir string) (string, error) {
	name, err := k.fileName(time.Now())
	if err != nil {
		return "", err
	}
	name = filepath.Join(dir, name)
	if err := k.create(name); err != nil {
		return "", err
	}
	return name, nil
}

func (k *Keystore) create(name string) error {
	b, err := k.MarshalJSON()
	if err != nil {
		return err
	}
	err = durable.Create(name, append(b, '\n'), 0o400)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keystore: %s: %w, and is never overwritten", name, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	return nil
}

func (k *Keystore) fileName(now time.Time) (string, error) {
	place := "m_" + k.PublicKey.String()
	if path, err := ParsePath(k.Path); err == nil {
		place = strings.ReplaceAll(path.String(), "/", "_")
	} else if k.PublicKey.IsZero() {
		return "", errors.New("keystore: neither a path of EIP-2334 nor a public key to name the file by")
	}
	return fmt.Sprintf("keystore-%s-%d.json", place, now.Unix()), nil
}
