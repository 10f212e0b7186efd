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
	first    uint32
	imported chan struct{} // closed when the first key is in custody
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
	return &seed{s, c.first, make(chan struct{})}, nil
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
// one key from serving two validators. The others wait for the first: if that one is
// in use already, as with a forgotten -mnemonic-index, nothing is stored.
func (s *seed) importKey(ctx context.Context, keys hsm.Backend, i int, label string) (hsm.Key, error) {
	if i > 0 {
		select {
		case <-s.imported:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	path := keystore.SigningPath(s.first + uint32(i))
	k, err := s.Derive(path)
	if err != nil {
		return nil, err
	}
	defer k.Destroy()
	key, err := keys.Import(ctx, label, k)
	switch {
	case errors.Is(err, hsm.ErrExists):
		return nil, fmt.Errorf("the mnemonic's key %s, or the nonce, is another validator's there: -mnemonic-index is that of the first key not in use: %w", path, err)
	case err == nil && i == 0:
		close(s.imported)
	}
	return key, err
}
