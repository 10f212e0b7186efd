//go:build cgo

package bls

import (
	"sync"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/recent"
)

// dst is the domain separation tag of Ethereum's ciphersuite.
var dst = []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")

// Hash is a 32-byte root hashed to G2: what every signature of that root is a
// multiple of. Making one costs nearly half a signature, so the last few are
// kept and shared.
type Hash struct {
	root  [32]byte
	point blst.P2 // for multiplication

	normalise sync.Once
	affine    blst.P2Affine // for pairings: made when one is asked for, since it costs a thirtieth of a signature
}

func newHash(root [32]byte, tag []byte) *Hash {
	return &Hash{root: root, point: *blst.HashToG2(root[:], tag)}
}

// pairing returns the point as pairings take it.
func (h *Hash) pairing() *blst.P2Affine {
	h.normalise.Do(func() { h.affine = *h.point.ToAffine() })
	return &h.affine
}

// Root returns the 32 bytes that were hashed.
func (h *Hash) Root() [32]byte { return h.root }

// HashRoot hashes a root to G2 (RFC 9380, BLS12381G2_XMD:SHA-256_SSWU_RO_ with
// Ethereum's tag). Roots are not secret: a root seen lately costs a map look-up.
func HashRoot(root [32]byte) *Hash {
	h, _ := hashes.Get(root)
	return h
}

var hashes = recent.Cache[[32]byte, *Hash]{Size: 128, Make: func(root [32]byte) (*Hash, error) {
	return newHash(root, dst), nil
}}
