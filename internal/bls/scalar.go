//go:build cgo

package bls

import (
	"crypto/rand"
	"errors"
	"unsafe"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// ScalarSize is the length of an encoded scalar in bytes, big-endian.
const ScalarSize = 32

// ErrScalar is returned for a secret scalar that is not in 1 … r-1, or whose
// encoding is not 32 bytes. It never says what the bytes were.
var ErrScalar = errors.New("bls: secret scalar must be 32 big-endian bytes in the range 1 to r-1")

// CheckScalar reports ErrScalar unless sk is the encoding of a scalar in 1 … r-1.
func CheckScalar(sk []byte) error {
	return useScalar(sk, func(*blst.Scalar) error { return nil })
}

// GenerateScalar returns a uniformly random scalar in 1 … r-1, in guarded
// memory that the caller destroys.
func GenerateScalar() (*secret.Buffer, error) {
	buf, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	sk := buf.Bytes()
	for {
		rand.Read(sk)
		sk[0] &= 0x7f // r has 255 bits: about every second candidate is below it
		if CheckScalar(sk) == nil {
			return buf, nil
		}
	}
}

// ReduceWide sets the 32 bytes of out to the integer in, 48 big-endian bytes,
// modulo r, as EIP-2333's hkdf_mod_r asks. The result may be zero. Both lie in
// guarded memory.
func ReduceWide(out, in []byte) error {
	if len(in) != 48 || len(out) != ScalarSize {
		return errors.New("bls: wide reduction takes 48 bytes and gives 32")
	}
	buf, err := secret.New(len(in) + ScalarSize)
	if err != nil {
		return err
	}
	defer buf.Destroy()
	le := buf.Bytes()[ScalarSize:]
	reverse(le, in)
	s := scalarAt(buf.Bytes())
	s.FromLEndian(le) // nil for a zero result, which is written all the same
	reverse(out, buf.Bytes()[:ScalarSize])
	return nil
}

// useScalar lends the scalar sk to f in blst's byte order, in guarded memory.
func useScalar(sk []byte, f func(*blst.Scalar) error) error {
	if len(sk) != ScalarSize {
		return ErrScalar
	}
	buf, err := secret.New(ScalarSize)
	if err != nil {
		return err
	}
	defer buf.Destroy()
	reverse(buf.Bytes(), sk)
	s := scalarAt(buf.Bytes())
	if !s.Valid() { // blst_sk_check: below r and not zero
		return ErrScalar
	}
	return f(s)
}

// scalarAt views the first 32 bytes of b, little-endian, as a blst scalar.
func scalarAt(b []byte) *blst.Scalar {
	_ = b[ScalarSize-1]
	return (*blst.Scalar)(unsafe.Pointer(unsafe.SliceData(b)))
}

// publicScalar encodes x, which is not secret.
func publicScalar(x uint64) *blst.Scalar {
	var le [ScalarSize]byte
	for i := range 8 {
		le[i] = byte(x >> (8 * i))
	}
	return new(blst.Scalar).FromLEndian(le[:])
}

// reverse writes src backwards into dst, which has the same length.
func reverse(dst, src []byte) {
	for i, b := range src {
		dst[len(src)-1-i] = b
	}
}
