package ssv_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

func privatePEM(k *rsa.PrivateKey) []byte {
	return pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
}

// encrypted is an operator key file with a key that is quick to derive.
func encrypted(tb testing.TB, plain []byte, password string, o eip2335.Options) map[string]any {
	tb.Helper()
	if o.Cost == 0 {
		o.Cost = 4
	}
	c, err := eip2335.Encrypt(plain, []byte(password), &o)
	require.NoError(tb, err)
	b, err := json.Marshal(c)
	require.NoError(tb, err)
	var file map[string]any
	require.NoError(tb, json.Unmarshal(b, &file))
	return file
}

func TestGenerateOperatorKey(t *testing.T) {
	k, err := ssv.GenerateOperatorKey()
	require.NoError(t, err)
	text, err := ssv.FormatOperatorKey(&k.PublicKey)
	require.NoError(t, err)
	file, err := ssv.EncryptOperatorKey(k, []byte("correct horse"))
	require.NoError(t, err)

	require.True(t, bytes.HasPrefix(file, []byte(`{"checksum":{"function":"sha256","params":{},"message":"`)), "%s", file)
	require.Contains(t, string(file), `"kdf":{"function":"pbkdf2","params":{"dklen":32,"c":262144,"prf":"hmac-sha256","salt":"`)
	require.True(t, bytes.HasSuffix(file, []byte(`,"pubkey":"`+text+`"}`)))
	for _, field := range []string{"crypto", "version", "uuid", "path"} {
		require.NotContains(t, string(file), `"`+field+`"`)
	}
	for _, password := range []string{"correct horse", "correct horse\n"} { // control characters are dropped
		read, err := ssv.OpenOperatorKey(file, []byte(password))
		require.NoError(t, err)
		require.True(t, k.Equal(read))
	}
	for _, password := range []string{"", "correct horse ", "Correct horse"} {
		read, err := ssv.OpenOperatorKey(file, []byte(password))
		require.ErrorIs(t, err, ssv.ErrPassword)
		require.Nil(t, read)
	}
	_, err = ssv.OpenOperatorKey(bytes.Replace(file, []byte(`"message":"`), []byte(`"message":"00`), 1), []byte("correct horse"))
	require.Error(t, err)
}

func TestEncryptOperatorKeyRefuses(t *testing.T) {
	for _, password := range []string{"", " a", "a ", "a \n", "\n a", "\n", "a\u00a0", "\xff"} {
		_, err := ssv.EncryptOperatorKey(rsaPool[0](), []byte(password))
		require.ErrorContains(t, err, "ssv: operator key: ", "%q", password)
	}
	_, err := ssv.EncryptOperatorKey(nil, []byte("a"))
	require.EqualError(t, err, "ssv: operator key: no key, want RSA-2048")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = ssv.EncryptOperatorKey(small, []byte("a"))
	require.EqualError(t, err, "ssv: operator key: RSA key of 1024 bits, want RSA-2048")
}

// All thirteen pairs of the vectors, raw in both forms and encrypted by both key
// derivations.
func TestOpenOperatorKeyForms(t *testing.T) {
	operators, keys := vectorOperators(t)
	for i, o := range operators {
		k := keys[o.ID]
		text, err := ssv.FormatOperatorKey(o.PublicKey)
		require.NoError(t, err)
		plain := privatePEM(k)
		forms := [][]byte{plain, bytes.TrimSpace(plain), []byte(base64.StdEncoding.EncodeToString(plain)), []byte(base64.StdEncoding.EncodeToString(plain) + "\n")}
		for _, name := range []string{"", "pubkey", "pubKey"} {
			file := encrypted(t, plain, "secret", eip2335.Options{KDF: eip2335.KDF(i % 2)})
			if name != "" {
				file[name] = text
			}
			b, err := json.MarshalIndent(file, "", " ")
			require.NoError(t, err)
			forms = append(forms, b)
		}
		for _, form := range forms {
			read, err := ssv.OpenOperatorKey(form, []byte("secret"))
			require.NoError(t, err)
			require.True(t, k.Equal(read))
		}
	}
}

func TestOpenOperatorKeyRefuses(t *testing.T) {
	k, other := rsaPool[0](), rsaPool[1]()
	plain := privatePEM(k)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	public, err := ssv.FormatOperatorKey(&k.PublicKey)
	require.NoError(t, err)
	otherPublic, err := ssv.FormatOperatorKey(&other.PublicKey)
	require.NoError(t, err)
	broken := *k
	broken.D = other.D
	file := func(plain []byte, change func(m map[string]any)) []byte {
		m := encrypted(t, plain, "secret", eip2335.Options{KDF: eip2335.PBKDF2})
		change(m)
		b, err := json.Marshal(m)
		require.NoError(t, err)
		return b
	}
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	same := func(map[string]any) {}
	for _, r := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "is neither a PEM nor base64 of one"},
		{"garbage", []byte("not a key"), "is neither a PEM nor base64 of one"},
		{"base64 of garbage", []byte("bm90IGEga2V5"), "is base64, but not of a PEM"},
		{"cut", plain[:1000], "is a damaged PEM"},
		{"two blocks", append(bytes.Clone(plain), plain...), "has data after the PEM block"},
		{"headers", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: pkcs8}), "is a PEM with headers"},
		{"PKCS#8", pemText("PRIVATE KEY", pkcs8), `is a PKCS#8 key, want PKCS#1 under the label "RSA PRIVATE KEY"`},
		{"PKCS#8 under the other label", pemText("RSA PRIVATE KEY", pkcs8), "PEM content is not a sound PKCS#1 RSA key"},
		{"public key", []byte(public), "is a public key, want the private one"},
		{"certificate", pemText("CERTIFICATE", pkcs8), `is a PEM with another label than "RSA PRIVATE KEY"`},
		{"RSA-1024", privatePEM(small), "RSA key of 1024 bits, want RSA-2048"},
		{"exponents that do not match", privatePEM(&broken), "PEM content is not a sound PKCS#1 RSA key"},
		{"wrapped in crypto", []byte(`{"crypto":{},"version":4}`), "checksum is missing"},
		{"key twice", []byte(`{"kdf":{},"kdf":{}}`), "is not one JSON object in which each key occurs once"},
		{"not JSON", []byte(`{"kdf"`), "is not one JSON object in which each key occurs once"},
		{"unknown field", file(plain, set("uuid", "")), "has a member other than checksum, cipher, kdf and pubkey"},
		{"cipher missing", file(plain, func(m map[string]any) { delete(m, "cipher") }), "cipher is missing"},
		{"other cipher", file(plain, func(m map[string]any) { m["cipher"].(map[string]any)["function"] = "aes-256-ctr" }), "eip2335: "},
		{"public key of another", file(plain, set("pubkey", otherPublic)), "pubkey is not that of the encrypted key"},
		{"two public keys", file(plain, func(m map[string]any) { m["pubkey"], m["pubKey"] = public, otherPublic }), "pubKey is another key than pubkey"},
		{"public key a number", file(plain, set("pubkey", 7)), "pubkey is a number, want a string"},
		{"public key garbage", file(plain, set("pubkey", "garbage!")), "pubkey is neither a PEM nor base64 of one"},
		{"content no key", file([]byte("not a key"), same), "decrypted content is neither a PEM nor base64 of one"},
		{"content RSA-1024", file(privatePEM(small), same), "decrypted content RSA key of 1024 bits"},
	} {
		t.Run(r.name, func(t *testing.T) {
			read, err := ssv.OpenOperatorKey(r.file, []byte("secret"))
			require.ErrorContains(t, err, "ssv: operator key: ")
			require.ErrorContains(t, err, r.want)
			require.Nil(t, read)
		})
	}
}

// No error repeats a part of a private key.
func TestOperatorKeyErrorsKeepSecrets(t *testing.T) {
	plain := privatePEM(rsaPool[0]())
	body := strings.ReplaceAll(string(plain[32:len(plain)-31]), "\n", "")
	inputs := [][]byte{
		plain[:1000], append(bytes.Clone(plain), plain...), []byte(base64.StdEncoding.EncodeToString(plain)[1:]),
		[]byte(body), []byte(`{"` + body + `":1}`), []byte(`{"kdf":"` + body + `"}`), pemText(body[:60], []byte(body)),
	}
	for _, b := range inputs {
		for _, parse := range []func([]byte) error{
			func(b []byte) error { _, err := ssv.OpenOperatorKey(b, nil); return err },
			func(b []byte) error { _, err := ssv.ParseOperatorKey(b); return err },
		} {
			err := parse(b)
			require.Error(t, err)
			for i := 0; i+24 < len(body); i += 8 {
				require.NotContains(t, fmt.Sprintf("%+v", err), body[i:i+24])
			}
		}
	}
}

func FuzzOpenOperatorKey(f *testing.F) {
	plain := privatePEM(rsaPool[0]())
	file, err := json.Marshal(encrypted(f, plain, "secret", eip2335.Options{KDF: eip2335.PBKDF2}))
	require.NoError(f, err)
	f.Add(plain)
	f.Add([]byte(base64.StdEncoding.EncodeToString(plain)))
	f.Add(file)
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("scrypt")) || bytes.Contains(b, []byte(`"c":`)) && !bytes.Contains(b, []byte(`"c":16,`)) {
			t.Skip("would spend the time on deriving keys")
		}
		k, err := ssv.OpenOperatorKey(b, []byte("secret"))
		if err != nil {
			return
		}
		again, err := ssv.OpenOperatorKey(privatePEM(k), nil)
		require.NoError(t, err)
		require.True(t, k.Equal(again))
	})
}
