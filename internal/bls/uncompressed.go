//go:build cgo

package bls

import "fmt"

// Sizes of uncompressed points in bytes: the affine coordinates x and y, each
// big-endian, in G2 the imaginary part of each before the real one.
const (
	UncompressedPublicKeySize = 96  // G1
	UncompressedSignatureSize = 192 // G2
)

// zcashFlags are the bits of the first byte that the ZCash specification takes
// for compression, infinity and sign. Uncompressed points other than infinity
// have none of them.
const zcashFlags = 0xe0

// ParseUncompressedPublicKey decodes 96 bytes in the uncompressed form of the
// ZCash specification, and checks curve, subgroup and infinity.
func ParseUncompressedPublicKey(b []byte) (PublicKey, error) {
	var k PublicKey
	if len(b) != UncompressedPublicKeySize {
		return PublicKey{}, fmt.Errorf("bls: uncompressed public key has %d bytes, expected %d", len(b), UncompressedPublicKeySize)
	}
	in := [UncompressedPublicKeySize]byte(b)
	if in[0]&zcashFlags != 0 || k.p.Deserialize(in[:]) == nil || !k.p.KeyValidate() {
		return PublicKey{}, ErrPublicKey
	}
	return k, nil
}

// ParseUncompressedSignature decodes 192 bytes in the uncompressed form of the
// ZCash specification, and checks curve, subgroup and infinity.
func ParseUncompressedSignature(b []byte) (Signature, error) {
	var s Signature
	if len(b) != UncompressedSignatureSize {
		return Signature{}, fmt.Errorf("bls: uncompressed signature has %d bytes, expected %d", len(b), UncompressedSignatureSize)
	}
	in := [UncompressedSignatureSize]byte(b)
	if in[0]&zcashFlags != 0 || s.p.Deserialize(in[:]) == nil || !s.p.SigValidate(true) {
		return Signature{}, ErrSignature
	}
	return s, nil
}

// Uncompressed returns the form that ParseUncompressedPublicKey reads.
func (k PublicKey) Uncompressed() [UncompressedPublicKeySize]byte {
	return [UncompressedPublicKeySize]byte(k.p.Serialize())
}

// Uncompressed returns the form that ParseUncompressedSignature reads.
func (s Signature) Uncompressed() [UncompressedSignatureSize]byte {
	return [UncompressedSignatureSize]byte(s.p.Serialize())
}

// basicTag is the domain separation tag of the draft's basic ciphersuite, which
// Ethereum does not use.
var basicTag = []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_")

// HashRootBasic hashes a root under the tag of the basic ciphersuite,
// BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_: to tell of a signature that is
// not Ethereum's that another signer made it under that tag.
func HashRootBasic(root [32]byte) *Hash { return newHash(root, basicTag) }
