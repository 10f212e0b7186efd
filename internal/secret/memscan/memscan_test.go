package memscan_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret/memscan"
)

// arena is memory in which copies are planted, room for 85,000 and one; it lies in the program's data segment.
var arena [37*85_000 + 32]byte

// find skips the test where memory cannot be searched.
func find(t *testing.T, p memscan.Pattern) []memscan.Hit {
	t.Helper()
	hits, err := memscan.Find(p)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return hits
}

// newSecret writes a random secret to the arena and returns its pattern.
func newSecret(t *testing.T, at []byte) memscan.Pattern {
	t.Helper()
	_, _ = rand.Read(at)
	p, err := memscan.Mask(at)
	require.NoError(t, err)
	return p
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

func TestFindNothing(t *testing.T) {
	b := arena[:32]
	p := newSecret(t, b)
	clear(b)
	require.Empty(t, find(t, p))
}

// Copies lie so close that one is across every border of the windows in which memory is read; each is found once.
func TestFindEverywhere(t *testing.T) {
	defer clear(arena[:])
	p := newSecret(t, arena[:32])
	var want []uintptr
	for at := 0; at+32 <= len(arena); at += 37 {
		for i := range 32 { // copy would hold all 32 bytes in registers, which the runtime saves on a stack when it interrupts it
			arena[at+i] = arena[i]
		}
		want = append(want, address(arena[at:]))
	}
	var got []uintptr
	for _, h := range find(t, p) {
		if h.Form != memscan.Bytes || h.Mapping == "" {
			t.Fatalf("hit %+v", h)
		}
		got = append(got, h.Address)
	}
	slices.Sort(got)
	require.True(t, slices.Equal(want, got), "%d copies planted, %d found", len(want), len(got))
}

func TestFindForms(t *testing.T) {
	defer clear(arena[:])
	for _, c := range []struct {
		form string
		make func(dst, secret []byte)
	}{
		{memscan.Bytes, func(dst, s []byte) { copy(dst, s) }},
		{memscan.Reversed, func(dst, s []byte) { copy(dst, s); slices.Reverse(dst[:len(s)]) }},
		{memscan.Hex, func(dst, s []byte) { hex.Encode(dst, s) }},
		{memscan.HexUpper, func(dst, s []byte) {
			for i, c := range s {
				dst[2*i], dst[2*i+1] = "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15]
			}
		}},
	} {
		p := newSecret(t, arena[:32])
		c.make(arena[101:], arena[:32])
		clear(arena[:32])
		hits := find(t, p)
		require.Len(t, hits, 1, c.form)
		require.Equal(t, c.form, hits[0].Form)
		require.Equal(t, address(arena[101:]), hits[0].Address)
		clear(arena[101:200])
	}
}

// One changed byte anywhere is another secret.
func TestFindNoNearMiss(t *testing.T) {
	defer clear(arena[:])
	p := newSecret(t, arena[:24])
	for i := range 24 {
		near := arena[64*(i+1):][:24]
		copy(near, arena[:24])
		near[i] ^= 1
	}
	hits := find(t, p)
	require.Len(t, hits, 1)
	require.Equal(t, address(arena[:]), hits[0].Address)
}

func TestFindOnHeapAndStack(t *testing.T) {
	defer clear(arena[:])
	p := newSecret(t, arena[:32])
	found := func() (at []uintptr) {
		for _, h := range find(t, p) {
			at = append(at, h.Address)
		}
		return at
	}
	require.Equal(t, []uintptr{address(arena[:])}, found())

	heap := slices.Clone(arena[:32])
	require.Contains(t, found(), address(heap))
	clear(heap)

	parked, done := make(chan uintptr), make(chan struct{})
	go func() {
		var stack [32]byte
		copy(stack[:], arena[:])
		parked <- uintptr(unsafe.Pointer(&stack)) // a channel of numbers: the array stays on the stack
		<-done
		clear(stack[:])
		runtime.KeepAlive(&stack)
	}()
	defer close(done)
	at := <-parked
	require.Contains(t, found(), at)
}

func TestRefuses(t *testing.T) {
	_, err := memscan.Mask(make([]byte, 7))
	require.EqualError(t, err, "memscan: secret has 7 bytes, expected 8 or more")
	_, err = memscan.Find(memscan.Pattern{})
	require.EqualError(t, err, "memscan: empty pattern, expected one made by Mask")
}

// Several secrets, of different lengths, are found in one search, each where it is.
func TestFindAll(t *testing.T) {
	defer clear(arena[:])
	var list []memscan.Pattern
	var want []uintptr
	for i := range 20 {
		b := arena[100*i:][:8+2*i]
		list = append(list, newSecret(t, b))
		want = append(want, address(b))
	}
	absent := newSecret(t, arena[5000:5032])
	clear(arena[5000:5032])
	var got []uintptr
	for _, h := range find(t, memscan.All(append(list, absent)...)) {
		require.Equal(t, memscan.Bytes, h.Form)
		got = append(got, h.Address)
	}
	slices.Sort(got)
	require.Equal(t, want, got)
	_, err := memscan.Find(memscan.All())
	require.ErrorContains(t, err, "empty pattern")
}
