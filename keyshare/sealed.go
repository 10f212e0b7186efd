package keyshare

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/secret"
)

// Sealed is one share encrypted to one operator. All of it is public.
//
// The encryption is the SSV network's: RSAES-PKCS1-v1_5 (RFC 8017, 7.2) with an
// RSA-2048 key over the 66 characters 0x and 64 lower-case hex digits of the
// share, big-endian.
type Sealed struct {
	ID         Index     // the operator's
	PublicKey  PublicKey // the share's
	Ciphertext []byte    // SealedSize bytes
}

// plainSize is the length of the text that is encrypted: 0x and 64 hex digits.
const plainSize = 2 + 2*SecretKeySize

// Seal encrypts the share to its operator, whose id must be the share's index.
func (s *Share) Seal(to Operator) (Sealed, error) {
	if err := to.Check(); err != nil {
		return Sealed{}, err
	}
	if to.ID != s.index {
		return Sealed{}, fmt.Errorf("keyshare: share of operator %d sealed to operator %d", s.index, to.ID)
	}
	return SealSecret(s, to)
}

// SealSecret encrypts a secret, as it is, to one operator. It is for custody that
// keeps an operator's share under the share's public key and knows nothing of its
// group; whoever seals a whole key this way gives it away.
func SealSecret(s Secret, to Operator) (Sealed, error) {
	if err := to.Check(); err != nil {
		return Sealed{}, err
	}
	message, err := secret.New(SealedSize)
	if err != nil {
		return Sealed{}, fmt.Errorf("keyshare: %w", err)
	}
	defer message.Destroy()
	err = s.Use(func(plain []byte) error {
		if len(plain) != SecretKeySize {
			return fmt.Errorf("secret has %d bytes, %d expected", len(plain), SecretKeySize)
		}
		pad(message.Bytes(), plain)
		return nil
	})
	if err != nil {
		return Sealed{}, fmt.Errorf("keyshare: %w", err)
	}
	ciphertext, err := rsaPower(to.PublicKey, message.Bytes())
	if err != nil {
		return Sealed{}, fmt.Errorf("keyshare: %w", err)
	}
	return Sealed{ID: to.ID, PublicKey: s.PublicKey(), Ciphertext: ciphertext}, nil
}

// pad writes EM = 0x00 ‖ 0x02 ‖ non-zero random bytes ‖ 0x00 ‖ text of RFC 8017,
// 7.2.1, where text is the share's.
func pad(em, share []byte) {
	padding, text := em[2:len(em)-plainSize-1], em[len(em)-plainSize:]
	em[0], em[1], em[len(em)-plainSize-1] = 0, 2, 0
	rand.Read(padding)
	for i := range padding {
		for padding[i] == 0 {
			rand.Read(padding[i : i+1])
		}
	}
	text[0], text[1] = '0', 'x'
	for i, b := range share {
		text[2+2*i], text[3+2*i] = hexDigit(b>>4), hexDigit(b&0xf)
	}
}

// hexDigit returns the lower-case digit of 0 … 15 with no table for a cache to
// betray.
func hexDigit(n byte) byte {
	letter := (9 - int(n)) >> 8 // all ones for 10 … 15
	return byte(int('0') + int(n) + letter&('a'-'0'-10))
}

// ErrSealed is returned by [Open] when the ciphertext does not open to the share:
// one error for every cause, so that it tells a forger nothing.
var ErrSealed = errors.New("keyshare: sealed share does not open with this operator's key to the share that the group names")

// Open decrypts a sealed share with the operator's RSA key, which may live in a
// token, and checks that it is the share of member id of the group. It reads the
// plaintext with and without 0x. The share that it returns is in guarded memory;
// a software RSA key leaves copies in the memory of crypto/rsa that this package
// can not reach.
func Open(s Sealed, id Index, key crypto.Decrypter, g *Group) (*Share, error) {
	want, ok := g.Member(id)
	switch {
	case !ok:
		return nil, fmt.Errorf("keyshare: operator %d is not a member of the group", id)
	case s.ID != id:
		return nil, fmt.Errorf("keyshare: share is sealed to operator %d, expected %d", s.ID, id)
	case s.PublicKey != want:
		return nil, fmt.Errorf("keyshare: sealed share of operator %d names public key %s, expected %s", id, s.PublicKey, want)
	case len(s.Ciphertext) != SealedSize:
		return nil, fmt.Errorf("keyshare: sealed share of operator %d has %d bytes, expected %d", id, len(s.Ciphertext), SealedSize)
	}
	k, err := OpenSecret(s.Ciphertext, key)
	if err != nil {
		return nil, err
	}
	if k.public != want {
		k.Destroy()
		return nil, ErrSealed
	}
	return &Share{guarded: k.guarded, index: id, group: g}, nil
}

// OpenSecret decrypts what SealSecret made, or ErrSealed. Who needs a certain secret
// compares its public key.
func OpenSecret(ciphertext []byte, key crypto.Decrypter) (*SecretKey, error) {
	if len(ciphertext) != SealedSize {
		return nil, fmt.Errorf("keyshare: sealed secret has %d bytes, expected %d", len(ciphertext), SealedSize)
	}
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	text, err := key.Decrypt(rand.Reader, append([]byte(nil), ciphertext...), &rsa.PKCS1v15DecryptOptions{})
	defer secret.Wipe(text)
	if err != nil {
		return nil, ErrSealed
	}
	buf, err := secret.New(SecretKeySize)
	if err != nil {
		return nil, fmt.Errorf("keyshare: %w", err)
	}
	defer buf.Destroy()
	if !parseHexShare(buf.Bytes(), text) {
		return nil, ErrSealed
	}
	k, err := ParseSecretKey(buf.Bytes())
	if errors.Is(err, ErrSecretKey) {
		return nil, ErrSealed
	}
	return k, err
}

// parseHexShare decodes 64 hex digits of either case, with or without 0x, and no
// branch on a digit's value.
func parseHexShare(out, text []byte) bool {
	if len(text) == plainSize && text[0] == '0' && text[1] == 'x' {
		text = text[2:]
	}
	if len(text) != 2*len(out) {
		return false
	}
	bad := 0
	for i, c := range text {
		digit := int(c) - '0'
		letter := int(c|0x20) - 'a'
		isDigit := ^(digit | (9 - digit)) >> 8    // all ones for 0 … 9
		isLetter := ^(letter | (5 - letter)) >> 8 // all ones for a … f
		bad |= ^(isDigit | isLetter)
		nibble := byte(digit&isDigit | (letter+10)&isLetter)
		out[i/2] = out[i/2]<<4 | nibble
	}
	return bad == 0
}
