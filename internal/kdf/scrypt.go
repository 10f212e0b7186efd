package kdf

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	//lint:ignore SA1019 scrypt is defined over the bare core, and no other package has it.
	"golang.org/x/crypto/salsa20/salsa"
)

// ScryptMemory is how much work memory all scrypts of the process may have together, in bytes: 1 GiB for their tables and
// some for the blocks beside these. One that finds too little left waits until others are done.
const ScryptMemory = 1<<30 + 1<<20

// Scrypt fills out with a key derived from a password (RFC 7914). n is a power of two above 1, r and p are at least 1, and
// [ScryptSize] of them is at most [ScryptMemory]; other parameters are an error.
//
// The work memory is ordinary memory: it is too large to be locked, and does not tell the key to anyone who does not
// know the password. It does help to guess that, so it is wiped.
func Scrypt(out, password, salt []byte, n, r, p int) error {
	const most = 1 << 24 // of each, so that the size does not overflow
	if n < 2 || n > most || n&(n-1) != 0 || r < 1 || r > most || p < 1 || p > most ||
		ScryptSize(uint64(n), uint64(r), uint64(p)) > ScryptMemory {
		return fmt.Errorf("kdf: scrypt with n %d, r %d and p %d is invalid or takes too much memory", n, r, p)
	}
	m, err := NewMAC(sha256.New)
	if err != nil {
		return err
	}
	defer m.Destroy()
	work := memory.borrow(int(ScryptSize(uint64(n), uint64(r), uint64(p))))
	defer memory.giveBack(work)

	block := 128 * r
	b, rest := work[:p*block], work[p*block:]
	x, y, v := rest[:block], rest[block:2*block], rest[2*block:]
	m.PBKDF2(b, password, salt, 1)
	for ; len(b) > 0; b = b[block:] {
		mix(b[:block], x, y, v)
	}
	m.PBKDF2(out, password, work[:p*block], 1)
	return nil
}

// ScryptSize returns how many bytes of work memory [Scrypt] needs, for n, r and p of at most 2^24 each.
func ScryptSize(n, r, p uint64) uint64 { return 128 * r * (n + p + 2) }

// mix is scryptROMix of RFC 7914: it replaces b, with the blocks x and y and the table v of such blocks to work in.
func mix(b, x, y, v []byte) {
	size := len(b)
	n := len(v) / size
	copy(v, b)
	for i := 1; i < n; i++ {
		mixBlock(v[i*size:(i+1)*size], v[(i-1)*size:i*size])
	}
	mixBlock(x, v[(n-1)*size:])
	for range n {
		j := int(binary.LittleEndian.Uint64(x[size-64:]) & uint64(n-1))
		subtle.XORBytes(x, x, v[j*size:(j+1)*size])
		mixBlock(y, x)
		x, y = y, x
	}
	copy(b, x)
}

// mixBlock is scryptBlockMix of RFC 7914: in and out are the same number of pairs of 64-byte chunks.
func mixBlock(out, in []byte) {
	half := len(in) / 2
	t := (*[64]byte)(in[len(in)-64:])
	var sum [64]byte
	for i := 0; i < half; i += 64 {
		subtle.XORBytes(sum[:], t[:], in[2*i:2*i+64])
		t = (*[64]byte)(out[i:])
		salsa.Core208(t, &sum)
		subtle.XORBytes(sum[:], t[:], in[2*i+64:2*i+128])
		t = (*[64]byte)(out[half+i:])
		salsa.Core208(t, &sum)
	}
}

// memory is what all scrypts share.
var memory = newBudget(ScryptMemory)

// budget lends memory up to a limit. What comes back while other memory is lent is kept to be lent again, so that many
// calls in a row leave the garbage collector nothing to do; after the last one nothing is kept.
type budget struct {
	mu    sync.Mutex
	freed *sync.Cond
	left  int
	limit int
	idle  [][]byte
}

func newBudget(limit int) *budget {
	b := &budget{left: limit, limit: limit}
	b.freed = sync.NewCond(&b.mu)
	return b
}

// borrow returns size zero bytes as soon as so many are left.
func (b *budget) borrow(size int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < size {
		b.freed.Wait()
	}
	b.left -= size
	for i, kept := range b.idle {
		if len(kept) == size {
			b.idle = slices.Delete(b.idle, i, i+1)
			return kept
		}
	}
	b.idle = nil // of other sizes: together they might exceed the limit
	return make([]byte, size)
}

// giveBack wipes what was borrowed.
func (b *budget) giveBack(borrowed []byte) {
	clear(borrowed)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += len(borrowed)
	b.idle = append(b.idle, borrowed)
	if b.left == b.limit {
		b.idle = nil
	}
	b.freed.Broadcast()
}
