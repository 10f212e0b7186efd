package dkg

import "encoding/binary"

// Every encoding of the protocol is a sequence of fixed-width big-endian numbers
// and byte strings; a list or a string of variable length has a u32 count before
// it. There is one encoding of each value: a reader that took all bytes without a
// fault has read what a writer would write.

// writer appends to an encoding.
type writer struct{ b []byte }

func (w *writer) u8(x uint8)       { w.b = append(w.b, x) }
func (w *writer) u16(x uint16)     { w.b = binary.BigEndian.AppendUint16(w.b, x) }
func (w *writer) u32(x uint32)     { w.b = binary.BigEndian.AppendUint32(w.b, x) }
func (w *writer) u64(x uint64)     { w.b = binary.BigEndian.AppendUint64(w.b, x) }
func (w *writer) raw(b []byte)     { w.b = append(w.b, b...) }
func (w *writer) counted(b []byte) { w.u32(uint32(len(b))); w.raw(b) }

// reader takes an encoding apart. After a fault it returns zeros, and done is
// false.
type reader struct {
	b     []byte
	fault bool
}

// take returns the next n bytes as a view of the input.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fault, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number(size int) (x uint64) {
	for _, b := range r.take(size) {
		x = x<<8 | uint64(b)
	}
	return x
}

func (r *reader) u8() uint8   { return uint8(r.number(1)) }
func (r *reader) u16() uint16 { return uint16(r.number(2)) }
func (r *reader) u32() uint32 { return uint32(r.number(4)) }
func (r *reader) u64() uint64 { return r.number(8) }

func (r *reader) hash() (h [32]byte) {
	copy(h[:], r.take(32))
	return h
}

// count reads the length of a list whose elements have at least size bytes each,
// and of which there are at most most. It reads no further than the input goes, so
// that the list can be allocated.
func (r *reader) count(most, size int) int {
	n := uint64(r.u32())
	if n > uint64(most) || n*uint64(size) > uint64(len(r.b)) {
		r.fault, r.b = true, nil
		return 0
	}
	return int(n)
}

// counted reads a byte string of at most most bytes.
func (r *reader) counted(most int) []byte { return r.take(r.count(most, 1)) }

// done reports whether all was read and there was no fault.
func (r *reader) done() bool { return !r.fault && len(r.b) == 0 }
