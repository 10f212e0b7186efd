package keystore

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Seed is what a tree of keys grows from (EIP-2333), in guarded memory. It prints as [secret] and is safe for concurrent
// use.
type Seed struct {
	secret.Redacted
	bytes *secret.Box
}

// minSeed is the length in bytes of the shortest seed.
const minSeed = 32

// NewSeed copies a seed of at least 32 bytes, which the caller wipes. [Mnemonic.Seed] makes one of 64.
func NewSeed(b []byte) (*Seed, error) {
	if len(b) < minSeed {
		return nil, fmt.Errorf("keystore: seed has %d bytes, expected at least %d", len(b), minSeed)
	}
	box, err := secret.Seal(b)
	if err != nil {
		return nil, err
	}
	return &Seed{bytes: box}, nil
}

// Derive returns the key at a path. It takes about a fifth of a millisecond for each level of the path.
func (s *Seed) Derive(at Path) (*keyshare.SecretKey, error) {
	indices := at.indices()
	if len(indices) == 0 {
		return nil, errors.New("keystore: no path to derive a key at")
	}
	n, err := newNode()
	if err != nil {
		return nil, err
	}
	defer n.destroy()
	if err := s.bytes.Use(n.master); err != nil {
		return nil, err
	}
	for _, i := range indices {
		if err := n.child(i); err != nil {
			return nil, err
		}
	}
	return keyshare.ParseSecretKey(n.key)
}

// Destroy wipes the seed; every later use is an error.
func (s *Seed) Destroy() { s.bytes.Destroy() }
