//go:build cgo && unix

package pkcs11

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

// Profile describes how a token signs BLS12-381 by a mechanism of its vendor. PKCS #11 has none of its own, and a curve
// that a token accepts says nothing of how it signs, so OpenNative tries each profile before it is used.
//
// Keys are of the type CKK_EC. The private ones are made as token objects that are private, sensitive and cannot be
// extracted, to which Private adds; Public adds to the public ones. The token gets the 32 bytes of a signing root as its
// message and hashes it to the curve itself. A private key is imported as its 32 big-endian bytes in CKA_VALUE.
type Profile struct {
	Name string // in errors

	// Model is what a token of hardware gives as its model. One that gives another is taken for hardware only if its slot
	// has the flag CKF_HW_SLOT, which some modules do not set.
	Model string

	Curve    []byte    // CKA_EC_PARAMS: the DER encoding of the curve's object identifier
	Generate Mechanism // makes a key pair
	Sign     Mechanism

	Private, Public []Attribute // in templates for new keys, beside those above

	Point     Encoding // of CKA_EC_POINT, inside its DER OCTET STRING
	Signature Encoding
}

// Mechanism is a mechanism of PKCS #11 with its parameter.
type Mechanism struct {
	Type      uint   // CKM_…
	Parameter []byte // as it lies in memory; see Words
}

// Attribute is one entry of a template.
type Attribute struct {
	Type  uint   // CKA_…
	Value []byte // as it lies in memory; see Words
}

// Words returns numbers as consecutive CK_ULONGs in memory: the machine's unsigned long, in its byte order.
func Words(n ...uint) []byte {
	var b []byte
	for _, n := range n {
		if bits.UintSize == 64 {
			b = binary.NativeEndian.AppendUint64(b, uint64(n))
		} else {
			b = binary.NativeEndian.AppendUint32(b, uint32(n))
		}
	}
	return b
}

// Encoding is how a token writes a point: its affine coordinates x and y in big-endian bytes, in G2 the imaginary part of
// each before the real one. For other ways OpenNative has no name and refuses the token.
type Encoding int

// The encodings, with their lengths in bytes for a public key, in G1, and a signature, in G2.
const (
	Compressed   Encoding = iota + 1 // x with three flag bits, as Ethereum writes points: 48 and 96
	Uncompressed                     // x and y: 96 and 192
	Prefixed                         // 04, x and y, as X9.62 writes points: 97 and 193
)

// IBMEP11 is the profile of IBM's Crypto Express cards in EP11 mode through openCryptoki 3.26 or later: a CEX7P with
// firmware 7.39 or a CEX8P with 8.31, and the EP11 host library 4.1.2. All cards behind a token have to have it. The curve
// is 1.3.6.1.4.1.2.267.999.3.2; the mechanism is CKM_IBM_ECDSA_OTHER with the submechanism CKM_IBM_BLS.
func IBMEP11() Profile {
	const ibmECDSAOther, ibmBLS = 0x80010031, 6
	return Profile{
		Name:      "ibm-ep11",
		Model:     "EP11",
		Curve:     []byte("\x06\x0c\x2b\x06\x01\x04\x01\x02\x82\x0b\x87\x67\x03\x02"),
		Generate:  Mechanism{Type: pkcs11.CKM_EC_KEY_PAIR_GEN},
		Sign:      Mechanism{Type: ibmECDSAOther, Parameter: Words(ibmBLS)},
		Point:     Prefixed,
		Signature: Uncompressed,
	}
}

// check returns an error for a profile that cannot be meant.
func (p Profile) check() error {
	for _, e := range []struct {
		field string
		is    Encoding
	}{{"Point", p.Point}, {"Signature", p.Signature}} {
		if e.is < Compressed || e.is > Prefixed {
			return fmt.Errorf("pkcs11: profile %q: %s has the value %d, expected Compressed, Uncompressed or Prefixed", p.Name, e.field, e.is)
		}
	}
	if p.Name == "" || len(p.Curve) == 0 {
		return fmt.Errorf("pkcs11: profile %q of curve %x: expected a Name and a Curve", p.Name, p.Curve)
	}
	return nil
}

// privateTemplate is of a new private key, or of one to search for.
func (p Profile) privateTemplate(onToken bool, id []byte, label string) []*pkcs11.Attribute {
	return p.template(pkcs11.CKO_PRIVATE_KEY, onToken, id, label, p.Private,
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true))
}

// publicTemplate is of a new public key.
func (p Profile) publicTemplate(onToken bool, id []byte, label string) []*pkcs11.Attribute {
	return p.template(pkcs11.CKO_PUBLIC_KEY, onToken, id, label, p.Public,
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p.Curve))
}

func (p Profile) template(class uint, onToken bool, id []byte, label string, extra []Attribute, own ...*pkcs11.Attribute) []*pkcs11.Attribute {
	all := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, onToken),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}, own...)
	for _, a := range extra {
		all = append(all, pkcs11.NewAttribute(a.Type, a.Value))
	}
	return all
}

// length is how many bytes an encoded point has whose uncompressed coordinates have width bytes.
func (e Encoding) length(width int) int {
	switch e {
	case Compressed:
		return width / 2
	case Prefixed:
		return 1 + width
	}
	return width
}

// strip takes the 04 of Prefixed off.
func (e Encoding) strip(b []byte) ([]byte, bool) {
	if e == Prefixed {
		return b[min(1, len(b)):], len(b) > 0 && b[0] == 4
	}
	return b, true
}

// publicKey decodes a point of G1.
func (e Encoding) publicKey(b []byte) (keyshare.PublicKey, error) {
	b, ok := e.strip(b)
	switch {
	case !ok:
		return keyshare.PublicKey{}, keyshare.ErrPublicKey
	case e == Compressed:
		return keyshare.ParsePublicKey(b)
	}
	return keyshare.ParsePublicKeyUncompressed(b)
}

// signature decodes a point of G2.
func (e Encoding) signature(b []byte) (keyshare.Signature, error) {
	b, ok := e.strip(b)
	switch {
	case !ok:
		return keyshare.Signature{}, keyshare.ErrSignature
	case e == Compressed:
		return keyshare.ParseSignature(b)
	}
	return keyshare.ParseSignatureUncompressed(b)
}

// pointAttribute is CKA_EC_POINT of a public key.
func (p Profile) pointAttribute(pk keyshare.PublicKey) *pkcs11.Attribute {
	short := pk.Bytes()
	b := short[:]
	if point, err := bls.ParsePublicKey(b); err == nil && p.Point != Compressed {
		wide := point.Uncompressed()
		b = wide[:]
	}
	if p.Point == Prefixed {
		b = slices.Concat([]byte{4}, b)
	}
	return pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, append([]byte{4, byte(len(b))}, b...)) // of fewer than 128 bytes
}

// octets returns what is in a DER OCTET STRING of up to 255 bytes.
func octets(der []byte) ([]byte, bool) {
	switch {
	case len(der) >= 2 && der[0] == 4 && der[1] < 0x80 && int(der[1]) == len(der)-2:
		return der[2:], true
	case len(der) >= 3 && der[0] == 4 && der[1] == 0x81 && der[2] >= 0x80 && int(der[2]) == len(der)-3:
		return der[3:], true
	}
	return nil, false
}
