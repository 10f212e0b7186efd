//go:build cgo

package bls

import (
	"errors"
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// Polynomial is a secret polynomial over the scalar field, its coefficients side
// by side in one guarded buffer, constant term first. None of them is zero, so
// its degree is exactly one below their number.
type Polynomial struct{ coefficients *secret.Buffer }

// NewPolynomial returns a polynomial with the given constant term, a secret
// scalar, and terms-1 uniformly random further coefficients. The caller destroys
// it.
func NewPolynomial(constant []byte, terms int) (*Polynomial, error) {
	if terms < 1 {
		return nil, fmt.Errorf("bls: polynomial with %d terms, expected at least 1", terms)
	}
	buf, err := secret.New(terms * ScalarSize)
	if err != nil {
		return nil, err
	}
	p := &Polynomial{buf}
	if err := CheckScalar(constant); err != nil {
		p.Destroy()
		return nil, err
	}
	reverse(p.at(0), constant)
	for k := 1; k < terms; k++ {
		c, err := GenerateScalar()
		if err != nil {
			p.Destroy()
			return nil, err
		}
		reverse(p.at(k), c.Bytes())
		c.Destroy()
	}
	return p, nil
}

// at returns the k-th coefficient, little-endian.
func (p *Polynomial) at(k int) []byte {
	return p.coefficients.Bytes()[k*ScalarSize : (k+1)*ScalarSize]
}

// terms is the number of coefficients.
func (p *Polynomial) terms() int { return p.coefficients.Len() / ScalarSize }

// Evaluate returns the polynomial's value at x, which is public and not 0, as a
// secret scalar in a guarded buffer that the caller destroys. The value zero,
// which a random polynomial takes with probability 2^-255, is ErrScalar.
func (p *Polynomial) Evaluate(x uint64) (*secret.Buffer, error) {
	if x == 0 {
		return nil, errors.New("bls: polynomial evaluated at 0, which is the secret itself")
	}
	buf, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	at := publicScalar(x)
	acc := scalarAt(buf.Bytes())
	copy(buf.Bytes(), p.at(p.terms()-1))
	for k := p.terms() - 2; k >= 0; k-- { // Horner; a zero on the way is no error
		acc.MulAssign(at)
		acc.AddAssign(scalarAt(p.at(k)))
	}
	out, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	reverse(out.Bytes(), buf.Bytes())
	if err := CheckScalar(out.Bytes()); err != nil {
		out.Destroy()
		return nil, err
	}
	return out, nil
}

// Commit returns the Feldman commitment: each coefficient times the generator of
// G1, constant term first.
func (p *Polynomial) Commit() []PublicKey {
	points := make([]PublicKey, p.terms())
	for k := range points {
		points[k].p.From(scalarAt(p.at(k)))
	}
	return points
}

// Destroy wipes the coefficients.
func (p *Polynomial) Destroy() { p.coefficients.Destroy() }

// EvaluateCommitment returns the value at x, not 0, of the polynomial whose
// coefficients times the generator are the given points: the public key of the
// share at x.
func EvaluateCommitment(points []PublicKey, x uint64) (PublicKey, error) {
	if x == 0 || len(points) == 0 {
		return PublicKey{}, errors.New("bls: a commitment has at least one point and is evaluated at x > 0")
	}
	var acc blst.P1
	acc.FromAffine(&points[len(points)-1].p)
	le := publicScalar(x).ToLEndian()[:8]
	bits := bitLen(le)
	for k := len(points) - 2; k >= 0; k-- {
		acc.MultAssign(le, bits)
		acc.AddAssign(&points[k].p)
	}
	return keyFrom(&acc)
}

// keyFrom normalises a point of G1 and refuses infinity.
func keyFrom(p *blst.P1) (PublicKey, error) {
	k := PublicKey{*p.ToAffine()}
	if k.IsZero() {
		return PublicKey{}, ErrPublicKey
	}
	return k, nil
}

// bitLen returns the length in bits of a little-endian integer.
func bitLen(le []byte) int {
	for i := len(le) - 1; i >= 0; i-- {
		for b := 7; b >= 0; b-- {
			if le[i]>>b != 0 {
				return 8*i + b + 1
			}
		}
	}
	return 0
}
