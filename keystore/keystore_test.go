package keystore_test

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

const password = "correct horse battery"

func generate(t testing.TB) *keyshare.SecretKey {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	return k
}

// pretty returns JSON without the blanks that do not count.
func pretty(t require.TestingT, b []byte) string {
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// TestStandardVectors opens the keystores of EIP-2335 and writes them as they are.
func TestStandardVectors(t *testing.T) {
	for _, name := range []string{"keystore/eip2335_scrypt.json", "keystore/eip2335_pbkdf2.json"} {
		t.Run(name, func(t *testing.T) {
			var v struct {
				Password string
				Secret   string `json:"secret_hex"`
				Keystore json.RawMessage
			}
			vectors.JSON(t, name, &v)
			store, err := keystore.Parse(v.Keystore)
			require.NoError(t, err)
			k, err := store.Decrypt([]byte(v.Password))
			require.NoError(t, err)
			require.Equal(t, v.Secret, secretHex(t, k))
			require.Equal(t, store.PublicKey, k.PublicKey())
			require.True(t, strings.HasPrefix(store.Path, "m/12381/60/"))
			require.Contains(t, store.Description, "This is a test keystore that uses ")
			require.Len(t, store.UUID, 36)

			b, err := json.Marshal(store)
			require.NoError(t, err)
			require.Equal(t, pretty(t, v.Keystore), pretty(t, b))
		})
	}
}

// TestToolVectors opens what other tools' tests open, and refuses what they refuse.
func TestToolVectors(t *testing.T) {
	const secret = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
	opens := map[string]string{ // the password
		"depositcli_test0.json":            "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑",
		"depositcli_test1.json":            "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑",
		"web3signer_pbkdf2TestVector.json": "testpassword🔑",
		"web3signer_scryptTestVector.json": "testpassword🔑",
	}
	refused := map[string]string{ // the error
		"web3signer_missingCrypto.json":               "keystore: crypto is missing",
		"web3signer_missingKdfSectionTestVector.json": "keystore: eip2335: kdf.params is missing",
		"web3signer_unsupportedChecksumFunction.json": `keystore: eip2335: checksum.function is "sha128", expected "sha256"`,
		"web3signer_unsupportedKdfFunction.json":      `keystore: eip2335: kdf.function is "pbkdf3", expected "scrypt" or "pbkdf2"`,
		"web3signer_v3TestVector.json":                "keystore: version is 3, expected 4",
	}
	files := vectors.Files(t, "keystore/*_*.json")
	require.Len(t, files, 2+len(opens)+len(refused))
	for _, file := range files {
		name := file[strings.LastIndexAny(file, `/\`)+1:]
		t.Run(name, func(t *testing.T) {
			store, err := keystore.ReadFile(file)
			if want, ok := refused[name]; ok {
				require.ErrorContains(t, err, strings.TrimPrefix(want, "keystore: "))
				require.True(t, strings.HasPrefix(err.Error(), "keystore: "+file+": "), err)
				_, err = keystore.Parse(vectors.Read(t, "keystore/"+name))
				require.EqualError(t, err, want)
				return
			}
			if strings.HasPrefix(name, "eip2335_") {
				require.Error(t, err, "the keystore is a member of the file")
				return
			}
			require.NoError(t, err)
			k, err := store.Decrypt([]byte(opens[name]))
			require.NoError(t, err)
			require.Equal(t, secret, secretHex(t, k))
		})
	}
}

// TestRoundTrip encrypts keys and shares under any password that may be written.
func TestRoundTrip(t *testing.T) {
	whole := generate(t)
	_, shares, err := keyshare.Split(whole, 3, []keyshare.Index{1, 2, 3, 1 << 40})
	require.NoError(t, err)
	secrets := []keyshare.Secret{whole}
	for _, s := range shares {
		secrets = append(secrets, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(secrets).Draw(t, "key")
		o := keystore.Options{PBKDF2: rapid.Bool().Draw(t, "pbkdf2"), Description: rapid.String().Draw(t, "description")}
		if rapid.Bool().Draw(t, "derived") {
			o.Path = keystore.SigningPath(rapid.Uint32().Draw(t, "validator"))
		}
		password := []byte("a" + rapid.StringN(10, 100, -1).Draw(t, "password") + "12345678901z")
		store, err := keystore.Encrypt(k, password, keystore.Cheap(o))
		require.NoError(t, err)
		require.Equal(t, k.PublicKey(), store.PublicKey)

		b, err := json.Marshal(store)
		require.NoError(t, err)
		parsed, err := keystore.Parse(b)
		require.NoError(t, err)
		require.Equal(t, store, parsed)
		require.Equal(t, o.Path.String(), parsed.Path)
		require.Equal(t, o.Description, parsed.Description)
		opened, err := parsed.Decrypt(password)
		require.NoError(t, err)
		require.Equal(t, secretHex(t, k), secretHex(t, opened))
		_, err = parsed.Decrypt(append(password, 'z'))
		require.ErrorIs(t, err, keystore.ErrPassword)
	})
}

// TestWrittenForm holds the exact bytes that are written, but for what is random.
func TestWrittenForm(t *testing.T) {
	k, err := keyshare.ParseSecretKey(append(make([]byte, 31), 1))
	require.NoError(t, err)
	const public = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
	random := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|"[0-9a-f]{64}"|"[0-9a-f]{32}"`)
	for kdf, want := range map[bool]string{
		false: `"kdf":{"function":"scrypt","params":{"dklen":32,"n":262144,"p":1,"r":8,"salt":*},"message":""}`,
		true:  `"kdf":{"function":"pbkdf2","params":{"dklen":32,"c":262144,"prf":"hmac-sha256","salt":*},"message":""}`,
	} {
		store, err := keystore.Encrypt(k, []byte(password), &keystore.Options{PBKDF2: kdf, Path: keystore.SigningPath(5), Description: "mine"})
		require.NoError(t, err)
		b, err := json.Marshal(store)
		require.NoError(t, err)
		require.Equal(t, `{"crypto":{`+want+`,"checksum":{"function":"sha256","params":{},"message":*},`+
			`"cipher":{"function":"aes-128-ctr","params":{"iv":*},"message":*}},`+
			`"description":"mine","pubkey":"`+public+`","path":"m/12381/3600/5/0/0","uuid":"*","version":4}`,
			random.ReplaceAllString(string(b), "*"))
	}
}

func TestEncryptRefuses(t *testing.T) {
	k := generate(t)
	for _, c := range []struct{ password, want string }{
		{"", "keystore: password has fewer than 12 characters"},
		{"elevenchars", "keystore: password has fewer than 12 characters"},
		{"elevenchars\n", "keystore: password has fewer than 12 characters"},
		{strings.Repeat("é", 11), "keystore: password has fewer than 12 characters"},
		{"twelve chars ", "keystore: eip2335: password begins or ends with a space"},
		{" twelve chars", "keystore: eip2335: password begins or ends with a space"},
		{"twelve chars\xff", "keystore: eip2335: password is not UTF-8"},
		{strings.Repeat("x", 5000), "keystore: eip2335: password has 5000 bytes, expected at most 4096"},
	} {
		_, err := keystore.Encrypt(k, []byte(c.password), keystore.Cheap(keystore.Options{}))
		require.ErrorContains(t, err, c.want, "%q", c.password)
	}
	_, err := keystore.Encrypt(k, []byte("twelve chars"), keystore.Cheap(keystore.Options{}))
	require.NoError(t, err)
	k.Destroy()
	_, err = keystore.Encrypt(k, []byte(password), keystore.Cheap(keystore.Options{}))
	require.ErrorContains(t, err, "used after Destroy")
}

// valid returns the content of a cheap keystore of the key.
func valid(t testing.TB, k keyshare.Secret) string {
	store, err := keystore.Encrypt(k, []byte(password), keystore.Cheap(keystore.Options{Path: keystore.SigningPath(0)}))
	require.NoError(t, err)
	b, err := json.Marshal(store)
	require.NoError(t, err)
	return string(b)
}

// TestParseRefuses changes one thing of a valid file at a time. What is within crypto, internal/eip2335 tests.
func TestParseRefuses(t *testing.T) {
	k := generate(t)
	file := valid(t, k)
	public := k.PublicKey().String()[2:]
	for _, c := range []struct{ old, new, want string }{
		{`"version":4`, `"version":3`, "version is 3, expected 4"},
		{`"version":4`, `"version":"4"`, `version is "4", expected 4`},
		{`"version":4`, `"version":4.0`, "version is 4.0, expected 4"},
		{`"version":4`, `"version":null`, "version is null, expected 4"},
		{`,"version":4`, ``, "version is missing, expected 4"},
		{`"version":4`, `"Version":4`, "version is missing, expected 4"},
		{`"version":4`, `"version":4,"version":4`, `file has the key "version" twice at byte `},
		{`"version":4`, `"version":4,"extra":{"a":1,"a":2}`, `file has the key "a" twice at byte `},
		{`"version":4}`, `"version":4}{}`, "file is not one JSON value: fault at byte "},
		{`"version":4}`, `"version":4`, "file is not one JSON value: fault at byte "},
		{`"description":""`, `"description":["x"]`, "description is not a string"},
		{`"description":""`, "\"description\":\"\xff\"", "file is not UTF-8"},
		{`"description":""`, `"description":"` + strings.Repeat("x", 1<<16) + `"`, "file has "},
		{`"path":"`, `"path":7,"note":"`, "path is not a string"},
		{`"uuid":"`, `"uuid":7,"note":"`, "uuid is not a string"},
		{`"pubkey":"`, `"pubkey":7,"note":"`, "pubkey is not a string"},
		{`"pubkey":"` + public[:2], `"pubkey":"`, "pubkey: keyshare: not a BLS public key: "},
		{`"pubkey":"` + public, `"pubkey":"` + strings.Repeat("z", 96), "pubkey: keyshare: not a BLS public key: "},
		{`"pubkey":"` + public, `"pubkey":"c` + strings.Repeat("0", 95), "pubkey: keyshare: not a BLS public key: "},
		{`"crypto":{`, `"Crypto":{`, "crypto is missing"},
		{`"crypto":{`, `"crypto":null,"extra":{`, "eip2335: crypto is not a JSON object"},
		{`"crypto":{`, `"crypto":[],"extra":{`, "eip2335: crypto is not a JSON object"},
		{`"crypto":{"kdf"`, `"crypto":{"KDF"`, "eip2335: kdf is missing"},
	} {
		require.Contains(t, file, c.old)
		_, err := keystore.Parse([]byte(strings.Replace(file, c.old, c.new, 1)))
		require.ErrorContains(t, err, "keystore: "+c.want, c.new)
		require.Error(t, new(keystore.Keystore).UnmarshalJSON([]byte(strings.Replace(file, c.old, c.new, 1))))
	}
	for _, text := range []string{"", "null", "[]", "4", `"x"`} {
		_, err := keystore.Parse([]byte(text))
		require.ErrorContains(t, err, "keystore: file is not ", text)
	}
}

// TestParseTolerates reads files that deviate from the standard.
func TestParseTolerates(t *testing.T) {
	k := generate(t)
	file := valid(t, k)
	public := k.PublicKey().String()[2:]
	upper := regexp.MustCompile(`"message":"[0-9a-f]+"|"salt":"[0-9a-f]+"|"iv":"[0-9a-f]+"`)
	for _, c := range []struct {
		name string
		file string
		want func(s *keystore.Keystore)
	}{
		{"as it is", file, func(s *keystore.Keystore) {}},
		{"no path", strings.Replace(file, `"path":"m/12381/3600/0/0/0",`, ``, 1), func(s *keystore.Keystore) { s.Path = "" }},
		{"path null", strings.Replace(file, `"m/12381/3600/0/0/0"`, `null`, 1), func(s *keystore.Keystore) { s.Path = "" }},
		{"path empty", strings.Replace(file, `m/12381/3600/0/0/0`, ``, 1), func(s *keystore.Keystore) { s.Path = "" }},
		{"letters in path", strings.Replace(file, `m/12381/3600/0/0/0`, `m/a/../b`, 1), func(s *keystore.Keystore) { s.Path = "m/a/../b" }},
		{"no description", strings.Replace(file, `"description":"",`, ``, 1), func(s *keystore.Keystore) {}},
		{"description null", strings.Replace(file, `"description":""`, `"description":null`, 1), func(s *keystore.Keystore) {}},
		{"name", strings.Replace(file, `"description":""`, `"name":"mine"`, 1), func(s *keystore.Keystore) { s.Description = "mine" }},
		{"name and description", strings.Replace(file, `"description":""`, `"name":"mine","description":"yours"`, 1), func(s *keystore.Keystore) { s.Description = "yours" }},
		{"unknown members", strings.Replace(file, `"version":4`, `"version":4,"extra":[1,{"a":null}],"Version":5`, 1), func(s *keystore.Keystore) {}},
		{"no pubkey", strings.Replace(file, `"pubkey":"`+public+`",`, ``, 1), func(s *keystore.Keystore) { s.PublicKey = keyshare.PublicKey{} }},
		{"pubkey empty", strings.Replace(file, public, ``, 1), func(s *keystore.Keystore) { s.PublicKey = keyshare.PublicKey{} }},
		{"pubkey with 0x", strings.Replace(file, public, "0x"+public, 1), func(s *keystore.Keystore) {}},
		{"pubkey in capitals", strings.Replace(file, public, strings.ToUpper(public), 1), func(s *keystore.Keystore) {}},
		{"no uuid", regexp.MustCompile(`"uuid":"[^"]*",`).ReplaceAllString(file, ``), func(s *keystore.Keystore) { s.UUID = "" }},
		{"hex in capitals", upper.ReplaceAllStringFunc(file, func(m string) string {
			name, value, _ := strings.Cut(m, ":")
			return name + `:"0x` + strings.ToUpper(strings.Trim(value, `"`)) + `"`
		}), func(s *keystore.Keystore) {}},
		{"numbers in quotes", strings.Replace(file, `"n":4`, `"n":"4"`, 1), func(s *keystore.Keystore) {}},
		{"with a newline", file + "\r\n", func(s *keystore.Keystore) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := keystore.Parse([]byte(file))
			require.NoError(t, err)
			c.want(want)
			got, err := keystore.Parse([]byte(c.file))
			require.NoError(t, err)
			require.Equal(t, want, got)
			opened, err := got.Decrypt([]byte(password))
			require.NoError(t, err)
			require.True(t, k.Equal(opened))
			var decoded struct{ K *keystore.Keystore }
			require.NoError(t, json.Unmarshal([]byte(`{"K":`+c.file+`}`), &decoded))
			require.Equal(t, want, decoded.K)
		})
	}
}

// TestLengthOfSecret: a validator's keystore holds 32 bytes.
func TestLengthOfSecret(t *testing.T) {
	file := valid(t, generate(t))
	for _, n := range []int{1, 31, 33, 64} {
		changed := regexp.MustCompile(`("cipher":.*"message":")[0-9a-f]+`).ReplaceAllString(file, "${1}"+strings.Repeat("ab", n))
		_, err := keystore.Parse([]byte(changed))
		require.ErrorContains(t, err, "bytes, expected 32")
		require.ErrorContains(t, err, "keystore: crypto.cipher.message has ")
	}
}

// TestDecryptRefuses encrypts what is no key, or another key than stated; the password and the checksum are right.
func TestDecryptRefuses(t *testing.T) {
	k := generate(t)
	other := generate(t)
	const order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"
	for _, c := range []struct{ secret, want string }{
		{strings.Repeat("00", 32), "keystore: decrypted keyshare: secret key must be 32 big-endian bytes in the range 1 to r-1"},
		{order, "keystore: decrypted keyshare: secret key must be 32 big-endian bytes in the range 1 to r-1"},
		{strings.Repeat("ff", 32), "keystore: decrypted keyshare: secret key must be 32 big-endian bytes in the range 1 to r-1"},
		{secretHex(t, other), "keystore: pubkey is " + k.PublicKey().String() + ", but the encrypted key's is " + other.PublicKey().String()},
		{secretHex(t, k), ""},
	} {
		secret, err := hex.DecodeString(c.secret)
		require.NoError(t, err)
		crypto, err := eip2335.Encrypt(secret, []byte(password), &eip2335.Options{Cost: 2})
		require.NoError(t, err)
		b, err := json.Marshal(map[string]any{"crypto": crypto, "pubkey": k.PublicKey(), "version": 4})
		require.NoError(t, err)
		store, err := keystore.Parse(b)
		require.NoError(t, err)
		_, err = store.Decrypt([]byte(password))
		if c.want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, c.want)
			require.NotErrorIs(t, err, keystore.ErrPassword)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	store := encrypt(t, generate(t), keystore.Options{})
	for _, wrong := range []string{"", password + " ", "𝔱𝔢𝔰𝔱", "\xff"} {
		_, err := store.Decrypt([]byte(wrong))
		require.ErrorIs(t, err, keystore.ErrPassword)
		require.EqualError(t, err, "keystore: eip2335: wrong password, or an altered keystore")
	}
}

func TestEmptyKeystore(t *testing.T) {
	var store keystore.Keystore
	_, err := store.Decrypt(nil)
	require.ErrorContains(t, err, "keystore: the keystore is empty")
	_, err = json.Marshal(&store)
	require.ErrorContains(t, err, "keystore: the keystore is empty")
	_, err = store.WriteFile(t.TempDir())
	require.ErrorContains(t, err, "keystore: neither a path of EIP-2334 nor a public key to name the file by")
}

// FuzzParse holds that what parses is written in a form that parses to the same, and is written the same again.
func FuzzParse(f *testing.F) {
	k := generate(f)
	f.Add([]byte(valid(f, k)))
	f.Add([]byte(strings.Replace(valid(f, k), `"description":""`, `"name":"<é&>"`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		store, err := keystore.Parse(b)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "keystore: "), err)
			return
		}
		written, err := json.Marshal(store)
		require.NoError(t, err)
		again, err := keystore.Parse(written)
		require.NoError(t, err)
		require.Equal(t, store, again)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(written), string(twice))
	})
}
