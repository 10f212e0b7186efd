package ssv

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// OperatorKeyLen is the length in characters of an operator's public key as
// [FormatOperatorKey] writes it: base64 of a PEM text of 459 bytes.
const OperatorKeyLen = 612

// The PEM labels of operator keys. SSV writes public keys under the first,
// although by RFC 7468 their content (SubjectPublicKeyInfo) belongs under the
// second.
const (
	labelRSAPublic  = "RSA PUBLIC KEY"
	labelPublic     = "PUBLIC KEY"
	labelRSAPrivate = "RSA PRIVATE KEY"
	labelPrivate    = "PRIVATE KEY"
)

// ParseOperatorKey reads an operator's RSA public key from any form in which
// it is found:
//
//   - the base64 text of a PEM, as keyshares files and operator lists hold it;
//   - the PEM itself, labelled RSA PUBLIC KEY or PUBLIC KEY, around a PKIX
//     (SubjectPublicKeyInfo) or a PKCS#1 (RSAPublicKey) structure;
//   - the bytes registered on chain, the ABI encoding of the base64 text.
//
// Space around the text is ignored. The key must be RSA-2048 with exponent
// 65537: a modulus of 256 bytes whose size is 2048 bits, or 2047 as the
// product of two 1024-bit primes may be (such keys are registered on the
// network). The error says what else the input was, and never repeats it: a
// private key passed by mistake stays out of logs.
func ParseOperatorKey(b []byte) (*rsa.PublicKey, error) {
	k, err := parseOperatorKey(b)
	if err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	return k, nil
}

// FormatOperatorKey writes an operator's public key as SSV exchanges it:
// base64, padded and without line breaks, of the PEM labelled RSA PUBLIC KEY
// around the PKIX structure; 612 characters. It refuses what
// [ParseOperatorKey] refuses.
func FormatOperatorKey(k *rsa.PublicKey) (string, error) {
	s, err := formatOperatorKey(k)
	if err != nil {
		return "", fmt.Errorf("ssv: operator key: %w", err)
	}
	return s, nil
}

// EncodeOperatorKey returns the bytes that SSVNetwork's registerOperator takes
// as publicKey: the ABI encoding of the text of [FormatOperatorKey] as one
// string, 704 bytes.
func EncodeOperatorKey(k *rsa.PublicKey) ([]byte, error) {
	s, err := FormatOperatorKey(k)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64+(len(s)+31)/32*32)
	out[31] = 32
	binary.BigEndian.PutUint64(out[56:], uint64(len(s)))
	copy(out[64:], s)
	return out, nil
}

func parseOperatorKey(b []byte) (*rsa.PublicKey, error) {
	if len(b) > 0 && b[0] == 0 {
		text, err := abiString(b)
		if err != nil {
			return nil, err
		}
		b = text
	}
	der, err := operatorPEM(b)
	if err != nil {
		return nil, err
	}
	k, err := operatorDER(der)
	if err != nil {
		return nil, err
	}
	if err := checkOperatorKey(k); err != nil {
		return nil, err
	}
	return k, nil
}

func formatOperatorKey(k *rsa.PublicKey) (string, error) {
	if err := checkOperatorKey(k); err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return "", errors.New("cannot be encoded as PKIX")
	}
	text := pem.EncodeToMemory(&pem.Block{Type: labelRSAPublic, Bytes: der})
	return base64.StdEncoding.EncodeToString(text), nil
}

// checkOperatorKey holds the one rule about operator keys.
func checkOperatorKey(k *rsa.PublicKey) error {
	switch {
	case k == nil || k.N == nil:
		return errors.New("no key, want RSA-2048")
	case k.Size() != 256 || k.N.BitLen() < 2047:
		return fmt.Errorf("RSA key of %d bits, want RSA-2048", k.N.BitLen())
	case k.N.Sign() < 0 || k.N.Bit(0) == 0:
		return errors.New("RSA modulus is negative or even")
	case k.E != 65537:
		return fmt.Errorf("RSA exponent is %d, want 65537", k.E)
	}
	return nil
}

// operatorPEM returns the content of the one PEM block that b is, or that the
// base64 text b encodes.
func operatorPEM(b []byte) ([]byte, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil, errors.New("is empty, want base64 of a PEM")
	}
	if !bytes.HasPrefix(b, pemBegin) {
		text, err := base64.StdEncoding.AppendDecode(nil, b)
		if err != nil {
			return nil, errors.New("is neither a PEM nor base64 of one")
		}
		if b = bytes.TrimSpace(text); !bytes.HasPrefix(b, pemBegin) {
			return nil, errors.New("is base64, but not of a PEM")
		}
	}
	block, rest := pem.Decode(b)
	switch {
	case block == nil:
		return nil, errors.New("is a damaged PEM")
	case len(rest) != 0:
		return nil, errors.New("has data after the PEM block")
	case len(block.Headers) != 0:
		return nil, errors.New("is a PEM with headers, want none")
	case block.Type == labelRSAPrivate || block.Type == labelPrivate:
		return nil, errors.New("is a PRIVATE key, want the public one")
	case block.Type != labelRSAPublic && block.Type != labelPublic:
		return nil, fmt.Errorf("is a PEM with another label than %q or %q", labelRSAPublic, labelPublic)
	}
	return block.Bytes, nil
}

var pemBegin = []byte("-----BEGIN ")

// operatorDER decodes PKIX or, failing that, PKCS#1.
func operatorDER(der []byte) (*rsa.PublicKey, error) {
	if k, err := x509.ParsePKIXPublicKey(der); err == nil {
		if k, ok := k.(*rsa.PublicKey); ok {
			return k, nil
		}
		return nil, fmt.Errorf("is a %T, want an RSA key", k)
	}
	k, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, errors.New("PEM content is neither a PKIX nor a PKCS#1 RSA public key")
	}
	return k, nil
}

// abiString undoes the ABI encoding of a single string: the offset 32, the
// length, the text, zeros up to a multiple of 32 bytes.
func abiString(b []byte) ([]byte, error) {
	if len(b) < 64 || len(b)%32 != 0 {
		return nil, fmt.Errorf("is binary of %d bytes, not an ABI-encoded string", len(b))
	}
	var want [64]byte
	want[31] = 32
	n := binary.BigEndian.Uint64(b[56:64])
	binary.BigEndian.PutUint64(want[56:], n)
	if !bytes.Equal(want[:], b[:64]) {
		return nil, errors.New("is binary, but not an ABI-encoded string")
	}
	text := b[64:]
	if n > uint64(len(text)) || uint64(len(text))-n >= 32 {
		return nil, fmt.Errorf("is an ABI-encoded string whose length says %d bytes in %d", n, len(text))
	}
	for _, x := range text[n:] {
		if x != 0 {
			return nil, errors.New("is an ABI-encoded string with padding that is not zero")
		}
	}
	return text[:n], nil
}
