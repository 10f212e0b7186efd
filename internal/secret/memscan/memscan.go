// Package memscan looks for a secret in this process's own memory. It is for tests that claim that a secret is gone, or is
// in one locked place only; nothing else imports it.
//
// A test cannot keep the secret it wants to look for, because it would find its own copy. So [Mask] turns it into a
// [Pattern], the secret combined with random bytes, which memory can be compared with without the secret being put together
// again; then the test gets rid of every copy it has, and [Find] tells what is left.
//
// What Find cannot see: registers, the kernel, other processes, pages in the swap file, and copies that exist only while
// nobody looks. A test should use the secret in many ways and on several goroutines first, and should show that Find does
// find a copy that was planted.
package memscan

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// minLen is the shortest secret that can be looked for, in bytes: shorter ones occur by chance.
const minLen = 8

// The forms in which Find looks for a secret.
const (
	Bytes    = "bytes"     // as given
	Reversed = "reversed"  // last byte first: a big-endian scalar as little-endian libraries keep it
	Hex      = "hex"       // lower-case hexadecimal text
	HexUpper = "upper hex" // upper-case hexadecimal text
)

// Hit is a place where a copy of the secret was found.
type Hit struct {
	Address uintptr // of the copy's first byte
	Form    string  // Bytes, Reversed, Hex or HexUpper
	Mapping string  // the line of /proc/self/maps that the address belongs to
}

// Pattern is a secret in a form that can be compared with memory but is no copy of it.
type Pattern struct{ needles []needle }

// needle is one form of the secret: the secret is masked XOR mask.
type needle struct {
	form         string
	masked, mask []byte
}

// Mask returns the pattern of a secret of 8 bytes or more. It neither keeps nor changes secret.
func Mask(secret []byte) (Pattern, error) {
	if len(secret) < minLen {
		return Pattern{}, fmt.Errorf("memscan: secret has %d bytes, expected %d or more", len(secret), minLen)
	}
	n := len(secret)
	digit := func(i int, digits string) byte { return digits[secret[i/2]>>(4*(1-i%2))&15] }
	return Pattern{[]needle{
		newNeedle(Bytes, n, func(i int) byte { return secret[i] }),
		newNeedle(Reversed, n, func(i int) byte { return secret[n-1-i] }),
		newNeedle(Hex, 2*n, func(i int) byte { return digit(i, "0123456789abcdef") }),
		newNeedle(HexUpper, 2*n, func(i int) byte { return digit(i, "0123456789ABCDEF") }),
	}}, nil
}

// All returns a pattern of all the secrets of a list, which takes Find no longer than one of them.
func All(list ...Pattern) Pattern {
	var all Pattern
	for _, p := range list {
		all.needles = append(all.needles, p.needles...)
	}
	return all
}

// newNeedle masks the n bytes that at returns one by one.
func newNeedle(form string, n int, at func(int) byte) needle {
	d := needle{form, make([]byte, n), make([]byte, n)}
	_, _ = rand.Read(d.mask) // never fails
	for i := range n {
		d.masked[i] = at(i) ^ d.mask[i]
	}
	return d
}

// Find returns every copy of the secret in the readable memory of this process. A copy that is text of digits only, the
// same in upper and in lower case, is reported in both forms; a palindrome, both ways round.
//
// On systems other than Linux the error is [errors.ErrUnsupported].
func Find(p Pattern) ([]Hit, error) {
	if len(p.needles) == 0 {
		return nil, errors.New("memscan: empty pattern, expected one made by Mask")
	}
	return find(p)
}

// longest returns the length of the longest form.
func (p Pattern) longest() int {
	return slices.MaxFunc(p.needles, func(a, b needle) int { return len(a.mask) - len(b.mask) }).len()
}

func (d needle) len() int { return len(d.mask) }

// search calls hit with the form and the offset of every copy in b whose first byte is at limit or before. It looks at
// each place once, however many forms there are: a table of the first two bytes of each says where one may begin. The
// race detector would make it ten times slower, and nobody else has b.
//
//go:norace
func (p Pattern) search(b []byte, limit int, hit func(form string, offset int)) {
	var begins [1 << 16 / 64]uint64
	for _, d := range p.needles {
		x := binary.NativeEndian.Uint16(d.mask) ^ binary.NativeEndian.Uint16(d.masked)
		begins[x/64] |= 1 << (x % 64)
	}
	for i := 0; i <= limit && i+minLen <= len(b); i++ {
		if x := binary.NativeEndian.Uint16(b[i:]); begins[x/64]&(1<<(x%64)) == 0 {
			continue
		}
		for _, d := range p.needles {
			if i+d.len() <= len(b) && d.matches(b[i:]) {
				hit(d.form, i)
			}
		}
	}
}

// matches reports whether b starts with the secret.
//
//go:norace
func (d needle) matches(b []byte) bool {
	for i := range d.mask {
		if b[i]^d.mask[i] != d.masked[i] {
			return false
		}
	}
	return true
}
