//go:build cgo

package bls

import blst "github.com/supranational/blst/bindings/go"

// PublicKeyOf returns sk·G1. sk is a secret scalar in guarded memory.
func PublicKeyOf(sk []byte) (PublicKey, error) {
	var k PublicKey
	err := useScalar(sk, func(s *blst.Scalar) error {
		k.p.From(s)
		return nil
	})
	return k, err
}

// Sign returns sk·H for each hashed root, in order. sk is a secret scalar in
// guarded memory; the multiplication is constant time.
func Sign(sk []byte, hashes ...*Hash) ([]Signature, error) {
	sigs := make([]Signature, len(hashes))
	err := useScalar(sk, func(s *blst.Scalar) error {
		for i, h := range hashes {
			sigs[i].p = *h.point.Mult(s).ToAffine()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sigs, nil
}
