package ssv

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/secret"
)

// ErrPassword is returned when a password does not open an encrypted operator
// key; whether the file was altered instead cannot be told.
var ErrPassword = eip2335.ErrPassword

// GenerateOperatorKey makes an operator's key pair, RSA-2048 with exponent 65537.
// Like every *rsa.PrivateKey it lies in ordinary memory; a key that must not is
// made in a token.
func GenerateOperatorKey() (*rsa.PrivateKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	return k, nil
}

// EncryptOperatorKey returns the content of an encrypted_private_key.json as the
// network's node reads it: the members checksum, cipher and kdf of an EIP-2335
// crypto object at top level (PBKDF2 with 262144 iterations, AES-128-CTR), and
// pubkey in the form of [FormatOperatorKey]. What is encrypted is the PEM text
// of the PKCS#1 key.
//
// The password is UTF-8, normalised as EIP-2335 says. An empty one is refused,
// and one with space at either end, which some programs would trim.
func EncryptOperatorKey(k *rsa.PrivateKey, password []byte) ([]byte, error) {
	if k == nil {
		return nil, errors.New("ssv: operator key: no key, want RSA-2048")
	}
	public, err := FormatOperatorKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	der := x509.MarshalPKCS1PrivateKey(k)
	defer secret.Wipe(der)
	text := pem.EncodeToMemory(&pem.Block{Type: labelRSAPrivate, Bytes: der})
	defer secret.Wipe(text)
	c, err := eip2335.Encrypt(text, password, &eip2335.Options{KDF: eip2335.PBKDF2})
	if err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	object, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	var flat struct {
		Checksum  json.RawMessage `json:"checksum"`
		Cipher    json.RawMessage `json:"cipher"`
		KDF       json.RawMessage `json:"kdf"`
		PublicKey string          `json:"pubkey"`
	}
	if err := json.Unmarshal(object, &flat); err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	flat.PublicKey = public
	return json.Marshal(flat)
}

// OpenOperatorKey reads an operator's private key from the content of its file:
//
//   - an encrypted_private_key.json as [EncryptOperatorKey] writes it, with
//     either KDF of EIP-2335, and with the public key under pubkey or pubKey or
//     left out; if it is there, it must be the key's. A wrong password is
//     [ErrPassword];
//   - the PEM of the PKCS#1 key (RSA PRIVATE KEY), or base64 of that PEM; the
//     password is not used.
//
// The key must be RSA-2048 with exponent 65537. No error repeats the input. The
// key is in ordinary memory; the caller wipes b, and keeps the key in a token if
// that does not do.
func OpenOperatorKey(b, password []byte) (*rsa.PrivateKey, error) {
	open := openRaw
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		open = func(b []byte) (*rsa.PrivateKey, error) { return openEncrypted(b, password) }
	}
	k, err := open(b)
	if err != nil {
		return nil, fmt.Errorf("ssv: operator key: %w", err)
	}
	return k, nil
}

func openEncrypted(b, password []byte) (*rsa.PrivateKey, error) {
	public, err := statedPublicKey(b)
	if err != nil {
		return nil, err
	}
	var c eip2335.Crypto
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	text, err := c.Decrypt(password)
	if err != nil {
		return nil, err
	}
	defer text.Destroy()
	k, err := openRaw(text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("decrypted content %w", err)
	}
	if public != nil && !public.Equal(&k.PublicKey) {
		return nil, errors.New("pubkey is not that of the encrypted key")
	}
	return k, nil
}

// statedPublicKey checks the members of the encrypted file and returns the public
// key among them, or nil. It repeats none of the keys it does not know.
func statedPublicKey(b []byte) (*rsa.PublicKey, error) {
	tree, err := decode(b)
	members, ok := tree.(map[string]any)
	if err != nil || !ok {
		return nil, errors.New("is not one JSON object in which each key occurs once")
	}
	for _, name := range []string{"checksum", "cipher", "kdf"} {
		if _, ok := members[name]; !ok {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	known := 3
	var public *rsa.PublicKey
	for _, name := range []string{"pubkey", "pubKey"} {
		member, ok := members[name]
		if !ok {
			continue
		}
		known++
		text, ok := member.(string)
		if !ok {
			return nil, fmt.Errorf("%s is %s, want a string", name, kind(member))
		}
		k, err := parseOperatorKey([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		if public != nil && !public.Equal(k) {
			return nil, errors.New("pubKey is another key than pubkey")
		}
		public = k
	}
	if len(members) > known {
		return nil, errors.New("has a member other than checksum, cipher, kdf and pubkey")
	}
	return public, nil
}

// openRaw reads the PEM of a PKCS#1 key, or base64 of it.
func openRaw(b []byte) (*rsa.PrivateKey, error) {
	b = bytes.TrimSpace(b)
	if !bytes.HasPrefix(b, pemBegin) {
		text := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
		defer secret.Wipe(text)
		n, err := base64.StdEncoding.Decode(text, b)
		if err != nil || len(b) == 0 {
			return nil, errors.New("is neither a PEM nor base64 of one")
		}
		if b = bytes.TrimSpace(text[:n]); !bytes.HasPrefix(b, pemBegin) {
			return nil, errors.New("is base64, but not of a PEM")
		}
	}
	block, rest := pem.Decode(b)
	if block == nil {
		return nil, errors.New("is a damaged PEM")
	}
	defer secret.Wipe(block.Bytes)
	switch {
	case len(rest) != 0:
		return nil, errors.New("has data after the PEM block")
	case len(block.Headers) != 0:
		return nil, errors.New("is a PEM with headers (an encrypted key of OpenSSL?), want none")
	case block.Type == labelPrivate:
		return nil, fmt.Errorf("is a PKCS#8 key, want PKCS#1 under the label %q", labelRSAPrivate)
	case block.Type == labelRSAPublic || block.Type == labelPublic:
		return nil, errors.New("is a public key, want the private one")
	case block.Type != labelRSAPrivate:
		return nil, fmt.Errorf("is a PEM with another label than %q", labelRSAPrivate)
	}
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("PEM content is not a sound PKCS#1 RSA key")
	}
	if err := checkOperatorKey(&k.PublicKey); err != nil {
		return nil, err
	}
	return k, nil
}
