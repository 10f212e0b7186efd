//go:build cgo

package bls

import (
	"encoding/hex"
	"errors"
	"sync"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
)

// startHerumi initialises the process-wide state of herumi's library once, since
// its Init is not safe for concurrent use, and asks for a known answer: hashing,
// generator and encoding are settings too, which another package of the process
// may have changed.
var startHerumi = sync.OnceValue(func() error {
	if herumi.Init(herumi.BLS12_381) != nil { // the error may hold anything
		return errors.New("bls: herumi's library does not start")
	}
	return askHerumi()
})

// A signature that the test of this file makes anew with blst: by the secret key
// 0x0102…20 of the root 0x201f…01.
const (
	knownKey       = "96a20bb9485ff6d8950955a629e8043a43775968ac133eb7b19c5f0389a2253676abdd6c86c7b68d38a1b7f6af8650e7"
	knownSignature = "a77f18d600b18d848b90f57ac829a8c2e61c4612ad0e0cfd9b637019cf5e1c2d199ff98959979ae819b8102c89c70632" +
		"10b197b81e99b8c9ba3aea13e6b73606c8f46a023191911c3ffaed928e9cd68ab92d233eb4a4f91102c178bf7746904f"
)

// askHerumi has herumi's library verify a right signature and a wrong one.
func askHerumi() error {
	keyBytes, _ := hex.DecodeString(knownKey)
	signatureBytes, _ := hex.DecodeString(knownSignature)
	key, keyErr := ParsePublicKey(keyBytes)
	signature, err := ParseSignature(signatureBytes)
	if err = errors.Join(keyErr, err); err != nil {
		return err
	}
	var root [32]byte
	for i := range root {
		root[i] = byte(len(root) - i)
	}
	right := herumiVerifies(key, root, signature)
	root[0]++
	if !right || herumiVerifies(key, root, signature) {
		return errors.New("bls: herumi's library gives wrong answers: another package of the process has changed its settings")
	}
	return nil
}

// VerifyIndependent reports whether s is key's signature of the root, by
// herumi's library: it shares no code with the one that signs, from hashing the
// root to the pairing. Where that library failed its known-answer test, nothing
// verifies.
func VerifyIndependent(key PublicKey, root [32]byte, s Signature) bool {
	return !key.IsZero() && !s.IsZero() && startHerumi() == nil && herumiVerifies(key, root, s)
}

// herumiVerifies is VerifyIndependent for points that are not the zero value, with
// herumi's library started.
//
// Every slice handed over is a fresh copy, since herumi passes slices to C in a
// way that panics for memory beside Go pointers.
func herumiVerifies(key PublicKey, root [32]byte, s Signature) bool {
	p, keyOK := herumiKey(key)
	q, ok := herumiSignature(s)
	msg := append([]byte(nil), root[:]...)
	return keyOK && ok && herumi.CastToSign(&q).VerifyByte(herumi.CastToPublicKey(&p), msg)
}

// herumiKey hands a key over by its coordinates and asks whether it is in the
// subgroup: herumi's decoders ask too, but another package of the process may have
// told them not to.
func herumiKey(k PublicKey) (p herumi.G1, ok bool) {
	b := k.p.Serialize()
	p.Z.SetInt64(1)
	ok = p.X.Deserialize(b[:48]) == nil && p.Y.Deserialize(b[48:]) == nil && p.IsValidOrder()
	return p, ok
}

// herumiSignature is herumiKey for a signature, whose coordinates have two parts.
func herumiSignature(s Signature) (q herumi.G2, ok bool) {
	b := s.p.Serialize()
	q.Z.D[0].SetInt64(1)
	ok = q.X.D[1].Deserialize(b[:48]) == nil && q.X.D[0].Deserialize(b[48:96]) == nil &&
		q.Y.D[1].Deserialize(b[96:144]) == nil && q.Y.D[0].Deserialize(b[144:]) == nil && q.IsValidOrder()
	return q, ok
}
