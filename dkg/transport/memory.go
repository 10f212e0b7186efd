package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/claystack/dvkeys/dkg"
)

// Memory carries messages between the parties of one process. Each party gets all
// messages of the others, those sent before it joined included, in an order that
// follows from the seed and the order of the calls. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	seed    uint64
	steps   uint64
	sent    []letter
	members []*memoryEnd
}

type letter struct {
	from *memoryEnd
	raw  []byte
}

// NewMemory returns a network without members.
func NewMemory(seed uint64) *Memory { return &Memory{seed: seed} }

// Join adds a party and returns its end.
func (m *Memory) Join() dkg.Transport {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &memoryEnd{net: m, more: make(chan struct{}, 1)}
	for _, l := range m.sent {
		e.add(l.raw)
	}
	m.members = append(m.members, e)
	return e
}

// number returns the next of a sequence of pseudo-random numbers: it decides on the
// order of delivery and on nothing that must be secret.
func (m *Memory) number(below int) int {
	m.steps++
	var in [16]byte
	binary.BigEndian.PutUint64(in[:], m.seed)
	binary.BigEndian.PutUint64(in[8:], m.steps)
	h := sha256.Sum256(in[:])
	return int(binary.BigEndian.Uint64(h[:]) % uint64(below))
}

// memoryEnd is a party's end.
type memoryEnd struct {
	net   *Memory
	inbox [][]byte
	more  chan struct{}
}

// add is called with the lock held.
func (e *memoryEnd) add(raw []byte) {
	e.inbox = append(e.inbox, raw)
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// Send implements dkg.Transport.
func (e *memoryEnd) Send(ctx context.Context, message []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	l := letter{e, bytes.Clone(message)}
	e.net.sent = append(e.net.sent, l)
	for _, to := range e.net.members {
		if to != e {
			to.add(l.raw)
		}
	}
	return nil
}

// Receive implements dkg.Transport. It returns one message.
func (e *memoryEnd) Receive(ctx context.Context) ([][]byte, error) {
	for {
		e.net.mu.Lock()
		if n := len(e.inbox); n > 0 {
			i := e.net.number(n)
			raw := e.inbox[i]
			e.inbox = slices.Delete(e.inbox, i, i+1)
			e.net.mu.Unlock()
			return [][]byte{raw}, nil
		}
		e.net.mu.Unlock()
		select {
		case <-e.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
