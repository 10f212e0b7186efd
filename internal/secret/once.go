package secret

import (
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
)

// OnceOverhead is how much longer than its plaintext a record of [SealOnce] is.
const OnceOverhead = secretbox.Overhead

// SealOnce encrypts plain under a key of 32 bytes that serves for this one message and no other, by XSalsa20-Poly1305
// (NaCl secretbox) with a nonce of zeros: tag, then ciphertext. Two messages under one key reveal both. Key and plain lie in
// guarded memory.
func SealOnce(plain, key []byte) ([]byte, error) {
	if len(key) != keyLen {
		return nil, fmt.Errorf("secret: key has %d bytes, expected %d", len(key), keyLen)
	}
	var sealed []byte
	var zero [24]byte
	do(func() { sealed = seal(make([]byte, 0, len(plain)+OnceOverhead), plain, &zero, key) })
	return sealed, nil
}

// OpenOnce decrypts what SealOnce made into a Buffer, which the caller destroys. It fails with [ErrOpen] if sealed is not
// that, or was made under another key.
func OpenOnce(sealed, key []byte) (*Buffer, error) {
	if len(key) != keyLen {
		return nil, fmt.Errorf("secret: key has %d bytes, expected %d", len(key), keyLen)
	}
	if len(sealed) < OnceOverhead {
		return nil, ErrOpen
	}
	buf, err := New(len(sealed) - OnceOverhead)
	if err != nil {
		return nil, err
	}
	var zero [24]byte
	var ok bool
	do(func() { ok = unseal(buf.Bytes(), sealed, &zero, key) })
	if !ok {
		buf.Destroy()
		return nil, ErrOpen
	}
	return buf, nil
}
