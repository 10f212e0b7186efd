//go:build cgo

package bls

import (
	"bytes"
	"slices"
	"testing"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"
)

func TestUncompressed(t *testing.T) {
	key, sig := pair(t, [32]byte{5})
	require.NoError(t, startHerumi())

	wide := key.Uncompressed()
	again, err := ParseUncompressedPublicKey(wide[:])
	require.NoError(t, err)
	require.Equal(t, key, again)
	compressed := key.Bytes()
	require.Equal(t, compressed[1:], wide[1:PublicKeySize], "x is the same in both forms")
	var other herumi.PublicKey
	require.NoError(t, other.DeserializeUncompressed(slices.Clone(wide[:])))
	require.Equal(t, compressed[:], other.Serialize(), "the second library reads the same point")

	wideSig := sig.Uncompressed()
	sigAgain, err := ParseUncompressedSignature(wideSig[:])
	require.NoError(t, err)
	require.Equal(t, sig, sigAgain)
	var otherSig herumi.Sign
	require.NoError(t, otherSig.DeserializeUncompressed(slices.Clone(wideSig[:])))
	short := sig.Bytes()
	require.Equal(t, short[:], otherSig.Serialize())
}

func TestUncompressedRefused(t *testing.T) {
	key, sig := pair(t, [32]byte{6})
	pk, s := key.Uncompressed(), sig.Uncompressed()

	for name, change := range map[string]func(b []byte) []byte{
		"compressed flag": func(b []byte) []byte { b[0] |= 0x80; return b },
		"infinity flag":   func(b []byte) []byte { b[0] |= 0x40; return b },
		"sign flag":       func(b []byte) []byte { b[0] |= 0x20; return b },
		"infinity":        func(b []byte) []byte { clear(b); b[0] = 0x40; return b },
		"zeros":           func(b []byte) []byte { clear(b); return b },
		"off the curve":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"x not below p":   func(b []byte) []byte { copy(b, bytes.Repeat([]byte{0x1f}, 48)); return b },
		"y not below p": func(b []byte) []byte {
			copy(b[len(b)-48:], bytes.Repeat([]byte{0xff}, 48))
			return b
		},
		"backwards": func(b []byte) []byte { slices.Reverse(b[:48]); slices.Reverse(b[48:]); return b },
	} {
		_, err := ParseUncompressedPublicKey(change(slices.Clone(pk[:])))
		require.ErrorIs(t, err, ErrPublicKey, name)
		_, err = ParseUncompressedSignature(change(slices.Clone(s[:])))
		require.ErrorIs(t, err, ErrSignature, name)
	}

	for _, n := range []int{0, 48, 95, 97, 192} {
		_, err := ParseUncompressedPublicKey(make([]byte, n))
		require.ErrorContains(t, err, "expected 96")
	}
	for _, n := range []int{0, 96, 191, 193} {
		_, err := ParseUncompressedSignature(make([]byte, n))
		require.ErrorContains(t, err, "expected 192")
	}

	// Points of the curve that are not in the prime-order subgroup.
	_, err := ParseUncompressedPublicKey(outsideG1(t).Serialize())
	require.ErrorIs(t, err, ErrPublicKey)
	_, err = ParseUncompressedSignature(outsideG2(t).Serialize())
	require.ErrorIs(t, err, ErrSignature)
}

// outsideG1 is the point of the curve with the smallest x that is not in G1.
func outsideG1(t *testing.T) *blst.P1Affine {
	for x := byte(1); x < 200; x++ {
		in := make([]byte, PublicKeySize)
		in[0], in[PublicKeySize-1] = 0x80, x
		if p := new(blst.P1Affine).Uncompress(in); p != nil && !p.InG1() {
			return p
		}
	}
	t.Fatal("no point found")
	return nil
}

// outsideG2 is outsideG1 in G2.
func outsideG2(t *testing.T) *blst.P2Affine {
	for x := byte(1); x < 200; x++ {
		in := make([]byte, SignatureSize)
		in[0], in[SignatureSize-1] = 0x80, x
		if p := new(blst.P2Affine).Uncompress(in); p != nil && !p.InG2() {
			return p
		}
	}
	t.Fatal("no point found")
	return nil
}

func TestHashRootBasic(t *testing.T) {
	root := [32]byte{7}
	sk, err := GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	key, err := PublicKeyOf(sk.Bytes())
	require.NoError(t, err)
	sigs, err := Sign(sk.Bytes(), HashRootBasic(root))
	require.NoError(t, err)
	require.True(t, Verify(key, HashRootBasic(root), sigs[0]))
	require.False(t, Verify(key, HashRoot(root), sigs[0]))

	secret := new(blst.SecretKey).FromBEndian(sk.Bytes())
	want := new(blst.P2Affine).Sign(secret, root[:], []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"))
	require.Equal(t, want.Compress(), sigs[0].p.Compress())
}

func FuzzParseUncompressedPublicKey(f *testing.F) {
	key, _ := pair(f, [32]byte{8})
	b := key.Uncompressed()
	f.Add(b[:])
	f.Add(append([]byte{0x40}, make([]byte, 95)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if k, err := ParseUncompressedPublicKey(in); err == nil {
			out := k.Uncompressed()
			require.Equal(t, in, out[:])
		}
	})
}

func FuzzParseUncompressedSignature(f *testing.F) {
	_, sig := pair(f, [32]byte{9})
	b := sig.Uncompressed()
	f.Add(b[:])
	f.Add(append([]byte{0x40}, make([]byte, 191)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := ParseUncompressedSignature(in); err == nil {
			out := s.Uncompressed()
			require.Equal(t, in, out[:])
		}
	})
}
