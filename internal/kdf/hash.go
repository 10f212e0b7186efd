package kdf

import (
	"crypto/sha256"
	"hash"
)

// SHA256 sets the first 32 bytes of out to the hash of the parts, one after the other, and erases the hash.
func SHA256(out []byte, parts ...[]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(out[:0])
	Erase(h)
}

// Erase overwrites the state of a hash, its buffer of input included, which Reset leaves as it is.
func Erase(h hash.Hash) {
	var zeros [256]byte
	h.Reset()
	h.Write(zeros[:1]) // so that the rest of the block goes through the buffer, too
	h.Write(zeros[1:h.BlockSize()])
	h.Reset()
}
