//go:build cgo

package bls

import (
	"errors"
	"fmt"
	"unsafe"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// DerivePolynomial returns a polynomial whose coefficients the caller gives:
// coefficient is called for k = 0 … terms-1, the constant term first, and sets out
// to the 32 big-endian bytes of a secret scalar, in guarded memory. The caller
// destroys the polynomial.
func DerivePolynomial(terms int, coefficient func(k int, out []byte) error) (*Polynomial, error) {
	if terms < 1 {
		return nil, fmt.Errorf("bls: polynomial with %d terms, expected at least 1", terms)
	}
	out, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	defer out.Destroy()
	buf, err := secret.New(terms * ScalarSize)
	if err != nil {
		return nil, err
	}
	p := &Polynomial{buf}
	for k := range terms {
		err := coefficient(k, out.Bytes())
		if err == nil {
			err = CheckScalar(out.Bytes())
		}
		if err != nil {
			p.Destroy()
			return nil, err
		}
		reverse(p.at(k), out.Bytes())
	}
	return p, nil
}

// UseConstant lends the constant term to f: 32 big-endian bytes in guarded memory
// that is wiped when f returns.
func (p *Polynomial) UseConstant(f func(sk []byte) error) error {
	out, err := secret.New(ScalarSize)
	if err != nil {
		return err
	}
	defer out.Destroy()
	reverse(out.Bytes(), p.at(0))
	return f(out.Bytes())
}

// ReduceHash sets the 32 bytes of out to the integer in, 64 big-endian bytes,
// modulo r. The result may be zero. It is for public values and for secret ones in
// guarded memory.
func ReduceHash(out, in []byte) error {
	if len(in) != 64 || len(out) != ScalarSize {
		return errors.New("bls: reduction of a hash takes 64 bytes and gives 32")
	}
	le, err := secret.New(len(in)) // two small buffers, which cost far less than one above 64 bytes
	if err != nil {
		return err
	}
	defer le.Destroy()
	buf, err := secret.New(ScalarSize)
	if err != nil {
		return err
	}
	defer buf.Destroy()
	reverse(le.Bytes(), in)
	scalarAt(buf.Bytes()).FromLEndian(le.Bytes()) // nil for a zero result, which is written all the same
	reverse(out, buf.Bytes())
	return nil
}

// p1Size is the size of a projective point of G1 in memory.
const p1Size = int(unsafe.Sizeof(blst.P1{}))

// SharedPoint returns sk·key, compressed to 48 bytes, in guarded memory that the
// caller destroys: the secret that two holders of keys agree on
// (Diffie-Hellman in G1). sk is a secret scalar in guarded memory.
func SharedPoint(sk []byte, key PublicKey) (*secret.Buffer, error) {
	if key.IsZero() {
		return nil, ErrPublicKey
	}
	buf, err := secret.New(p1Size)
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	point := (*blst.P1)(unsafe.Pointer(unsafe.SliceData(buf.Bytes())))
	err = useScalar(sk, func(s *blst.Scalar) error {
		point.FromAffine(&key.p)
		point.MultAssign(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secret.Take(point.Compress()) // blst's own copy is wiped here
}
