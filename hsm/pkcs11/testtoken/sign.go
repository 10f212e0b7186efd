package testtoken

import (
	"bytes"
	"slices"
	"time"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

func (c *call) signInit() uint64 {
	s, code := c.session(c.in.number())
	mechanism, parameter, handle := c.in.number(), c.in.bytes(), c.in.number()
	o := c.visible(handle)
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case s.signing != nil:
		return ckrOperationActive
	case mechanism != ckmIBMECDSAOther:
		return ckrMechanismInvalid
	case !bytes.Equal(parameter, word(ibmBLS)):
		return ckrMechanismParamInvalid
	case o == nil:
		return ckrKeyHandleInvalid
	case o.key == nil || !o.attributes.yes(ckaSign):
		return ckrKeyFunctionNotPermitted
	}
	s.signing = o
	return ckrOK
}

// sign makes the signature when there is room for it. Asked for the length, or for more than there is room for, it
// answers the length and the operation stays as it is, as PKCS#11 wants it.
func (c *call) sign() uint64 {
	s, code := c.session(c.in.number())
	data, buffer, room := c.in.bytes(), c.in.number() != 0, c.in.number()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case s.signing == nil:
		return ckrOperationNotInitialized
	}
	var length uint64 = bls.UncompressedSignatureSize
	if !buffer && c.behaviour.LengthQuery != 0 {
		length = uint64(c.behaviour.LengthQuery)
	}
	if !buffer || room < length {
		c.out.number(length)
		c.out.bytes(nil)
		if buffer {
			return ckrBufferTooSmall
		}
		return ckrOK
	}
	key, behaviour := s.signing.key, c.behaviour
	s.signing = nil
	if len(data) != len(keyshare.Root{}) {
		return ckrDataLenRange
	}
	if behaviour.Fault == OtherKey {
		key = c.other
	}
	c.counts.Signatures++
	root := [32]byte(data)
	c.after = func() uint64 {
		time.Sleep(behaviour.Delay)
		signature := signature(key, root, behaviour.Fault)
		if signature == nil {
			return ckrKeyHandleInvalid // destroyed meanwhile
		}
		c.out.number(uint64(len(signature)))
		c.out.bytes(signature)
		return ckrOK
	}
	return ckrOK
}

// signature signs a root with the fault.
func signature(k *keyshare.SecretKey, root [32]byte, f Fault) []byte {
	hash := bls.HashRoot(root)
	if f == BasicSuite {
		hash = bls.HashRootBasic(root)
	}
	sig := signRaw(k, hash)
	if sig.IsZero() {
		return nil
	}
	wide, short := sig.Uncompressed(), sig.Bytes()
	switch f {
	case LittleEndian:
		backwards(wide[:])
	case PartsSwapped:
		for c := range slices.Chunk(wide[:], 96) {
			copy(c, slices.Concat(c[48:], c[:48]))
		}
	case SwappedGroups:
		compressed := k.PublicKey().Bytes()
		pk, _ := bls.ParsePublicKey(compressed[:])
		p := pk.Uncompressed()
		return p[:]
	case ShortSignature:
		return wide[:len(wide)-1]
	case InfinitePoint:
		clear(wide[:])
		wide[0] = 0x40
	case CompressedForms:
		return short[:]
	}
	return wide[:]
}

// signRaw returns the key times a point, or the zero value if the key was destroyed.
func signRaw(k *keyshare.SecretKey, h *bls.Hash) (s bls.Signature) {
	_ = k.Use(func(secret []byte) error {
		sigs, err := bls.Sign(secret, h)
		if err == nil {
			s = sigs[0]
		}
		return err
	})
	return s
}

// backwards turns each coordinate of 48 bytes around.
func backwards(b []byte) {
	for c := range slices.Chunk(b, 48) {
		slices.Reverse(c)
	}
}
