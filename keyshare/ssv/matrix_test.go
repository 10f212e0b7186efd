package ssv_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// TestAcceptRejectMatrix goes through all inputs whose treatment by ssv-keys 1.1.0
// was recorded, and holds our verdict on each: what that tool accepts and the
// network cannot use is refused, and what it refuses without need is accepted.
func TestAcceptRejectMatrix(t *testing.T) {
	type verdict struct {
		accept bool
		check  func() error
	}
	c := fixture(t, 4)
	yes := func(check func() error) verdict { return verdict{true, check} }
	no := func(check func() error) verdict { return verdict{false, check} }
	operators := func(n int) func() error {
		return func() error {
			var list []keyshare.Operator
			for i := range n {
				list = append(list, keyshare.Operator{ID: keyshare.Index(i + 1), PublicKey: &rsaPool[min(i, 12)]().PublicKey})
			}
			return ssv.CheckCluster(list)
		}
	}
	withOperator := func(o keyshare.Operator) func() error {
		return func() error { return ssv.CheckCluster(append(c.operators[:3:3], o)) }
	}
	list := func(element string) func() error {
		return func() error { _, err := ssv.ReadOperators([]byte("[" + element + "]")); return err }
	}
	good, err := ssv.FormatOperatorKey(c.operators[0].PublicKey)
	require.NoError(t, err)
	pkix, err := x509.MarshalPKIXPublicKey(c.operators[0].PublicKey)
	require.NoError(t, err)
	operatorKey := func(b []byte) func() error {
		return func() error { _, err := ssv.ParseOperatorKey(b); return err }
	}
	b64 := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	address := func(s string) func() error {
		return func() error { _, err := keyshare.ParseAddress(s); return err }
	}
	secretKey := func(b []byte) func() error {
		return func() error { _, err := keyshare.ParseSecretKey(b); return err }
	}
	order, err := hex.DecodeString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
	require.NoError(t, err)
	password := func(password string) func() error {
		return func() error {
			var v struct {
				Keystore struct{ Crypto *eip2335.Crypto }
			}
			vectors.JSON(t, "keystore/eip2335_pbkdf2.json", &v)
			plain, err := v.Keystore.Crypto.Decrypt([]byte(password))
			if err == nil {
				plain.Destroy()
			}
			return err
		}
	}
	object := func(text string) func() error {
		return func() error { return json.Unmarshal([]byte(text), new(eip2335.Crypto)) }
	}
	var vector struct{ Password string }
	vectors.JSON(t, "keystore/eip2335_pbkdf2.json", &vector)

	// file changes the text of a sound file and verifies the result.
	text := string(vectors.Read(t, "ssv/generated/cluster4-nonce0.keyshares.json"))
	file := func(replace ...string) func() error {
		changed := strings.NewReplacer(replace...).Replace(text)
		require.Equal(t, len(replace) == 0, changed == text, "%q", replace)
		return func() error { return verifyText(changed) }
	}
	spoilt := func(spoil func(it *ssv.Item)) func() error {
		f, err := ssv.ParseFile([]byte(text))
		require.NoError(t, err)
		spoil(&f.Items[0])
		return func() error { return ssv.Verify(f, nil) }
	}
	other := otherKey(t)

	verdicts := map[string]verdict{
		"operators 1":                               no(operators(1)),
		"operators 3":                               no(operators(3)),
		"operators 4":                               yes(operators(4)),
		"operators 5":                               no(operators(5)),
		"operators 6":                               no(operators(6)),
		"operators 7":                               yes(operators(7)),
		"operators 8":                               no(operators(8)),
		"operators 10":                              yes(operators(10)),
		"operators 13":                              yes(operators(13)),
		"operators 16":                              no(operators(16)),
		"duplicate operator id":                     no(withOperator(keyshare.Operator{ID: 30, PublicKey: &rsaPool[4]().PublicKey})),
		"duplicate operator key":                    no(withOperator(keyshare.Operator{ID: 40, PublicKey: c.operators[0].PublicKey})),
		"operator id 0":                             no(withOperator(keyshare.Operator{ID: 0, PublicKey: &rsaPool[4]().PublicKey})),
		"operator id 0 -> share equals master?":     no(list(fmt.Sprintf(`{"id":0,"operatorKey":%q}`, good))),
		"operator id -1":                            no(list(fmt.Sprintf(`{"id":-1,"operatorKey":%q}`, good))),
		"operator id 2^31":                          yes(withOperator(keyshare.Operator{ID: 1 << 31, PublicKey: &rsaPool[4]().PublicKey})),
		"operator id 2^32+5 vs 5 same share?":       no(withOperator(keyshare.Operator{ID: 1<<32 + 5, PublicKey: &rsaPool[4]().PublicKey})),
		`operator id string "12"`:                   no(list(fmt.Sprintf(`{"id":"12","operatorKey":%q}`, good))),
		"operator id 1.5":                           no(list(fmt.Sprintf(`{"id":1.5,"operatorKey":%q}`, good))),
		"operator key missing":                      no(list(`{"id":1}`)),
		"operator key garbage":                      no(operatorKey([]byte("garbage"))),
		"RSA-1024 key":                              no(withOperator(keyshare.Operator{ID: 40, PublicKey: sizedKeys()[1024]})),
		"RSA-4096 key":                              no(withOperator(keyshare.Operator{ID: 40, PublicKey: sizedKeys()[4096]})),
		"PEM label PUBLIC KEY":                      yes(operatorKey(b64(pemText("PUBLIC KEY", pkix)))),
		"PKCS1 RSAPublicKey DER":                    yes(operatorKey(b64(pemText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(c.operators[0].PublicKey))))),
		"raw PEM (not base64 twice)":                yes(operatorKey(pemText("RSA PUBLIC KEY", pkix))),
		"owner no 0x":                               no(address("81592c3DE184A3E2c0DCB5a261BC107Bfa91f494")),
		"owner short":                               no(address("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f4")),
		"owner bad checksum":                        yes(address("0x81592C3DE184A3E2C0DCB5A261BC107BFA91F494")), // of one case: it has no checksum
		"owner mixed wrong checksum":                no(address("0x81592c3DE184a3E2c0dcb5a261bc107bfa91F494")),
		"owner not hex":                             no(address("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f4zz")),
		"nonce -1":                                  no(file(`"ownerNonce": 0`, `"ownerNonce": -1`)),
		"nonce 1.5":                                 no(file(`"ownerNonce": 0`, `"ownerNonce": 1.5`)),
		"nonce 65536":                               no(file(`"ownerNonce": 0`, `"ownerNonce": 65536`)),
		"sk without 0x":                             no(secretKey([]byte("05611c151302b4134c77431cbb6183b6bbd43f6c51de671b56b2dd9445ccd551"))), // bytes, no text, make a key
		"sk zero":                                   no(secretKey(make([]byte, 32))),
		"sk >= r":                                   no(secretKey(order)),
		"wrong publicKey vs sk":                     no(spoilt(func(it *ssv.Item) { it.Data.PublicKey, it.Payload.PublicKey = other, other })),
		"wrong password":                            no(password("wrong")),
		"keystore null":                             no(object("null")),
		"keystore bad json":                         no(object("{bad")),
		"EIP-2335 vector, raw unicode password":     yes(password(vector.Password)),
		"EIP-2335 vector, NFKD password":            yes(password("testpassword🔑")),
		"fromJson ok":                               yes(file()),
		"fromJson v1.2.0":                           yes(file("v1.1.0", "v1.2.0")),
		"fromJson v1.1.9":                           yes(file("v1.1.0", "v1.1.9")),
		"fromJson no version":                       no(file(`"version": "v1.1.0",`, "")),
		"fromJson v4 old":                           no(file("v1.1.0", "v4")),
		"fromJson wrong nonce":                      no(file(`"ownerNonce": 0`, `"ownerNonce": 1`)),
		"fromJson wrong owner":                      no(file("0x81592c3de184", "0x81592c3de185")),
		"fromJson payload pk differs":               no(spoilt(func(it *ssv.Item) { it.Payload.PublicKey = other })),
		"fromJson truncated sharesData (last byte)": no(spoilt(func(it *ssv.Item) { it.Payload.SharesData = it.Payload.SharesData[:1311] })),
		"fromJson tampered share pubkeys":           no(spoilt(func(it *ssv.Item) { it.Payload.SharesData[96+47] ^= 1 })),
		"fromJson operatorIds mismatch":             no(spoilt(func(it *ssv.Item) { it.Payload.OperatorIDs[3] = 1002 })),
		"fromJson operators 3":                      no(spoilt(func(it *ssv.Item) { it.Data.Operators = it.Data.Operators[:3] })),
		"fromJson bad sig bytes":                    no(spoilt(func(it *ssv.Item) { rand.Read(it.Payload.SharesData[:96]) })),
		"fromJson shares null": no(func() error {
			return verifyText(`{"version":"v1.1.0","createdAt":"2026-11-23T06:52:47.361Z","shares":null}`)
		}),
		"fromJson empty shares": no(func() error {
			return verifyText(`{"version":"v1.1.0","createdAt":"2026-11-23T06:52:47.361Z","shares":[]}`)
		}),
	}
	// Rows that speak of no input to this package or the ones below it.
	elsewhere := map[string]string{
		"keystore no version":  "package keystore reads the whole keystore",
		"buildSharesFromBytes": "a method of that tool; ParseSharesData and its tests have its part",
	}

	rows, seen := 0, map[string]bool{}
	for row := range strings.Lines(string(vectors.Read(t, "ssv/generated/ssv-keys-1.1.0-accept-reject-matrix.txt"))) {
		theirs, rest, ok := strings.Cut(strings.TrimSpace(row), " | ")
		if !ok {
			require.True(t, strings.HasPrefix(row, "wrong-length outputs"), row)
			continue
		}
		rows++
		name, _, _ := strings.Cut(rest, " |")
		require.False(t, seen[name], "%s: twice", name)
		seen[name] = true
		if elsewhere[name] != "" {
			continue
		}
		v, ok := verdicts[name]
		require.True(t, ok, "%s (%s there): no verdict", name, theirs)
		if v.accept {
			require.NoError(t, v.check(), name)
		} else {
			require.Error(t, v.check(), name)
		}
	}
	require.Equal(t, 60, rows)
	require.Len(t, seen, len(verdicts)+len(elsewhere), "a verdict has no row")
}

// verifyText reads a keyshares file and verifies it.
func verifyText(text string) error {
	f, err := ssv.ParseFile([]byte(text))
	if err != nil {
		return err
	}
	return ssv.Verify(f, nil)
}
