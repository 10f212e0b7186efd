package ssv_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

func pemText(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// rsaText is the usual form of a key of an unusual size.
func rsaText(bits int) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(sizedKeys()[bits])
	return base64.StdEncoding.EncodeToString(pemText("RSA PUBLIC KEY", der)), err
}

func TestOperatorKeyForms(t *testing.T) {
	k := &rsaPool[0]().PublicKey
	text, err := ssv.FormatOperatorKey(k)
	require.NoError(t, err)
	require.Len(t, text, ssv.OperatorKeyLen)
	require.True(t, strings.HasPrefix(text, "LS0tLS1CRUdJTiBSU0EgUFVCTElDIEtFWS0tLS0tCk1J"))
	plain, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	require.Len(t, plain, 459)

	pkix, err := x509.MarshalPKIXPublicKey(k)
	require.NoError(t, err)
	pkcs1 := x509.MarshalPKCS1PublicKey(k)
	forms := [][]byte{[]byte(text), plain}
	for _, der := range [][]byte{pkix, pkcs1} {
		for _, label := range []string{"RSA PUBLIC KEY", "PUBLIC KEY"} {
			form := pemText(label, der)
			forms = append(forms, form, bytes.TrimSpace(form), bytes.ReplaceAll(form, []byte("\n"), []byte("\r\n")),
				[]byte(base64.StdEncoding.EncodeToString(form)), []byte(" "+base64.StdEncoding.EncodeToString(form)+"\n"))
		}
	}
	onChain, err := ssv.EncodeOperatorKey(k)
	require.NoError(t, err)
	require.Len(t, onChain, 704)
	forms = append(forms, onChain)
	for i, form := range forms {
		read, err := ssv.ParseOperatorKey(form)
		require.NoError(t, err, "form %d", i)
		require.True(t, k.Equal(read))
	}
}

func TestOperatorKeyRefusals(t *testing.T) {
	k := &rsaPool[0]().PublicKey
	text, err := ssv.FormatOperatorKey(k)
	require.NoError(t, err)
	onChain, err := ssv.EncodeOperatorKey(k)
	require.NoError(t, err)
	pkix, err := x509.MarshalPKIXPublicKey(k)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ec, err := x509.MarshalPKIXPublicKey(&curve.PublicKey)
	require.NoError(t, err)
	private := pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaPool[0]()))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaPool[0]())
	require.NoError(t, err)
	headers := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"A": "b"}, Bytes: pkix})
	change := func(i int, x byte) []byte {
		b := bytes.Clone(onChain)
		b[i] = x
		return b
	}
	length := bytes.Clone(onChain)
	binary.BigEndian.PutUint64(length[56:], 1<<63)
	for _, r := range []struct {
		name string
		key  []byte
		want string
	}{
		{"empty", nil, "is empty, want base64 of a PEM"},
		{"blank", []byte(" \n"), "is empty, want base64 of a PEM"},
		{"garbage", []byte("garbage!"), "is neither a PEM nor base64 of one"},
		{"base64 of garbage", []byte("Z2FyYmFnZQ=="), "is base64, but not of a PEM"},
		{"cut", []byte(text)[:600], "is a damaged PEM"},
		{"two blocks", append(pemText("PUBLIC KEY", pkix), pemText("PUBLIC KEY", pkix)...), "has data after the PEM block"},
		{"headers", headers, "is a PEM with headers, want none"},
		{"certificate", pemText("CERTIFICATE", pkix), `is a PEM with another label than "RSA PUBLIC KEY" or "PUBLIC KEY"`},
		{"private key", private, "is a PRIVATE key, want the public one"},
		{"private key in base64", []byte(base64.StdEncoding.EncodeToString(private)), "is a PRIVATE key, want the public one"},
		{"PKCS#8", pemText("PRIVATE KEY", pkcs8), "is a PRIVATE key, want the public one"},
		{"elliptic curve", pemText("PUBLIC KEY", ec), "is a *ecdsa.PublicKey, want an RSA key"},
		{"other content", pemText("RSA PUBLIC KEY", []byte{1, 2, 3}), "PEM content is neither a PKIX nor a PKCS#1 RSA public key"},
		{"on chain, cut", onChain[:700], "is binary of 700 bytes, not an ABI-encoded string"},
		{"on chain, offset", change(31, 64), "is binary, but not an ABI-encoded string"},
		{"on chain, length too great", change(62, 0xff), "is an ABI-encoded string whose length says"},
		{"on chain, length huge", length, "is an ABI-encoded string whose length says"},
		{"on chain, padding", change(703, 1), "is an ABI-encoded string with padding that is not zero"},
	} {
		t.Run(r.name, func(t *testing.T) {
			read, err := ssv.ParseOperatorKey(r.key)
			require.ErrorContains(t, err, "ssv: operator key: "+r.want)
			require.Nil(t, read)
		})
	}
	for _, bits := range []int{1024, 3072, 4096} {
		text, err := rsaText(bits)
		require.NoError(t, err)
		_, err = ssv.ParseOperatorKey([]byte(text))
		require.EqualError(t, err, fmt.Sprintf("ssv: operator key: RSA key of %d bits, want RSA-2048", bits))
		_, err = ssv.FormatOperatorKey(sizedKeys()[bits])
		require.EqualError(t, err, fmt.Sprintf("ssv: operator key: RSA key of %d bits, want RSA-2048", bits))
		_, err = ssv.EncodeOperatorKey(sizedKeys()[bits])
		require.Error(t, err)
	}
}

func TestThreshold(t *testing.T) {
	want := map[int]int{4: 3, 7: 5, 10: 7, 13: 9}
	for n := -1; n <= 20; n++ {
		got, err := ssv.Threshold(n)
		if want[n] == 0 {
			require.EqualError(t, err, fmt.Sprintf("ssv: operators: a cluster of %d, want 4, 7, 10 or 13", n))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want[n], got)
	}
}

func TestReadOperators(t *testing.T) {
	keys := make([]string, 5)
	for i := range keys {
		text, err := ssv.FormatOperatorKey(&rsaPool[i]().PublicKey)
		require.NoError(t, err)
		keys[i] = text
	}
	want := []keyshare.Operator{}
	for i, id := range []keyshare.Index{5, 17, 142, 1001} {
		want = append(want, keyshare.Operator{ID: id, PublicKey: &rsaPool[i]().PublicKey})
	}
	list := fmt.Sprintf(`[{"id":142,"operatorKey":%q},{"id":5,"operatorKey":%q},{"operatorKey":%q,"id":1001},{"id":17,"operatorKey":%q}]`, keys[2], keys[0], keys[3], keys[1])
	got, err := ssv.ReadOperators([]byte(list))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, ssv.CheckCluster(got))

	info := fmt.Sprintf(`[{"id":142,"public_key":%q,"ip":"https://a:3030"},{"id":5,"public_key":%q},{"id":1001,"public_key":%q,"ip":""},{"id":17,"public_key":%q,"ip":"https://b"}]`, keys[2], keys[0], keys[3], keys[1])
	got, err = ssv.ReadOperators([]byte(info))
	require.NoError(t, err)
	require.Equal(t, want, got)

	f := threeItems(t)
	b, err := f.Bytes()
	require.NoError(t, err)
	got, err = ssv.ReadOperators(b)
	require.NoError(t, err)
	require.Equal(t, f.Items[0].Data.Operators, got)
	f.Items[2].Data.Operators[3].ID = 41
	b, err = f.Bytes()
	require.NoError(t, err)
	_, err = ssv.ReadOperators(b)
	require.EqualError(t, err, "ssv: shares[2].data.operators: differ from those of shares[0]")

	weak, err := rsaText(1024)
	require.NoError(t, err)
	a, c := keys[0], keys[1]
	for bad, want := range map[string]string{
		``:                                 "ssv: operators: is not one JSON value",
		`null`:                             "ssv: operators: is null, want an array or a keyshares object",
		`[]`:                               "ssv: operators: are none",
		`[7]`:                              "ssv: operators[0]: is a number, want an object",
		`{}`:                               "ssv: version: is missing",
		`{"version":"v1.1.0","shares":[]}`: "ssv: operators: are none",
		fmt.Sprintf(`[{"id":1,"operatorKey":%q}] x`, a):                             "ssv: operators: is not one JSON value",
		fmt.Sprintf(`[{"id":1,"id":2,"operatorKey":%q}]`, a):                        `ssv: operators: has the key "id" twice`,
		fmt.Sprintf(`[{"id":0,"operatorKey":%q}]`, a):                               "ssv: operators[0].id: is 0",
		fmt.Sprintf(`[{"id":4294967296,"operatorKey":%q}]`, a):                      "ssv: operators[0].id: is 4294967296, want at most 4294967295",
		fmt.Sprintf(`[{"id":-3,"operatorKey":%q}]`, a):                              "ssv: operators[0].id: is -3, want a whole number",
		fmt.Sprintf(`[{"id":"3","operatorKey":%q}]`, a):                             "ssv: operators[0].id: is a string, want a whole number",
		fmt.Sprintf(`[{"operatorKey":%q}]`, a):                                      "ssv: operators[0].id: is missing",
		`[{"id":1}]`:                                                                "ssv: operators[0].operatorKey: is missing",
		`[{"id":1,"operatorKey":7}]`:                                                "ssv: operators[0].operatorKey: is a number, want a string",
		fmt.Sprintf(`[{"id":1,"operatorKey":%q}]`, weak):                            "ssv: operators[0].operatorKey: RSA key of 1024 bits, want RSA-2048",
		fmt.Sprintf(`[{"id":1,"operatorKey":%q,"privateKeyPem":""}]`, a):            `ssv: operators[0]: has an unknown field "privateKeyPem"`,
		fmt.Sprintf(`[{"id":1,"operatorKey":%q,"public_key":%q}]`, a, a):            `ssv: operators[0]: has an unknown field "operatorKey"`,
		fmt.Sprintf(`[{"id":1,"operatorKey":%q},{"id":1,"operatorKey":%q}]`, a, c):  "ssv: operators[1].id: 1 occurs twice",
		fmt.Sprintf(`[{"id":1,"operatorKey":%q},{"id":2,"operatorKey":%q}]`, a, a):  "ssv: operators[1].operatorKey: is the key of operator 1 too",
		fmt.Sprintf(`[{"id":1,"operatorKey":%q},{"id":2,"operatorKey":"bm8="}]`, a): "ssv: operators[1].operatorKey: is base64, but not of a PEM",
	} {
		got, err := ssv.ReadOperators([]byte(bad))
		require.ErrorContains(t, err, want, bad)
		require.Nil(t, got)
	}
	five := append(want, keyshare.Operator{ID: 2000, PublicKey: &rsaPool[4]().PublicKey})
	require.EqualError(t, ssv.CheckCluster(five), "ssv: operators: a cluster of 5, want 4, 7, 10 or 13")
	require.EqualError(t, ssv.CheckCluster([]keyshare.Operator{want[1], want[0], want[2], want[3]}), "ssv: operators[1].id: 5 follows 17, want ascending order")
}

// The message whose hash is printed in the network's documents and confirmed by
// an independent implementation.
func TestOwnerNonceRoot(t *testing.T) {
	require.Equal(t, "0x38d03ef59cd7bf2617e47b2a2635bbf20a79ee6e9d28b75eaa0154b6dc80c0e9", ssv.OwnerNonceRoot(testOwner, 0).String())
	require.NotEqual(t, ssv.OwnerNonceRoot(testOwner, 1), ssv.OwnerNonceRoot(testOwner, 0))
}

func TestSharesData(t *testing.T) {
	c := fixture(t, 7)
	b := c.item.Payload.SharesData
	require.Len(t, b, 2224)
	require.Equal(t, []int{1312, 2224, 3136, 4048}, []int{ssv.SharesDataLen(4), ssv.SharesDataLen(7), ssv.SharesDataLen(10), ssv.SharesDataLen(13)})
	s, err := ssv.ParseSharesData(b, c.item.Payload.OperatorIDs)
	require.NoError(t, err)
	require.Equal(t, c.ownership, s.Signature)
	require.Equal(t, c.sealed, s.Shares)
	again, err := s.Bytes()
	require.NoError(t, err)
	require.Equal(t, b, again)
	s.Shares[0].Ciphertext[0]++
	require.NotEqual(t, s.Shares[0].Ciphertext[0], b[96+7*48], "parsing must copy")

	_, err = ssv.ParseSharesData(b, c.item.Payload.OperatorIDs[:6])
	require.EqualError(t, err, "ssv: sharesData: has 2224 bytes, want 1920 for 6 operators")
	_, err = ssv.ParseSharesData(make([]byte, 96), nil)
	require.ErrorContains(t, err, "ssv: sharesData.signature: not a BLS signature")
	_, err = (&ssv.SharesData{}).Bytes()
	require.EqualError(t, err, "ssv: sharesData: no owner nonce signature")
	s.Shares[1].Ciphertext = nil
	_, err = s.Bytes()
	require.EqualError(t, err, "ssv: sharesData: operator 20 has a ciphertext of 0 bytes, want 256")
	s.Shares[2].PublicKey = keyshare.PublicKey{}
	_, err = s.Bytes()
	require.EqualError(t, err, "ssv: sharesData: operator 30 has no share public key")
}

// The vectors' operator file holds private keys beside the public ones: it is no
// operator list.
func TestVectorOperatorsAreNoList(t *testing.T) {
	_, err := ssv.ReadOperators(vectors.Read(t, "ssv/generated/operators.json"))
	require.ErrorContains(t, err, `ssv: operators[0]: has an unknown field "privateKeyPem"`)
}
