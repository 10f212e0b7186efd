package secret

import (
	"crypto/rand"
	"runtime"
	"sync"
)

// Buffer is a secret in the clear: a fixed number of bytes in locked memory, between canaries and guard pages, until
// Destroy wipes them. See the package comment for what that protects from. A Buffer prints as [secret] and must not be
// copied.
//
// Its methods may be called concurrently, but what they return is plain memory: whoever calls Destroy sees to it that
// nobody is still using the bytes.
type Buffer struct {
	Redacted
	_ noCopy

	memory  *guarded
	cleanup runtime.Cleanup
}

// guarded is a Buffer's memory, apart from the Buffer so that the clean-up of a lost Buffer can reach it.
type guarded struct {
	mu    sync.Mutex
	block block
	gone  bool
}

func (g *guarded) destroy() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gone {
		g.gone = true
		g.block.release()
	}
}

// New returns a buffer of n zero bytes, n from 0 to 2^30. The bytes of a buffer of at most 64 are 16-byte aligned.
//
// It fails with [ErrLocked] if the system refuses to lock memory.
func New(n int) (*Buffer, error) {
	b, err := allocate(n)
	if err != nil {
		return nil, err
	}
	return own(b), nil
}

// own returns the Buffer of a block.
//
// The clean-up is a safety net: it wipes the bytes of a Buffer that was dropped without Destroy, some time after the
// garbage collector has seen it. Nothing relies on it.
func own(b block) *Buffer {
	buf := &Buffer{memory: &guarded{block: b}}
	buf.cleanup = runtime.AddCleanup(buf, (*guarded).destroy, buf.memory)
	return buf
}

// Random returns a buffer of n random bytes from crypto/rand, which writes them straight into the locked memory.
func Random(n int) (*Buffer, error) {
	b, err := New(n)
	if err != nil {
		return nil, err
	}
	_, _ = rand.Read(b.Bytes()) // never fails: crypto/rand ends the process if the system has no randomness
	return b, nil
}

// Copy returns a buffer with the bytes of b, which stays as it is.
func Copy(b []byte) (*Buffer, error) {
	buf, err := New(len(b))
	if err != nil {
		return nil, err
	}
	copy(buf.Bytes(), b)
	return buf, nil
}

// Take returns a buffer with the bytes of b and wipes b, also when it fails.
func Take(b []byte) (*Buffer, error) {
	defer Wipe(b)
	return Copy(b)
}

// Bytes returns the locked memory itself, not a copy; nil after Destroy. It is valid until Destroy, or until the Buffer is
// no longer reachable: hold the Buffer, best by a deferred Destroy, for as long as the bytes are in use.
func (b *Buffer) Bytes() []byte {
	if b == nil || b.memory == nil {
		return nil
	}
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	if b.memory.gone {
		return nil
	}
	return b.memory.block.bytes()
}

// Len returns the number of bytes; 0 after Destroy.
func (b *Buffer) Len() int { return len(b.Bytes()) }

// Destroy wipes the bytes and gives the memory back. It may be called again, and on a nil Buffer.
//
// It panics if the memory around the bytes was overwritten: see the package comment.
func (b *Buffer) Destroy() {
	if b == nil || b.memory == nil {
		return
	}
	b.cleanup.Stop()
	b.memory.destroy()
}

// Wipe overwrites b with zeros.
func Wipe(b []byte) {
	clear(b)
	runtime.KeepAlive(b)
}
