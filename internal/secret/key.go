package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
)

const (
	keyLen    = 32
	randomLen = 24
	// recordLabel sets these nonces apart from any other use of SHA-256.
	recordLabel = "dvkeys/secret record v1"
)

// Key is a 32-byte key for records that leave the process. A record is
//
//	random (24 bytes) ‖ XSalsa20-Poly1305 of the plaintext (NaCl secretbox: tag of 16 bytes, then ciphertext)
//
// under the nonce SHA-256(label ‖ len(context), 8 bytes big-endian ‖ context ‖ random)[:24], so that it opens only in the
// context in which it was sealed. In memory the key is in a [Box]. It prints as [secret] and must not be copied. All
// methods may be called concurrently.
type Key struct {
	Redacted
	_ noCopy

	box *Box
}

// NewKey returns a random key.
func NewKey() (*Key, error) {
	b, err := Random(keyLen)
	if err != nil {
		return nil, err
	}
	defer b.Destroy()
	return TakeKey(b.Bytes())
}

// TakeKey returns the key whose 32 bytes are b, and wipes b, also when it fails.
func TakeKey(b []byte) (*Key, error) {
	defer Wipe(b)
	if len(b) != keyLen {
		return nil, fmt.Errorf("secret: key has %d bytes, expected %d", len(b), keyLen)
	}
	box, err := Seal(b)
	if err != nil {
		return nil, err
	}
	return &Key{box: box}, nil
}

// Seal encrypts plain for the given context and returns the record, 40 bytes longer than plain. Two records of the same
// plaintext differ. The context is authenticated, not stored: Open must be given the same.
//
// It fails with [ErrDestroyed] after Destroy and with [ErrLocked] if the system refuses to lock memory.
func (k *Key) Seal(context, plain []byte) ([]byte, error) {
	record := make([]byte, randomLen, randomLen+secretbox.Overhead+len(plain))
	_, _ = rand.Read(record) // never fails: crypto/rand ends the process if the system has no randomness
	nonce := recordNonce(context, record)
	err := k.Use(func(key []byte) error {
		record = seal(record, plain, &nonce, key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// Open decrypts a record of Seal into a Buffer, which the caller destroys.
//
// It fails with [ErrOpen] if the record was not made by this key for this context or was altered, with [ErrDestroyed]
// after Destroy and with [ErrLocked] if the system refuses to lock memory.
func (k *Key) Open(context, sealed []byte) (*Buffer, error) {
	if len(sealed) < randomLen+secretbox.Overhead {
		return nil, ErrOpen
	}
	nonce := recordNonce(context, sealed[:randomLen])
	plain, err := New(len(sealed) - randomLen - secretbox.Overhead)
	if err != nil {
		return nil, err
	}
	err = k.Use(func(key []byte) error {
		if !unseal(plain.Bytes(), sealed[randomLen:], &nonce, key) {
			return ErrOpen
		}
		return nil
	})
	if err != nil {
		plain.Destroy()
		return nil, err
	}
	return plain, nil
}

// Use calls f with the 32 bytes of the key in locked memory and wipes that when f returns or panics. f must not keep key.
//
// It returns f's error, or [ErrDestroyed] or [ErrLocked] without calling f.
func (k *Key) Use(f func(key []byte) error) error {
	if k == nil {
		return ErrDestroyed
	}
	return k.box.Use(f)
}

// Destroy wipes the key. It may be called again, and on a nil Key.
func (k *Key) Destroy() {
	if k != nil {
		k.box.Destroy()
	}
}

// recordNonce returns the nonce of a record in a context.
func recordNonce(context, random []byte) [24]byte {
	h := sha256.New()
	h.Write([]byte(recordLabel))
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(context)))
	h.Write(n[:])
	h.Write(context)
	h.Write(random)
	return [24]byte(h.Sum(nil))
}
