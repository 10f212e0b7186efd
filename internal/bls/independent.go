//go:build cgo

package bls

import (
	"sync"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
)

// startHerumi initialises the process-wide state of herumi's library once; its
// Init is not safe for concurrent use.
var startHerumi = sync.OnceValue(func() error { return herumi.Init(herumi.BLS12_381) })

// VerifyIndependent reports whether s is key's signature of the root, by
// herumi's library: it shares no code with the one that signs, from hashing the
// root to the pairing.
//
// Every slice handed over is a fresh copy, since herumi passes slices to C in a
// way that panics for memory beside Go pointers; subgroups are checked
// explicitly, since herumi's own check is a switch for the whole process.
func VerifyIndependent(key PublicKey, root [32]byte, s Signature) bool {
	if key.IsZero() || s.IsZero() || startHerumi() != nil {
		return false
	}
	var pk herumi.PublicKey
	if pk.DeserializeUncompressed(key.p.Serialize()) != nil || pk.IsZero() || !pk.IsValidOrder() {
		return false
	}
	var sig herumi.Sign
	if sig.DeserializeUncompressed(s.p.Serialize()) != nil || sig.IsZero() || !sig.IsValidOrder() {
		return false
	}
	msg := append([]byte(nil), root[:]...)
	return sig.VerifyByte(&pk, msg)
}
