package secret

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/nacl/secretbox"
)

// Box is a secret at rest: encrypted in ordinary memory under the process's own key. It prints as [secret] and must not be
// copied. All methods may be called concurrently.
type Box struct {
	Redacted
	_ noCopy

	number uint64 // the nonce's own part; unique in the process
	mu     sync.Mutex
	sealed []byte // tag and ciphertext; nil after Destroy
}

// process holds the key of all boxes and the part of the nonce that they share.
type process struct {
	key   *Buffer // 32 bytes, locked, never destroyed
	nonce [16]byte
	boxes atomic.Uint64
}

var (
	made   atomic.Pointer[process]
	making sync.Mutex
)

// theProcess returns the process's key, which the first call makes. A call that fails, because memory could not be locked,
// leaves it to the next.
func theProcess() (*process, error) {
	if p := made.Load(); p != nil {
		return p, nil
	}
	making.Lock()
	defer making.Unlock()
	if p := made.Load(); p != nil {
		return p, nil
	}
	key, err := Random(32)
	if err != nil {
		return nil, err
	}
	p := &process{key: key}
	_, _ = rand.Read(p.nonce[:])
	made.Store(p)
	return p, nil
}

// boxNonce returns the nonce of a box: its number, 8 bytes, and the 16 that all share. The number comes first because
// XSalsa20 derives a key from the nonce's first 16 bytes: so each box has a key of its own, and what its decryption may
// leave in memory opens no other.
func (p *process) boxNonce(number uint64) (nonce [24]byte) {
	binary.LittleEndian.PutUint64(nonce[:], number)
	copy(nonce[8:], p.nonce[:])
	return nonce
}

// Seal returns a Box with the bytes of plain, which is not wiped. A Box of 32 bytes takes about 100 bytes of memory.
//
// It fails with [ErrLocked] if the system refuses to lock memory for the process key.
func Seal(plain []byte) (*Box, error) {
	p, err := theProcess()
	if err != nil {
		return nil, err
	}
	if len(plain) > maxLen {
		return nil, fmt.Errorf("secret: length is %d, expected 0 to %d bytes", len(plain), maxLen)
	}
	x := &Box{number: p.boxes.Add(1), sealed: make([]byte, 0, len(plain)+secretbox.Overhead)}
	nonce := p.boxNonce(x.number)
	do(func() { x.sealed = seal(x.sealed, plain, &nonce, p.key.Bytes()) })
	return x, nil
}

// open decrypts the box into a block, which the caller releases.
func (x *Box) open() (block, error) {
	if x == nil {
		return block{}, ErrDestroyed
	}
	p, err := theProcess()
	if err != nil {
		return block{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sealed == nil {
		return block{}, ErrDestroyed
	}
	b, err := allocate(len(x.sealed) - secretbox.Overhead)
	if err != nil {
		return block{}, err
	}
	nonce := p.boxNonce(x.number)
	if !unseal(b.bytes(), x.sealed, &nonce, p.key.Bytes()) {
		b.release()
		return block{}, ErrOpen
	}
	return b, nil
}

// Open returns the secret in a Buffer, which the caller destroys. Up to 64 bytes it takes about a microsecond, above that
// some tens, because the Buffer is a mapping of its own. Prefer Use, which cannot forget to destroy.
//
// It fails with [ErrDestroyed] after Destroy, with [ErrLocked] if the system refuses to lock memory, and with [ErrOpen] if
// the box was overwritten in memory.
func (x *Box) Open() (*Buffer, error) {
	var (
		b   block
		err error
	)
	do(func() { b, err = x.open() })
	if err != nil {
		return nil, err
	}
	return own(b), nil
}

// Use calls f with the secret in locked memory and wipes that when f returns or panics. f must not keep plain. The memory
// is f's own: f may call Use and Destroy of the same Box, and others may meanwhile.
//
// It returns f's error, or fails as Open does without calling f.
func (x *Box) Use(f func(plain []byte) error) error {
	var err error
	do(func() {
		var b block
		if b, err = x.open(); err != nil {
			return
		}
		defer b.release()
		err = f(b.bytes())
	})
	return err
}

// Destroy wipes the box; what was opened from it stays valid. It may be called again, and on a nil Box.
func (x *Box) Destroy() {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	Wipe(x.sealed)
	x.sealed = nil
}

// seal appends to out the tag and ciphertext of plain. key has 32 bytes.
func seal(out, plain []byte, nonce *[24]byte, key []byte) []byte {
	overwriteStack()
	out = secretbox.Seal(out, plain, nonce, (*[32]byte)(key))
	overwriteStack()
	return out
}

// unseal decrypts sealed into out, which is secretbox.Overhead bytes shorter, and reports whether it was authentic; if not,
// out is untouched. key has 32 bytes.
func unseal(out, sealed []byte, nonce *[24]byte, key []byte) bool {
	overwriteStack()
	_, ok := secretbox.Open(out[:0], sealed, nonce, (*[32]byte)(key))
	overwriteStack()
	return ok
}

// overwriteStack puts zeros over the 2 KiB of stack below its caller. Called after a function that worked on secrets
// it erases what that left in its frames; called before, it makes the stack grow now and not in the middle, where growing
// would leave the old stack behind with the secrets on it.
//
//go:noinline
func overwriteStack() {
	var below [2048]byte
	Wipe(below[:])
}
