package secret

import (
	"crypto/rand"
	"fmt"
	"sync"
	"unsafe"
)

const (
	slotMax   = 64                  // longest secret that is put into a slot, bytes
	canaryLen = 16                  // canary before and after each secret, bytes
	slotPitch = slotMax + canaryLen // distance between slots; a multiple of 16, so that each slot is 16-byte aligned
	slabLen   = 16 << 10            // locked bytes added when all slots are taken, rounded up to whole pages
	maxLen    = 1 << 30             // longest secret, bytes
)

// block is n bytes of guarded memory at an address outside the Go heap: a slot of a slab if n is at most slotMax, else the
// end of a mapping of its own. It has no slice, so that a dumper that walks by reflection sees an address and a length.
type block struct {
	at unsafe.Pointer
	n  int
}

// canary is what lies around each secret, random so that no stray write can restore it by chance.
var canary = sync.OnceValue(func() *[canaryLen]byte {
	c := new([canaryLen]byte)
	_, _ = rand.Read(c[:]) // never fails: crypto/rand ends the process if the system has no randomness
	return c
})

// allocate returns n zeroed bytes, 16-byte aligned if n is at most slotMax.
func allocate(n int) (block, error) {
	switch {
	case n < 0 || n > maxLen:
		return block{}, fmt.Errorf("secret: length is %d, expected 0 to %d bytes", n, maxLen)
	case n <= slotMax:
		at, err := slots.take()
		if err != nil {
			return block{}, err
		}
		fill(unsafe.Slice((*byte)(unsafe.Add(at, n)), slotMax-n)) // up to the canary that is there already
		return block{at, n}, nil
	default:
		var m []byte
		if pages(n) == pageSize {
			m = spares.take()
		}
		if m == nil {
			var err error
			if m, err = mapLocked(n); err != nil {
				return block{}, err
			}
		}
		b := block{unsafe.Pointer(&m[len(m)-n]), n}
		fill(b.before())
		return b, nil
	}
}

// release checks the canaries, wipes the block and gives it back. The block must not be used again.
//
// It panics if a canary was overwritten: then memory is corrupt, and no secret in it can be trusted.
func (b block) release() {
	intact := unbroken(b.before()) && unbroken(b.after())
	Wipe(b.bytes())
	if !intact {
		panic("secret: memory corruption: the bytes next to a secret were overwritten")
	}
	if b.n > slotMax {
		if m := b.mapping(); len(m) != pageSize || !spares.put(m) {
			unmap(m)
		}
		return
	}
	Wipe(unsafe.Slice((*byte)(b.at), slotMax)) // the canary in the rest of the slot
	slots.put(b.at)
}

// bytes returns the block's memory; its capacity is its length, so that append cannot write past it.
func (b block) bytes() []byte { return unsafe.Slice((*byte)(b.at), b.n) }

// mapping returns the locked pages of a block longer than slotMax.
func (b block) mapping() []byte {
	size := pages(b.n)
	return unsafe.Slice((*byte)(unsafe.Add(b.at, b.n-size)), size)
}

// before returns the canary in front of the block: the one that ends the slot before it, or the rest of its own mapping.
func (b block) before() []byte {
	n := canaryLen
	if b.n > slotMax {
		n = pages(b.n) - b.n
	}
	return unsafe.Slice((*byte)(unsafe.Add(b.at, -n)), n)
}

// after returns the canary behind the block: the rest of its slot, or nothing where the guard page follows at once.
func (b block) after() []byte {
	if b.n > slotMax {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(b.at, b.n)), slotPitch-b.n)
}

// fill writes the canary over b. Which of its bytes goes where depends on the address only, so that a canary reads the same
// whatever the length of the secret before it.
func fill(b []byte) {
	b = b[copy(b, phase(b)):]
	for c := canary(); len(b) > 0; b = b[copy(b, c[:]):] {
	}
}

// unbroken reports whether b is as fill left it.
func unbroken(b []byte) bool {
	head := phase(b)
	head = head[:min(len(head), len(b))]
	if string(b[:len(head)]) != string(head) {
		return false
	}
	c := canary()
	for b = b[len(head):]; len(b) >= canaryLen; b = b[canaryLen:] {
		if [canaryLen]byte(b) != *c {
			return false
		}
	}
	return string(b) == string(c[:len(b)])
}

// phase returns the canary from the byte on that belongs at the start of b.
func phase(b []byte) []byte {
	return canary()[uintptr(unsafe.Pointer(unsafe.SliceData(b)))%canaryLen:]
}
