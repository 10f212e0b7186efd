package eip2335

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/vectors"
)

// cheap are options that make tests fast.
var cheap = map[string]*Options{"scrypt": {KDF: Scrypt, Cost: 2}, "pbkdf2": {KDF: PBKDF2, Cost: 2}}

func decrypted(t require.TestingT, c *Crypto, password string) string {
	plain, err := c.Decrypt([]byte(password))
	require.NoError(t, err)
	defer plain.Destroy()
	return string(plain.Bytes())
}

// TestVectors decrypts the examples of EIP-2335, and writes them as they are.
func TestVectors(t *testing.T) {
	for _, name := range []string{"keystore/eip2335_scrypt.json", "keystore/eip2335_pbkdf2.json"} {
		t.Run(name, func(t *testing.T) {
			var v struct {
				Password  string
				Processed string `json:"password_processed_hex"`
				Secret    string `json:"secret_hex"`
				Keystore  struct{ Crypto json.RawMessage }
			}
			vectors.JSON(t, name, &v)
			normalized, err := normalize([]byte(v.Password))
			require.NoError(t, err)
			require.Equal(t, v.Processed, hex.EncodeToString(normalized.Bytes()))

			var c Crypto
			require.NoError(t, json.Unmarshal(v.Keystore.Crypto, &c))
			require.Equal(t, 32, c.Len())
			require.Equal(t, v.Secret, hex.EncodeToString([]byte(decrypted(t, &c, v.Password))))
			encoded, err := json.Marshal(&c)
			require.NoError(t, err)
			require.JSONEq(t, string(v.Keystore.Crypto), string(encoded))
		})
	}
}

// TestRoundTrip encrypts secrets of any length under any password that may be written.
func TestRoundTrip(t *testing.T) {
	for name, o := range cheap {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plain := rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(t, "plain")
				password := "a" + rapid.String().Draw(t, "password") + "z"
				c, err := Encrypt(plain, []byte(password), o)
				require.NoError(t, err)
				require.Equal(t, len(plain), c.Len())

				encoded, err := json.Marshal(c)
				require.NoError(t, err)
				var parsed Crypto
				require.NoError(t, json.Unmarshal(encoded, &parsed))
				require.Equal(t, c, &parsed)
				require.Equal(t, string(plain), decrypted(t, &parsed, password))
				require.Equal(t, string(plain), decrypted(t, &parsed, password+"\r\n"), "control characters do not count")
				_, err = parsed.Decrypt([]byte(password + "z"))
				require.ErrorIs(t, err, ErrPassword)
			})
		})
	}
}

// TestFreshRandomness shows that no salt and no IV is used twice: with the same key and IV the XOR of two ciphertexts is
// that of the secrets.
func TestFreshRandomness(t *testing.T) {
	for name, o := range cheap {
		seen := map[string]bool{}
		for range 50 {
			c, err := Encrypt(make([]byte, 32), []byte("password"), o)
			require.NoError(t, err)
			for _, b := range [][]byte{c.salt, c.iv[:], c.message, c.checksum[:]} {
				require.False(t, seen[string(b)], name)
				seen[string(b)] = true
			}
			require.Len(t, c.salt, 32)
		}
	}
}

func TestUsualCost(t *testing.T) {
	for _, c := range []struct {
		options *Options
		want    string
	}{
		{nil, `"function":"scrypt","params":{"dklen":32,"n":262144,"p":1,"r":8,"salt":`},
		{&Options{KDF: PBKDF2}, `"function":"pbkdf2","params":{"dklen":32,"c":262144,"prf":"hmac-sha256","salt":`},
	} {
		made, err := Encrypt([]byte("secret"), []byte("password"), c.options)
		require.NoError(t, err)
		encoded, err := json.Marshal(made)
		require.NoError(t, err)
		require.Contains(t, string(encoded), c.want)
	}
}

// TestSecondTry opens what a tool wrote that takes the password as it is.
func TestSecondTry(t *testing.T) {
	for _, raw := range []string{"𝔱𝔢𝔰𝔱", "pass\tword", "\xff\xfe", " "} {
		c, err := Encrypt([]byte("secret"), []byte("password"), cheap["pbkdf2"])
		require.NoError(t, err)
		key, err := c.derive([]byte(raw))
		require.NoError(t, err)
		require.NoError(t, c.crypt(c.message, []byte("secret"), key.Bytes()))
		c.checksum = checksumOf(key.Bytes(), c.message)
		require.Equal(t, "secret", decrypted(t, c, raw))
		_, err = c.Decrypt([]byte("test"))
		require.ErrorIs(t, err, ErrPassword)
	}
}

// TestEmptyPassword: other tools allow it, so reading does.
func TestEmptyPassword(t *testing.T) {
	c, err := Encrypt([]byte("secret"), []byte("password"), cheap["scrypt"])
	require.NoError(t, err)
	key, err := c.derive(nil)
	require.NoError(t, err)
	require.NoError(t, c.crypt(c.message, []byte("secret"), key.Bytes()))
	c.checksum = checksumOf(key.Bytes(), c.message)
	require.Equal(t, "secret", decrypted(t, c, ""))
	require.Equal(t, "secret", decrypted(t, c, "\n"))
}

func TestNormalize(t *testing.T) {
	for raw, want := range map[string]string{
		"":               "",
		"plain text 42!": "plain text 42!",
		"𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑": "testpassword🔑",
		"Å":                     "A\u030a",
		"\x00a\x1fb\x7fc\n":     "abc",
		"a\u0080b\u009fc\u00a0": "abc ",
		"\u3000x":               " x",
		"\xc2\xff":              "\xc2\xff",
		"\ufdfa":                "صلى الله عليه وسلم",
	} {
		b, err := normalize([]byte(raw))
		require.NoError(t, err)
		require.Equal(t, want, string(b.Bytes()), "%q", raw)
	}
}

// TestNormalizeInPlace shows that normalising stays within the guarded memory, however much longer the text becomes.
func TestNormalizeInPlace(t *testing.T) {
	texts := []string{strings.Repeat("\ufdfa", 1000), strings.Repeat("\u0344", 1000), strings.Repeat("\u0300", 2000), "e" + strings.Repeat("\u0345\u0300", 500)}
	for c := rune(0); c < 0x30000; c++ { // none above has a decomposition
		texts = append(texts, string(c))
	}
	for _, text := range texts {
		b := make([]byte, nfkdGrowth*len(text))
		out := appendNFKD(b[:0], []byte(text))
		require.LessOrEqual(t, len(out), len(b), "%q", text)
		if len(out) > 0 && &out[0] != &b[0] {
			t.Fatalf("%q was normalised elsewhere", text)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	for _, c := range []struct{ password, want string }{
		{"", "eip2335: password is empty"},
		{"\n", "eip2335: password is empty"},
		{" password", "eip2335: password begins or ends with a space"},
		{"password ", "eip2335: password begins or ends with a space"},
		{"password \n", "eip2335: password begins or ends with a space"},
		{"\u00a0password", "eip2335: password begins or ends with a space"},
		{"password\u3000", "eip2335: password begins or ends with a space"},
		{"pass\xffword", "eip2335: password is not UTF-8"},
		{strings.Repeat("x", 4097), "eip2335: password has 4097 bytes, expected at most 4096"},
	} {
		_, err := Encrypt([]byte("secret"), []byte(c.password), cheap["pbkdf2"])
		require.ErrorContains(t, err, c.want, "%q", c.password)
	}
	_, err := Encrypt([]byte("secret"), []byte("password"), &Options{KDF: 2})
	require.EqualError(t, err, "eip2335: KDF is 2, expected Scrypt or PBKDF2")
	_, err = Encrypt([]byte("secret"), []byte(strings.Repeat("x", 4096)), cheap["pbkdf2"])
	require.NoError(t, err)
}

func TestZero(t *testing.T) {
	var c Crypto
	_, err := c.Decrypt([]byte("password"))
	require.ErrorIs(t, err, errZero)
	_, err = json.Marshal(&c)
	require.ErrorIs(t, err, errZero)
}

func ExampleEncrypt() {
	c, err := Encrypt([]byte("any secret"), []byte("a long password"), &Options{KDF: PBKDF2})
	if err != nil {
		panic(err)
	}
	plain, err := c.Decrypt([]byte("a long password\n"))
	if err != nil {
		panic(err)
	}
	defer plain.Destroy()
	fmt.Println(plain.Len())
	// Output: 10
}
