package secret

import "sync"

// maxSpares is how many spare mappings are kept, a page each.
const maxSpares = 8

// spares are the spare mappings of the process.
var spares sparePool

// sparePool keeps mappings of one page whose buffer was destroyed, zeroed and still locked between their guard pages, for
// the next buffers that need one: to map and lock a page and to give it back again takes longer than most of what such a
// buffer is for, and holds up the other cores.
type sparePool struct {
	mu     sync.Mutex
	mapped [][]byte
}

// take returns a zeroed page, or nil if none is kept.
func (p *sparePool) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mapped) == 0 {
		return nil
	}
	last := len(p.mapped) - 1
	m := p.mapped[last]
	p.mapped = p.mapped[:last]
	return m
}

// put wipes a mapping of one page and keeps it. It reports false, and does nothing, if enough are kept.
func (p *sparePool) put(m []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mapped) == maxSpares {
		return false
	}
	Wipe(m)
	p.mapped = append(p.mapped, m)
	return true
}

// giveBack unmaps all that are kept, and reports whether there were any.
func (p *sparePool) giveBack() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.mapped {
		unmap(m)
	}
	any := len(p.mapped) > 0
	p.mapped = nil
	return any
}
