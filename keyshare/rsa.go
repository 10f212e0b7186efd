package keyshare

import (
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	"math/bits"
	"unsafe"

	"github.com/claystack/dvkeys/internal/secret"
)

// The RSA public operation is written out here because crypto/rsa would leave the
// padded share in ordinary memory, in buffers that nobody wipes. These few lines
// work in guarded memory only, without a branch or an address that depends on the
// message. Everything else about RSA is crypto/rsa's.

// rsaExponent is the only public exponent in use: 2^16 + 1.
const rsaExponent = 65537

// rsaLimbs is the number of 64-bit words of a 2048-bit number.
const rsaLimbs = SealedSize / 8

// rsaPower returns message^65537 modulo the key's modulus, 256 big-endian bytes.
// The message, of 256 bytes in guarded memory, is below the modulus; the key has
// passed Operator.Check.
func rsaPower(key *rsa.PublicKey, message []byte) ([]byte, error) {
	buf, err := secret.New(8 * (3*rsaLimbs + 2))
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(buf.Bytes()))), 3*rsaLimbs+2)
	base, power, scratch := words[:rsaLimbs], words[rsaLimbs:2*rsaLimbs], words[2*rsaLimbs:]
	setLimbs(base, message)

	m := newMontgomery(key.N)
	m.multiply(power, base, m.square, scratch) // to Montgomery form
	for range 16 {
		m.multiply(power, power, power, scratch)
	}
	m.multiply(power, power, base, scratch) // one more factor, and out of Montgomery form

	out := make([]byte, SealedSize)
	for i, w := range power {
		binary.BigEndian.PutUint64(out[SealedSize-8*(i+1):], w)
	}
	return out, nil
}

// montgomery multiplies modulo an odd number of rsaLimbs words (Montgomery,
// "Modular Multiplication Without Trial Division", 1985). With R = 2^2048:
type montgomery struct {
	modulus []uint64 // least significant word first
	square  []uint64 // R² modulo the modulus
	inverse uint64   // -1/modulus modulo 2^64
}

func newMontgomery(n *big.Int) montgomery {
	m := montgomery{modulus: make([]uint64, rsaLimbs), square: make([]uint64, rsaLimbs)}
	size := make([]byte, SealedSize)
	setLimbs(m.modulus, n.FillBytes(size))
	r2 := new(big.Int).Lsh(big.NewInt(1), 2*8*SealedSize)
	setLimbs(m.square, r2.Mod(r2, n).FillBytes(size))
	inverse := m.modulus[0] // Newton: each step doubles the number of right bits, from 3
	for range 5 {
		inverse *= 2 - m.modulus[0]*inverse
	}
	m.inverse = -inverse
	return m
}

// setLimbs reads big-endian bytes into words, least significant first.
func setLimbs(out []uint64, b []byte) {
	for i := range out {
		out[i] = binary.BigEndian.Uint64(b[len(b)-8*(i+1):])
	}
}

// multiply sets z to x·y/R modulo the modulus; z may be x or y. t is scratch of
// rsaLimbs+2 words.
func (m *montgomery) multiply(z, x, y, t []uint64) {
	clear(t)
	for _, yi := range y {
		var carry uint64
		for j, xj := range x {
			t[j], carry = mulAdd(xj, yi, t[j], carry)
		}
		t[rsaLimbs], carry = bits.Add64(t[rsaLimbs], carry, 0)
		t[rsaLimbs+1] = carry

		q := t[0] * m.inverse // makes the lowest word of t + q·modulus zero
		_, carry = mulAdd(q, m.modulus[0], t[0], 0)
		for j := 1; j < rsaLimbs; j++ {
			t[j-1], carry = mulAdd(q, m.modulus[j], t[j], carry)
		}
		t[rsaLimbs-1], carry = bits.Add64(t[rsaLimbs], carry, 0)
		t[rsaLimbs] = t[rsaLimbs+1] + carry
	}
	var borrow uint64 // z = t - modulus, kept if t was not smaller
	for j := range rsaLimbs {
		z[j], borrow = bits.Sub64(t[j], m.modulus[j], borrow)
	}
	_, borrow = bits.Sub64(t[rsaLimbs], 0, borrow)
	smaller := -borrow // all ones or zero
	for j := range z {
		z[j] ^= (z[j] ^ t[j]) & smaller
	}
}

// mulAdd returns the low and high words of x·y + a + b.
func mulAdd(x, y, a, b uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(x, y)
	lo, c := bits.Add64(lo, a, 0)
	hi += c
	lo, c = bits.Add64(lo, b, 0)
	return lo, hi + c
}
