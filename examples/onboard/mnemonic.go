package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keystore"
)

// maxMnemonic bounds what is read from the file of -mnemonic-file, in bytes.
const maxMnemonic = 4096

// seed is what the keys are derived from; nil means that they are random.
type seed struct {
	*keystore.Seed
	first uint32
}

// readMnemonic reads the file of -mnemonic-file, if one is given.
func (c *config) readMnemonic() (*seed, error) {
	if c.mnemonic == "" {
		return nil, nil
	}
	text, err := readSecret(c.mnemonic)
	if err != nil {
		return nil, fmt.Errorf("-mnemonic-file: %w", err)
	}
	defer clear(text)
	m, err := keystore.ParseMnemonic(text)
	if err != nil {
		return nil, fmt.Errorf("-mnemonic-file: %w", err)
	}
	defer m.Destroy()
	s, err := m.Seed(nil)
	if err != nil {
		return nil, fmt.Errorf("-mnemonic-file: %w", err)
	}
	return &seed{s, c.first}, nil
}

// readSecret reads a file of at most maxMnemonic bytes that is not everybody's to read.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o004 != 0 {
		return nil, fmt.Errorf("%s has mode %04o and everybody can read it, expected 0600: chmod o= %s", path, mode, path)
	}
	b := make([]byte, maxMnemonic+1) // not grown while it is read, which would leave copies
	n, err := io.ReadFull(f, b)
	switch {
	case err == nil:
		err = fmt.Errorf("%s has more than %d bytes", path, maxMnemonic)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b[:n], nil
	}
	clear(b)
	return nil, err
}

func (s *seed) destroy() {
	if s != nil {
		s.Destroy()
	}
}

// importKey derives the i-th signing key and puts it into custody. The label keeps
// one key from serving two validators.
func (s *seed) importKey(ctx context.Context, keys hsm.Backend, i int, label string) (hsm.Key, error) {
	k, err := s.Derive(keystore.SigningPath(s.first + uint32(i)))
	if err != nil {
		return nil, err
	}
	defer k.Destroy()
	return keys.Import(ctx, label, k)
}
