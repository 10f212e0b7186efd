//go:build cgo && unix

package pkcs11

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

// MismatchError says in what a token's BLS differs from Ethereum's, or from what its profile says. It wraps
// hsm.ErrDenied: the token was not opened.
type MismatchError struct {
	Profile  string
	Mismatch Mismatch
	Found    string // what the token answered, and what was expected
}

// Error names the profile, the mismatch and what was found.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("pkcs11: the token does not sign as profile %q says: wrong %s: %s", e.Profile, e.Mismatch, e.Found)
}

// Unwrap returns hsm.ErrDenied.
func (e *MismatchError) Unwrap() error { return hsm.ErrDenied }

// Mismatch is the kind of a MismatchError.
type Mismatch string

// The mismatches.
const (
	WrongCurve       Mismatch = "curve"       // no keys on it: the firmware is too old, or another card behind the token has none
	WrongProtection  Mismatch = "protection"  // private keys can be read or extracted although the template forbids it
	WrongGroup       Mismatch = "group"       // public keys in G2 and signatures in G1, the other orientation of the scheme
	WrongByteOrder   Mismatch = "byte order"  // coordinates backwards, or their parts exchanged
	WrongEncoding    Mismatch = "encoding"    // another length or form than the profile says
	WrongPoint       Mismatch = "point"       // not in the group of prime order, or infinity
	WrongCiphersuite Mismatch = "ciphersuite" // BLS_SIG_…_NUL_ where Ethereum has BLS_SIG_…_POP_
	WrongSignature   Mismatch = "signature"   // right in form, but not that of the key and the root
)

// selfTestRoot is what the self-test signs: no signing root, which are hashes of other things.
var selfTestRoot = keyshare.Root(sha256.Sum256([]byte("dvkeys/pkcs11 self-test v1")))

// selfTest makes a key that lasts no longer than a session, has it sign, and verifies the signature by both BLS
// libraries.
func (b *Native) selfTest(ctx context.Context) error {
	_, err := use(ctx, b.device, "self-test", func(s pkcs11.SessionHandle) (struct{}, error) {
		return struct{}{}, b.selfTestIn(s)
	}, nil)
	return err
}

func (b *Native) selfTestIn(s pkcs11.SessionHandle) error {
	p, raw := b.profile, b.module.raw
	public, private, err := b.generateKeyPair(s, false, []byte("dvkeys self-test"), "dvkeys self-test")
	switch {
	case isCode(err, ckrCurveNotSupported), isCode(err, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID), isCode(err, pkcs11.CKR_MECHANISM_PARAM_INVALID),
		isCode(err, pkcs11.CKR_MECHANISM_INVALID), isCode(err, pkcs11.CKR_DOMAIN_PARAMS_INVALID):
		return p.mismatch(WrongCurve, "no key can be made on it: %s; see that the token's firmware, and that of every card behind it, has BLS12-381", err)
	case err != nil:
		return err
	}
	defer func() {
		_ = raw.DestroyObject(s, public) // they end with the session in any case
		_ = raw.DestroyObject(s, private)
	}()
	if err := b.checkProtection(s, private); err != nil {
		return err
	}
	der, err := b.attribute(s, public, pkcs11.CKA_EC_POINT)
	if err != nil {
		return err
	}
	pk, err := p.parsePoint(der)
	if err != nil {
		return err
	}
	signed, err := b.module.cryptoki.sign(s, private, p.Sign, selfTestRoot[:])
	switch {
	case isCode(err, pkcs11.CKR_MECHANISM_INVALID), isCode(err, pkcs11.CKR_MECHANISM_PARAM_INVALID), isCode(err, pkcs11.CKR_KEY_TYPE_INCONSISTENT):
		return p.mismatch(WrongSignature, "its keys do not sign with mechanism %#x: %s", p.Sign.Type, err)
	case err != nil:
		return err
	}
	sig, err := p.parseSignature(signed)
	if err != nil {
		return err
	}
	if pk.Verify(selfTestRoot, sig) && pk.VerifyIndependent(selfTestRoot, sig) {
		return nil
	}
	short, shortSig := pk.Bytes(), sig.Bytes()
	point, err := bls.ParsePublicKey(short[:])
	signature, sigErr := bls.ParseSignature(shortSig[:])
	if err == nil && sigErr == nil && bls.Verify(point, bls.HashRootBasic(selfTestRoot), signature) {
		return p.mismatch(WrongCiphersuite, "it signs under BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_, expected …_POP_")
	}
	return p.mismatch(WrongSignature, "it verifies neither under Ethereum's ciphersuite nor under the basic one: it is another key's, or of another message")
}

// ckrCurveNotSupported is CKR_CURVE_NOT_SUPPORTED, which miekg/pkcs11 has no name for.
const ckrCurveNotSupported = 0x140

// checkProtection holds that a private key is sensitive and cannot be extracted.
func (b *Native) checkProtection(s pkcs11.SessionHandle, private pkcs11.ObjectHandle) error {
	for _, a := range []struct {
		kind uint
		name string
		want byte
	}{{pkcs11.CKA_SENSITIVE, "CKA_SENSITIVE", 1}, {pkcs11.CKA_EXTRACTABLE, "CKA_EXTRACTABLE", 0}} {
		value, err := b.attribute(s, private, a.kind)
		if err != nil {
			return err
		}
		if !slices.Equal(value, []byte{a.want}) {
			return b.profile.mismatch(WrongProtection, "a private key has %s %x, expected %02x", a.name, value, a.want)
		}
	}
	return nil
}

func (p Profile) mismatch(m Mismatch, format string, args ...any) error {
	return &MismatchError{Profile: p.Name, Mismatch: m, Found: fmt.Sprintf(format, args...)}
}

// Widths of two uncompressed coordinates in bytes.
const (
	widthG1 = bls.UncompressedPublicKeySize
	widthG2 = bls.UncompressedSignatureSize
)

// parsePoint decodes CKA_EC_POINT, or says what is wrong with it.
func (p Profile) parsePoint(der []byte) (keyshare.PublicKey, error) {
	b, ok := octets(der)
	if !ok {
		return keyshare.PublicKey{}, p.mismatch(WrongEncoding, "CKA_EC_POINT is no DER OCTET STRING but %d other bytes", len(der))
	}
	pk, err := p.Point.publicKey(b)
	if err == nil {
		return pk, nil
	}
	const what = "the public key"
	if len(b) == p.Point.length(widthG2) {
		return pk, p.mismatch(WrongGroup, "%s has %d bytes, as a point of G2", what, len(b))
	}
	return pk, p.diagnose(what, b, p.Point, widthG1, func(b []byte, e Encoding) bool {
		_, err := e.publicKey(b)
		return err == nil
	})
}

// parseSignature decodes a signature, or says what is wrong with it.
func (p Profile) parseSignature(b []byte) (keyshare.Signature, error) {
	sig, err := p.Signature.signature(b)
	if err == nil {
		return sig, nil
	}
	const what = "the signature"
	if _, err := p.Signature.publicKey(b); err == nil {
		return sig, p.mismatch(WrongGroup, "%s is a point of G1", what)
	}
	return sig, p.diagnose(what, b, p.Signature, widthG2, func(b []byte, e Encoding) bool {
		_, err := e.signature(b)
		return err == nil
	})
}

// diagnose names the mismatch of an encoded point that the profile's encoding does not read, by trying what else it
// could be.
func (p Profile) diagnose(what string, b []byte, e Encoding, width int, reads func([]byte, Encoding) bool) error {
	for other, name := range map[Encoding]string{Compressed: "compressed", Uncompressed: "uncompressed", Prefixed: "04 and uncompressed"} {
		if other != e && reads(b, other) {
			return p.mismatch(WrongEncoding, "%s is %s, %d bytes, expected %d", what, name, len(b), e.length(width))
		}
	}
	if len(b) != e.length(width) {
		return p.mismatch(WrongEncoding, "%s has %d bytes, expected %d", what, len(b), e.length(width))
	}
	for _, size := range []int{48, 96} { // whole coordinates backwards: their numbers, or all of a coordinate in G2
		if reads(turned(b, e, size, slices.Reverse[[]byte]), e) {
			return p.mismatch(WrongByteOrder, "%s has its coordinates in little-endian bytes", what)
		}
	}
	if reads(turned(b, e, 96, swapHalves), e) {
		return p.mismatch(WrongByteOrder, "%s has the real part of each coordinate before the imaginary one", what)
	}
	return p.mismatch(WrongPoint, "%s is no point of the group, or infinity", what)
}

// turned returns a copy of an encoded point with each run of size bytes of its coordinates changed.
func turned(b []byte, e Encoding, size int, change func([]byte)) []byte {
	b = slices.Clone(b)
	coordinates, _ := e.strip(b)
	for run := range slices.Chunk(coordinates, size) {
		change(run)
	}
	return b
}

func swapHalves(b []byte) {
	half := len(b) / 2
	copy(b, slices.Concat(b[half:], b[:half]))
}
