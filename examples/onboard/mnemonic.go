package main

import (
	"context"
	"fmt"
	"os"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keystore"
)

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
	text, err := os.ReadFile(c.mnemonic)
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
