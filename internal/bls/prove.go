//go:build cgo

package bls

import (
	"bytes"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// Challenge hashes what a proof is about, which the caller knows, together with
// the commitments that the prover made, in the order given here.
type Challenge func(commitments ...PublicKey) [64]byte

// scalar returns the challenge modulo r.
func (c Challenge) scalar(commitments ...PublicKey) (*blst.Scalar, error) {
	wide := c(commitments...)
	var out [ScalarSize]byte
	if err := ReduceHash(out[:], wide[:]); err != nil {
		return nil, err
	}
	return publicScalarBytes(out), nil
}

// publicScalarBytes reads a public scalar, which may be zero and is reduced.
func publicScalarBytes(be [ScalarSize]byte) *blst.Scalar {
	s := new(blst.Scalar)
	s.FromBEndian(be[:]) // nil for zero, which the zero value is
	return s
}

// canonicalScalar reads a public scalar in 1 … r-1.
func canonicalScalar(be [ScalarSize]byte) (*blst.Scalar, bool) {
	s := publicScalarBytes(be)
	return s, s.Valid() && bytes.Equal(s.Serialize(), be[:])
}

// Proof is a proof of knowledge of the secret scalar of a key (Schnorr 1991, made
// non-interactive by Fiat and Shamir): R = k·G and z = k + c·sk, where c is the
// challenge for R.
type Proof struct {
	R PublicKey
	Z [ScalarSize]byte // big-endian, below r
}

// Prove proves knowledge of sk. nonce is a secret scalar that serves for this
// proof only: two proofs with one nonce and different challenges reveal sk. Both
// are in guarded memory.
func Prove(sk, nonce []byte, challenge Challenge) (Proof, error) {
	var p Proof
	var err error
	if p.R, err = PublicKeyOf(nonce); err != nil {
		return Proof{}, err
	}
	c, err := challenge.scalar(p.R)
	if err != nil {
		return Proof{}, err
	}
	p.Z, err = respond(sk, nonce, c)
	return p, err
}

// respond returns nonce + c·sk, which is public.
func respond(sk, nonce []byte, c *blst.Scalar) (z [ScalarSize]byte, err error) {
	if err := CheckScalar(sk); err != nil {
		return z, err
	}
	buf, err := secret.New(2 * ScalarSize)
	if err != nil {
		return z, err
	}
	defer buf.Destroy()
	product, term := scalarAt(buf.Bytes()), scalarAt(buf.Bytes()[ScalarSize:])
	reverse(buf.Bytes()[:ScalarSize], sk)
	reverse(buf.Bytes()[ScalarSize:], nonce)
	product.MulAssign(c)
	product.AddAssign(term)
	reverse(z[:], buf.Bytes()[:ScalarSize])
	return z, nil
}

// Verify reports whether p proves knowledge of key's scalar. It refuses a response
// that is zero or not below r.
func (p Proof) Verify(key PublicKey, challenge Challenge) bool {
	if key.IsZero() || p.R.IsZero() {
		return false
	}
	c, err := challenge.scalar(p.R)
	if err != nil {
		return false
	}
	z, ok := canonicalScalar(p.Z)
	if !ok {
		return false
	}
	r, err := keyFrom(difference(blst.P1Generator(), z, &key.p, c))
	return err == nil && r == p.R
}

// difference returns z·a - c·b. It is for public values.
func difference(a *blst.P1, z *blst.Scalar, b *blst.P1Affine, c *blst.Scalar) *blst.P1 {
	left := *a
	left.MultAssign(z)
	var right blst.P1
	right.FromAffine(b)
	right.MultAssign(c)
	return left.SubAssign(&right)
}

// EqualProof is a proof that two points have the same scalar, each over its own
// base (Chaum and Pedersen 1992): the challenge and the response.
type EqualProof struct {
	C, Z [ScalarSize]byte // big-endian, below r
}

// ProveEqual proves that the scalar of sk·G is that of sk·base. nonce is as for
// Prove. The challenge is given nonce·G and nonce·base.
func ProveEqual(sk, nonce []byte, base PublicKey, challenge Challenge) (EqualProof, error) {
	a, err := PublicKeyOf(nonce)
	if err != nil {
		return EqualProof{}, err
	}
	buf, err := SharedPoint(nonce, base)
	if err != nil {
		return EqualProof{}, err
	}
	defer buf.Destroy()
	b, err := ParsePublicKey(buf.Bytes()) // part of the proof, no secret any more
	if err != nil {
		return EqualProof{}, err
	}
	c, err := challenge.scalar(a, b)
	if err != nil {
		return EqualProof{}, err
	}
	var p EqualProof
	p.C = [ScalarSize]byte(c.Serialize())
	p.Z, err = respond(sk, nonce, c)
	return p, err
}

// Verify reports whether p proves that key over G and shared over base have the
// same scalar.
func (p EqualProof) Verify(key, base, shared PublicKey, challenge Challenge) bool {
	if key.IsZero() || base.IsZero() || shared.IsZero() {
		return false
	}
	c, cOK := canonicalScalar(p.C)
	z, zOK := canonicalScalar(p.Z)
	if !cOK || !zOK {
		return false
	}
	var over blst.P1
	over.FromAffine(&base.p)
	a, err := keyFrom(difference(blst.P1Generator(), z, &key.p, c))
	if err != nil {
		return false
	}
	b, err := keyFrom(difference(&over, z, &shared.p, c))
	if err != nil {
		return false
	}
	want, err := challenge.scalar(a, b)
	return err == nil && bytes.Equal(want.Serialize(), c.Serialize())
}
