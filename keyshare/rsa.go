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

// limbs is a 2048-bit number, least significant word first.
type limbs [rsaLimbs]uint64

// rsaPower returns message^65537 modulo the key's modulus, 256 big-endian bytes.
// The message, of 256 bytes in guarded memory, is below the modulus; the key has
// passed Operator.Check.
func rsaPower(key *rsa.PublicKey, message []byte) ([]byte, error) {
	buf, err := secret.New(8 * (3*rsaLimbs + 1))
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(buf.Bytes()))), 3*rsaLimbs+1)
	base, power := (*limbs)(words), (*limbs)(words[rsaLimbs:])
	scratch := (*[rsaLimbs + 1]uint64)(words[2*rsaLimbs:])
	setLimbs(base, message)

	m := newMontgomery(key.N)
	m.multiply(power, base, &m.square, scratch) // to Montgomery form
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
	modulus limbs
	square  limbs  // R² modulo the modulus
	inverse uint64 // -1/modulus modulo 2^64
}

func newMontgomery(n *big.Int) *montgomery {
	m := new(montgomery)
	size := make([]byte, SealedSize)
	setLimbs(&m.modulus, n.FillBytes(size))
	r2 := new(big.Int).Lsh(big.NewInt(1), 2*8*SealedSize)
	setLimbs(&m.square, r2.Mod(r2, n).FillBytes(size))
	inverse := m.modulus[0] // Newton: each step doubles the number of right bits, from 3
	for range 5 {
		inverse *= 2 - m.modulus[0]*inverse
	}
	m.inverse = -inverse
	return m
}

// setLimbs reads big-endian bytes.
func setLimbs(out *limbs, b []byte) {
	for i := range out {
		out[i] = binary.BigEndian.Uint64(b[len(b)-8*(i+1):])
	}
}

// multiply sets z to x·y/R modulo the modulus; z may be x or y, which are below the
// modulus. t is scratch.
func (m *montgomery) multiply(z, x, y *limbs, t *[rsaLimbs + 1]uint64) {
	clear(t[:])
	for _, yi := range y {
		// t = (t + x·yi + q·modulus) / 2^64, where q makes that a whole number.
		low, c1 := mulAdd(x[0], yi, t[0], 0)
		q := low * m.inverse
		_, c2 := mulAdd(q, m.modulus[0], low, 0)
		for j := 1; j < rsaLimbs; j++ {
			var w uint64
			w, c1 = mulAdd(x[j], yi, t[j], c1)
			t[j-1], c2 = mulAdd(q, m.modulus[j], w, c2)
		}
		w, over1 := bits.Add64(c1, c2, 0)
		w, over2 := bits.Add64(w, t[rsaLimbs], 0)
		t[rsaLimbs-1], t[rsaLimbs] = w, over1+over2
	}
	var borrow uint64 // z = t - modulus, kept if t was not smaller
	for j := range z {
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
	hi, _ = bits.Add64(hi, 0, c)
	lo, c = bits.Add64(lo, b, 0)
	hi, _ = bits.Add64(hi, 0, c)
	return lo, hi
}
