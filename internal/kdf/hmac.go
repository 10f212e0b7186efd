package kdf

import (
	"encoding"
	"hash"

	"github.com/claystack/dvkeys/internal/secret"
)

// MAC computes HMAC (RFC 2104), and what is built on it, in guarded memory of its own. It serves one key after another.
// It is not safe for concurrent use. Destroy wipes it.
type MAC struct {
	secret.Redacted

	hash  state
	guard *secret.Buffer
	inner []byte // the hash's encoded state after the key's inner pad
	outer []byte // and after the outer one
	block []byte // a padded key, or a digest
	t, u  []byte // digests: what PBKDF2 and HKDF compute with
}

// state is what the hashes of the standard library are: they can save and restore their state.
type state interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// NewMAC returns a MAC over a hash of the crypto/sha256 or crypto/sha512 package, with the empty key.
func NewMAC(newHash func() hash.Hash) (*MAC, error) {
	h := newHash().(state)
	saved, err := h.AppendBinary(nil) // of no input: its length is all that matters
	if err != nil {
		return nil, err
	}
	guard, err := secret.New(2*len(saved) + h.BlockSize() + 2*h.Size())
	if err != nil {
		return nil, err
	}
	rest := guard.Bytes()
	next := func(n int) (b []byte) {
		b, rest = rest[:n:n], rest[n:]
		return b
	}
	m := &MAC{hash: h, guard: guard}
	m.inner, m.outer = next(len(saved)), next(len(saved))
	m.block, m.t, m.u = next(h.BlockSize()), next(h.Size()), next(h.Size())
	m.SetKey(nil)
	return m, nil
}

// SetKey begins anew with a key of any length.
func (m *MAC) SetKey(key []byte) {
	clear(m.block)
	if len(key) > len(m.block) {
		m.hash.Reset()
		m.hash.Write(key)
		m.hash.Sum(m.block[:0])
	} else {
		copy(m.block, key)
	}
	m.save(m.inner, 0x36)
	m.save(m.outer, 0x36^0x5c)
	clear(m.block)
	m.Reset()
}

// save flips bits of the padded key and stores the state of a hash that has read it.
func (m *MAC) save(to []byte, flip byte) {
	for i := range m.block {
		m.block[i] ^= flip
	}
	m.hash.Reset()
	m.hash.Write(m.block)
	_, _ = m.hash.AppendBinary(to[:0]) // fails for no hash of the standard library
}

// Reset begins anew with the same key.
func (m *MAC) Reset() { _ = m.hash.UnmarshalBinary(m.inner) }

// Size returns the length of a sum in bytes.
func (m *MAC) Size() int { return m.hash.Size() }

// Write adds p to what is authenticated.
func (m *MAC) Write(p []byte) { m.hash.Write(p) }

// Sum sets the first Size bytes of out to the HMAC of what was written, and begins anew with the same key.
func (m *MAC) Sum(out []byte) {
	digest := m.hash.Sum(m.block[:0])
	_ = m.hash.UnmarshalBinary(m.outer)
	m.hash.Write(digest)
	m.hash.Sum(out[:0])
	m.Reset()
}

// Destroy wipes the key and the hash.
func (m *MAC) Destroy() {
	Erase(m.hash)
	m.guard.Destroy()
}
