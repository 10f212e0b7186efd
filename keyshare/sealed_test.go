package keyshare_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// rsaKeys are two operators' keys, made once.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// shareText is the share's 64 hex digits.
func shareText(t *testing.T, s *keyshare.Share) (text string) {
	require.NoError(t, s.Use(func(b []byte) error { text = hex.EncodeToString(b); return nil }))
	return text
}

func TestSealOpen(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8, 9)
	key := rsaKeys()[0]
	for range 20 {
		s := shares[0]
		sealed, err := s.Seal(keyshare.Operator{ID: 7, PublicKey: &key.PublicKey})
		require.NoError(t, err)
		require.EqualValues(t, 7, sealed.ID)
		require.Equal(t, s.PublicKey(), sealed.PublicKey)
		require.Len(t, sealed.Ciphertext, keyshare.SealedSize)

		//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
		text, err := rsa.DecryptPKCS1v15(nil, key, sealed.Ciphertext) //nolint:staticcheck // the network's format
		require.NoError(t, err)
		require.Equal(t, "0x"+shareText(t, s), string(text))

		again, err := s.Seal(keyshare.Operator{ID: 7, PublicKey: &key.PublicKey})
		require.NoError(t, err)
		require.NotEqual(t, sealed.Ciphertext, again.Ciphertext, "the padding is random")

		before := slices.Clone(sealed.Ciphertext)
		opened, err := keyshare.Open(sealed, 7, key, g)
		require.NoError(t, err)
		require.Equal(t, before, sealed.Ciphertext)
		require.Equal(t, s.PublicKey(), opened.PublicKey())
		require.EqualValues(t, 7, opened.Index())
		require.Same(t, g, opened.Group())
		require.Equal(t, sign(t, s, keyshare.Root{1}), sign(t, opened, keyshare.Root{1}))
		opened.Destroy()
	}
}

// sealText encrypts any text as the operator's tools would.
func sealText(t *testing.T, key *rsa.PrivateKey, s *keyshare.Share, text string) keyshare.Sealed {
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	c, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte(text)) //nolint:staticcheck // the network's format
	require.NoError(t, err)
	return keyshare.Sealed{ID: s.Index(), PublicKey: s.PublicKey(), Ciphertext: c}
}

func TestOpenReadsBothForms(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8)
	key, s := rsaKeys()[0], shares[0]
	text := shareText(t, s)
	for _, form := range []string{text, "0x" + text, strings.ToUpper(text), "0x" + strings.ToUpper(text)} {
		opened, err := keyshare.Open(sealText(t, key, s, form), 7, key, g)
		require.NoError(t, err)
		require.Equal(t, text, shareText(t, opened))
	}
	const r = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"
	for _, form := range []string{
		"", "0x", text[1:], "0x" + text[1:], "0x" + text + "0", text + "00", "0X" + text, "1x" + text, text + "\n", " " + text[1:],
		"0x" + text[:63] + "g", "0x" + text[:63] + "G", "0x" + text[:63] + "@", "0x" + text[:63] + "/", "0x" + text[:63] + ":", "0x" + text[:63] + "`",
		"0x" + text[:63] + "\x80", "0x" + text[:63] + "\xff", "0x" + text[:63] + "\x10", strings.Repeat("0", 64), "0x" + strings.Repeat("0", 64), r, "0x" + r,
		"0x" + strings.Repeat("f", 64), shareText(t, shares[1]), string(mustHex(t, text)),
	} {
		opened, err := keyshare.Open(sealText(t, key, s, form), 7, key, g)
		require.Equal(t, keyshare.ErrSealed, err, "%q", form)
		require.Nil(t, opened)
	}
}

// The parser of the opened text has no branch on a digit's value; every byte is taken or refused as it should be.
func TestOpenReadsEachByte(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8)
	text := shareText(t, shares[0])
	for c := range 256 {
		altered := []byte(text)
		altered[40] = byte(c)
		_, err := keyshare.Open(keyshare.Sealed{ID: 7, PublicKey: shares[0].PublicKey(), Ciphertext: make([]byte, 256)}, 7, plain(altered), g)
		if bytes.EqualFold([]byte{byte(c)}, []byte{text[40]}) && c < 0x80 {
			require.NoError(t, err, "%q", c)
		} else {
			require.Equal(t, keyshare.ErrSealed, err, "%q", c)
		}
	}
}

// plain is a decrypter that gives what it is.
type plain []byte

func (p plain) Public() crypto.PublicKey { return nil }

func (p plain) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return slices.Clone(p), nil
}

// What opens is the text of a secret in one of its two forms, and sealing it again gives that text, in lower case.
func FuzzOpenSecret(f *testing.F) {
	one := strings.Repeat("0", 63) + "1"
	f.Add([]byte(one))
	f.Add([]byte("0x" + one))
	f.Add([]byte("0x" + strings.Repeat("0", 64)))
	f.Add([]byte("0X" + one))
	f.Add([]byte{})
	key := rsaKeys()[0]
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := keyshare.OpenSecret(make([]byte, keyshare.SealedSize), plain(text))
		if err != nil {
			require.Equal(t, keyshare.ErrSealed, err)
			return
		}
		defer k.Destroy()
		sealed, err := keyshare.SealSecret(k, keyshare.Operator{ID: 1, PublicKey: &key.PublicKey})
		require.NoError(t, err)
		//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
		again, err := rsa.DecryptPKCS1v15(nil, key, sealed.Ciphertext) //nolint:staticcheck // the network's format
		require.NoError(t, err)
		require.Equal(t, "0x"+strings.TrimPrefix(strings.ToLower(string(text)), "0x"), string(again))
	})
}

// keeping is a decrypter that keeps hold of the plaintext it gave away.
type keeping struct {
	plain
	given []byte
}

func (k *keeping) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	k.given = slices.Clone(k.plain)
	return k.given, nil
}

func TestOpenWipesThePlaintext(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8)
	sealed := keyshare.Sealed{ID: 7, PublicKey: shares[0].PublicKey(), Ciphertext: make([]byte, 256)}
	for _, text := range []string{"0x" + shareText(t, shares[0]), shareText(t, shares[1]), "no share"} {
		k := &keeping{plain: plain(text)}
		_, err := keyshare.Open(sealed, 7, k, g)
		require.Equal(t, text != "0x"+shareText(t, shares[0]), err != nil)
		require.Equal(t, make([]byte, len(text)), k.given)
	}
}

// broken is a token that fails with words that must not come through.
type broken struct{ plain }

func (broken) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, errors.New("padding oracle")
}

func mustHex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// Whatever is wrong with a ciphertext or key, the error is the same.
func TestOpenTellsForgersNothing(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8)
	key, other := rsaKeys()[0], rsaKeys()[1]
	sealed, err := shares[0].Seal(keyshare.Operator{ID: 7, PublicKey: &key.PublicKey})
	require.NoError(t, err)
	open := func(c []byte, key crypto.Decrypter) error {
		s := sealed
		s.Ciphertext = c
		opened, err := keyshare.Open(s, 7, key, g)
		require.True(t, (err == nil) == (opened != nil))
		return err
	}
	require.NoError(t, open(sealed.Ciphertext, key))
	require.Equal(t, keyshare.ErrSealed, open(sealed.Ciphertext, other))
	require.Equal(t, keyshare.ErrSealed, open(sealed.Ciphertext, broken{}))
	require.Equal(t, keyshare.ErrSealed, open(make([]byte, 256), key))
	require.Equal(t, keyshare.ErrSealed, open(bytes.Repeat([]byte{0xff}, 256), key))
	for i := 0; i < 256; i += 17 {
		c := slices.Clone(sealed.Ciphertext)
		c[i] ^= 1
		require.Equal(t, keyshare.ErrSealed, open(c, key))
	}
	neighbour, err := shares[1].Seal(keyshare.Operator{ID: 8, PublicKey: &key.PublicKey})
	require.NoError(t, err)
	require.Equal(t, keyshare.ErrSealed, open(neighbour.Ciphertext, key))
}

// What is wrong with the public side is said.
func TestOpenRefusals(t *testing.T) {
	_, g, shares := split(t, 2, 7, 8)
	key := rsaKeys()[0]
	good, err := shares[0].Seal(keyshare.Operator{ID: 7, PublicKey: &key.PublicKey})
	require.NoError(t, err)
	for _, c := range []struct {
		id     keyshare.Index
		change func(*keyshare.Sealed)
		want   string
	}{
		{9, func(*keyshare.Sealed) {}, "keyshare: operator 9 is not a member of the group"},
		{8, func(*keyshare.Sealed) {}, "keyshare: share is sealed to operator 7, expected 8"},
		{7, func(s *keyshare.Sealed) { s.ID = 8 }, "keyshare: share is sealed to operator 8, expected 7"},
		{7, func(s *keyshare.Sealed) { s.PublicKey = shares[1].PublicKey() },
			fmt.Sprintf("keyshare: sealed share of operator 7 names public key %s, expected %s", shares[1].PublicKey(), shares[0].PublicKey())},
		{7, func(s *keyshare.Sealed) { s.Ciphertext = s.Ciphertext[:255] }, "keyshare: sealed share of operator 7 has 255 bytes, expected 256"},
		{7, func(s *keyshare.Sealed) { s.Ciphertext = append(slices.Clone(s.Ciphertext), 0) }, "keyshare: sealed share of operator 7 has 257 bytes, expected 256"},
		{7, func(s *keyshare.Sealed) { s.Ciphertext = nil }, "keyshare: sealed share of operator 7 has 0 bytes, expected 256"},
	} {
		s := good
		c.change(&s)
		opened, err := keyshare.Open(s, c.id, key, g)
		require.EqualError(t, err, c.want)
		require.Nil(t, opened)
	}
}

func TestSealRefusals(t *testing.T) {
	_, _, shares := split(t, 2, 7, 8)
	key := &rsaKeys()[0].PublicKey
	_, err := shares[0].Seal(keyshare.Operator{ID: 8, PublicKey: key})
	require.EqualError(t, err, "keyshare: share of operator 7 sealed to operator 8")
	_, err = shares[0].Seal(keyshare.Operator{ID: 7})
	require.ErrorIs(t, err, keyshare.ErrOperator)
	shares[0].Destroy()
	_, err = shares[0].Seal(keyshare.Operator{ID: 7, PublicKey: key})
	require.Error(t, err)
}

func TestOperatorCheck(t *testing.T) {
	key := rsaKeys()[0].PublicKey
	n := func(bits uint, low int64) *big.Int {
		v := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return v.Add(v, big.NewInt(low))
	}
	with := func(n *big.Int, e int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: e} }
	for _, c := range []struct {
		o    keyshare.Operator
		want string // empty: good
	}{
		{keyshare.Operator{ID: 1, PublicKey: &key}, ""},
		{keyshare.Operator{ID: 1<<64 - 1, PublicKey: &key}, ""},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2048, 1), 65537)}, ""},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2047, 1), 65537)}, ""},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2041, 1), 65537)}, ""},
		{keyshare.Operator{ID: 0, PublicKey: &key}, "id 0, whose share would be the whole key; expected 1 to 2^64-1"},
		{keyshare.Operator{ID: 5}, "operator 5 has no RSA key"},
		{keyshare.Operator{ID: 5, PublicKey: &rsa.PublicKey{E: 65537}}, "operator 5 has no RSA key"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2040, 1), 65537)}, "operator 5 has an RSA key of 2040 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(1024, 1), 65537)}, "operator 5 has an RSA key of 1024 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2049, 1), 65537)}, "operator 5 has an RSA key of 2049 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(4096, 1), 65537)}, "operator 5 has an RSA key of 4096 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(new(big.Int), 65537)}, "operator 5 has an RSA key of 0 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(new(big.Int).Neg(n(2048, 1)), 65537)}, "operator 5 has an RSA key of 2048 bits, expected 2048"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2048, 2), 65537)}, "operator 5 has an RSA key with an even modulus"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2048, 1), 3)}, "operator 5 has an RSA key with exponent 3, expected 65537"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2048, 1), 0)}, "operator 5 has an RSA key with exponent 0, expected 65537"},
		{keyshare.Operator{ID: 5, PublicKey: with(n(2048, 1), -65537)}, "operator 5 has an RSA key with exponent -65537, expected 65537"},
	} {
		err := c.o.Check()
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, keyshare.ErrOperator)
		require.EqualError(t, err, "keyshare: operator can not be used: "+c.want)
		require.Equal(t, err, keyshare.CheckOperators([]keyshare.Operator{{ID: 77, PublicKey: &key}, c.o}))
	}

	other := &rsaKeys()[1].PublicKey
	require.NoError(t, keyshare.CheckOperators(nil))
	require.NoError(t, keyshare.CheckOperators([]keyshare.Operator{{ID: 3, PublicKey: &key}, {ID: 2, PublicKey: other}}))
	err := keyshare.CheckOperators([]keyshare.Operator{{ID: 3, PublicKey: &key}, {ID: 3, PublicKey: other}})
	require.EqualError(t, err, "keyshare: operator can not be used: id 3 stands twice")
	err = keyshare.CheckOperators([]keyshare.Operator{{ID: 3, PublicKey: &key}, {ID: 4, PublicKey: other}, {ID: 5, PublicKey: with(key.N, key.E)}})
	require.EqualError(t, err, "keyshare: operator can not be used: operators 3 and 5 have the same RSA key")
}

func TestSealSecret(t *testing.T) {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	defer k.Destroy()
	_, shares, err := keyshare.Split(k, 2, []keyshare.Index{1, 2})
	require.NoError(t, err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	to := keyshare.Operator{ID: 2, PublicKey: &private.PublicKey}
	sealed, err := keyshare.SealSecret(shares[1], to)
	require.NoError(t, err)
	opened, err := keyshare.Open(sealed, 2, private, shares[1].Group())
	require.NoError(t, err)
	require.Equal(t, shares[1].PublicKey(), opened.PublicKey())
	_, err = keyshare.SealSecret(shares[1], keyshare.Operator{ID: 2})
	require.ErrorIs(t, err, keyshare.ErrOperator)

	for _, n := range []int{0, 31, 33, 64} {
		_, err = keyshare.SealSecret(lent(make([]byte, n)), to)
		require.EqualError(t, err, fmt.Sprintf("keyshare: secret has %d bytes, 32 expected", n))
	}
	for _, n := range []int{0, 255, 257} {
		_, err = keyshare.OpenSecret(make([]byte, n), private)
		require.EqualError(t, err, fmt.Sprintf("keyshare: sealed secret has %d bytes, expected 256", n))
	}
}

// lent is a secret of somebody else's making, of any length.
type lent []byte

func (lent) PublicKey() keyshare.PublicKey { return keyshare.PublicKey{} }

func (l lent) Use(f func(secret []byte) error) error { return f(l) }
