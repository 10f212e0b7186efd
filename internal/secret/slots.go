package secret

import (
	"sync"
	"unsafe"
)

// slots are the locked slots of the process.
var slots slotPool

// slotPool hands out slots of slotMax bytes. A slab of locked pages is cut into slots with a canary between every two and
// at both ends; slabs are added when needed and kept, so that the locked memory follows the largest number of secrets in
// the clear at one time.
type slotPool struct {
	mu   sync.Mutex
	free []unsafe.Pointer // zeroed slots; the one wiped last is used next
}

// take returns a zeroed slot with a whole canary before it.
func (p *slotPool) take() (unsafe.Pointer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		if err := p.grow(); err != nil {
			return nil, err
		}
	}
	last := len(p.free) - 1
	at := p.free[last]
	p.free = p.free[:last]
	return at, nil
}

// put gives back a slot that has been wiped.
func (p *slotPool) put(at unsafe.Pointer) {
	p.mu.Lock()
	p.free = append(p.free, at)
	p.mu.Unlock()
}

// grow adds a slab. The caller holds the lock.
func (p *slotPool) grow() error {
	slab, err := mapLocked(slabLen)
	if err != nil {
		return err
	}
	fill(slab[:canaryLen])
	for i := canaryLen; i+slotPitch <= len(slab); i += slotPitch {
		fill(slab[i+slotMax : i+slotPitch])
		p.free = append(p.free, unsafe.Pointer(&slab[i]))
	}
	return nil
}
