package testtoken

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// limit is the length of the longest message in bytes.
const limit = 16384

// writeMessage sends a message with its length.
func writeMessage(w io.Writer, body []byte) error {
	if len(body) > limit {
		return fmt.Errorf("testtoken: message of %d bytes, expected at most %d", len(body), limit)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage receives a message.
func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > limit {
		return nil, fmt.Errorf("testtoken: message of %d bytes, expected at most %d", n, limit)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

// A request is read from the front. After a fault everything that is read is zero.
type request struct {
	rest []byte
	err  error
}

var errShort = errors.New("testtoken: message ends early")

func (r *request) number() uint64 {
	if len(r.rest) < 8 {
		r.rest, r.err = nil, errShort
		return 0
	}
	n := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

func (r *request) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.err = nil, errShort
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// template reads attributes. Of one that stands twice, the last counts.
func (r *request) template() attributes {
	a := attributes{}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		kind := r.number()
		a[kind] = r.bytes()
	}
	return a
}

// end returns the first fault, or one for bytes that nobody read.
func (r *request) end() error {
	if r.err == nil && len(r.rest) > 0 {
		return fmt.Errorf("testtoken: %d bytes after the message's end", len(r.rest))
	}
	return r.err
}

// A reply is what follows the code.
type reply struct{ b []byte }

func (w *reply) number(n uint64) { w.b = binary.BigEndian.AppendUint64(w.b, n) }

func (w *reply) numbers(n ...uint64) {
	for _, n := range n {
		w.number(n)
	}
}

func (w *reply) bytes(b []byte) {
	w.number(uint64(len(b)))
	w.b = append(w.b, b...)
}

// list writes the number of elements and the elements.
func (w *reply) list(l []uint64) {
	w.number(uint64(len(l)))
	w.numbers(l...)
}

// text writes a field of n bytes, padded with blanks as PKCS#11 does.
func (w *reply) text(s string, n int) { w.bytes(fmt.Appendf(nil, "%-*.*s", n, n, s)) }

// condition is a number for C's true or false.
func condition(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
