package ssv_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

func TestFileFormat(t *testing.T) {
	f := threeItems(t)
	f.CreatedAt = time.Date(2026, 11, 23, 7, 55, 3, 525_999_999, time.FixedZone("", 3600))
	f.Version = ""
	b, err := f.Bytes()
	require.NoError(t, err)
	text := string(b)
	require.True(t, strings.HasPrefix(text, `{
  "version": "v1.2.0",
  "createdAt": "2026-11-23T06:55:03.525Z",
  "shares": [
    {
      "data": {
        "ownerNonce": 12,
        "ownerAddress": "0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494",
        "publicKey": "0x`), text[:300])
	require.Contains(t, text, `
      "payload": {
        "publicKey": "0x`)
	require.Contains(t, text, `",
        "operatorIds": [
          10,
          20,
          30,
          40
        ],
        "sharesData": "0x`)
	require.True(t, strings.HasSuffix(text, "\n}"))

	f.Version = ssv.V110
	older, err := f.Bytes()
	require.NoError(t, err)
	require.Equal(t, strings.Replace(text, "v1.2.0", "v1.1.0", 1), string(older))

	read, err := ssv.ParseFile(b)
	require.NoError(t, err)
	require.Equal(t, ssv.V120, read.Version)
	require.Equal(t, f.Items, read.Items)
	require.True(t, read.CreatedAt.Equal(f.CreatedAt.Truncate(time.Millisecond)))

	f.CreatedAt = time.Time{}
	before := time.Now().Truncate(time.Millisecond)
	b, err = f.Bytes()
	require.NoError(t, err)
	read, err = ssv.ParseFile(b)
	require.NoError(t, err)
	require.False(t, read.CreatedAt.Before(before))
	require.True(t, f.CreatedAt.IsZero(), "Bytes must not change the file")
}

func TestFileBytesRefuses(t *testing.T) {
	for want, spoil := range map[string]func(f *ssv.File){
		`ssv: version: cannot write "v1.0.0", want "v1.2.0" or "v1.1.0"`:                    func(f *ssv.File) { f.Version = "v1.0.0" },
		"ssv: createdAt: year 10000, want 0 to 9999":                                        func(f *ssv.File) { f.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"ssv: shares: no items to write":                                                    func(f *ssv.File) { f.Items = nil },
		"ssv: shares[1].data.publicKey: names no key":                                       func(f *ssv.File) { f.Items[1].Data.PublicKey = keyshare.PublicKey{} },
		"ssv: shares[1].payload.publicKey: names no key":                                    func(f *ssv.File) { f.Items[1].Payload.PublicKey = keyshare.PublicKey{} },
		"ssv: shares[2].data.operators[1].operatorKey: RSA key of 1024 bits, want RSA-2048": func(f *ssv.File) { f.Items[2].Data.Operators[1].PublicKey = sizedKeys()[1024] },
	} {
		f := threeItems(t)
		spoil(f)
		b, err := f.Bytes()
		require.EqualError(t, err, want)
		require.Nil(t, b)
	}
}

// The shapes and versions that exist in the wild.
func TestParseFileVersions(t *testing.T) {
	one := &ssv.File{Items: threeItems(t).Items[:1], CreatedAt: time.UnixMilli(1_700_000_000_000)}
	b, err := one.Bytes()
	require.NoError(t, err)
	var tree map[string]any
	require.NoError(t, json.Unmarshal(b, &tree))
	item := tree["shares"].([]any)[0].(map[string]any)
	single := map[string]any{"createdAt": tree["createdAt"], "data": item["data"], "payload": item["payload"]}
	encode := func(v map[string]any, version string) []byte {
		v["version"] = version
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return b
	}
	for _, version := range []string{"v1.1.0", "v1.1.9", "v1.2.0", "v1.2.10"} {
		f, err := ssv.ParseFile(encode(tree, version))
		require.NoError(t, err, version)
		require.Equal(t, version, f.Version)
		require.Equal(t, one.Items, f.Items)
		require.NoError(t, ssv.Verify(f, nil))
		_, err = ssv.ParseFile(encode(single, version))
		require.Error(t, err, version)
	}
	for _, version := range []string{"v1.0.0", "v1.0.4", "v1.0.10"} { // from some 1.0.x on ssv-keys wrote the array
		for _, shape := range []map[string]any{single, tree} {
			f, err := ssv.ParseFile(encode(shape, version))
			require.NoError(t, err, version)
			require.Equal(t, version, f.Version)
			require.Equal(t, one.Items, f.Items)
			require.NoError(t, ssv.Verify(f, nil))
		}
	}

	// ssv-keys 1.0.4 wrote two texts for the user into the payload.
	payload := single["payload"].(map[string]any)
	payload["amount"] = "Amount of SSV tokens to be deposited to your validator's cluster balance"
	payload["cluster"] = "The latest cluster snapshot data, obtained using the cluster-scanner tool"
	advised, err := ssv.ParseFile(encode(single, "v1.0.4"))
	require.NoError(t, err)
	require.Equal(t, one.Items, advised.Items)
	_, err = ssv.ParseFile(encode(tree, "v1.2.0"))
	require.ErrorContains(t, err, `ssv: shares[0].payload: has an unknown field "amount"`)
	payload["amount"] = 7
	_, err = ssv.ParseFile(encode(single, "v1.0.4"))
	require.EqualError(t, err, "ssv: shares[0].payload.amount: is a number, want a string")
	delete(payload, "amount")
	delete(payload, "cluster")
	for _, version := range []string{"v2", "v3", "v4", "v2.0.0", "v1.3.0", "v1.2", "1.2.0", "v1.2.0-rc1", "v1.02.0", "v1.2.00", " v1.2.0", ""} {
		_, err := ssv.ParseFile(encode(tree, version))
		require.ErrorContains(t, err, "ssv: version: is \""+version+"\", want v1.0.x, v1.1.x or v1.2.x")
	}
	delete(tree, "createdAt")
	f, err := ssv.ParseFile(encode(tree, "v1.1.0"))
	require.NoError(t, err)
	require.True(t, f.CreatedAt.IsZero())

	tree["createdAt"] = "2024-10-21T09:56:54.354903Z" // nanoseconds, as ssv-dkg writes them
	compact := append(encode(tree, "v1.2.0"), '\n')
	f, err = ssv.ParseFile(compact)
	require.NoError(t, err)
	require.Equal(t, 354903000, f.CreatedAt.Nanosecond())

	tree["shares"] = nil // ssv-keys writes null for none
	f, err = ssv.ParseFile(encode(tree, "v1.1.0"))
	require.NoError(t, err)
	require.EqualError(t, ssv.Verify(f, nil), "ssv: shares: are none")
}

// Corrupted copies of a sound file, each refused by name.
func TestParseFileRefuses(t *testing.T) {
	f := threeItems(t)
	f.CreatedAt = time.UnixMilli(1_700_000_000_000)
	b, err := f.Bytes()
	require.NoError(t, err)
	key := f.Items[0].Data.PublicKey.String()
	weak, err := rsaText(1024)
	require.NoError(t, err)
	operatorKey, err := ssv.FormatOperatorKey(f.Items[0].Data.Operators[0].PublicKey)
	require.NoError(t, err)
	for _, r := range []struct{ name, old, new, want string }{
		{"version missing", `"version"`, `"Version"`, "ssv: version: is missing"},
		{"version a number", `"v1.2.0"`, `120`, "ssv: version: is a number, want a string"},
		{"key twice", `"ownerNonce": 12,`, `"ownerNonce": 12, "ownerNonce": 13,`, `ssv: file: has the key "ownerNonce" twice at byte`},
		{"field unknown", `"ownerNonce": 12,`, `"ownerNonce": 12, "note": "",`, `ssv: shares[0].data: has an unknown field "note"`},
		{"field of another case", `"ownerNonce": 12,`, `"OwnerNonce": 12,`, "ssv: shares[0].data.ownerNonce: is missing\nssv: shares[0].data: has an unknown field \"OwnerNonce\""},
		{"field missing", `"ownerNonce": 12,`, ``, "ssv: shares[0].data.ownerNonce: is missing"},
		{"payload missing", `"payload"`, `"load"`, "ssv: shares[0].payload: is missing\nssv: shares[0]: has an unknown field \"load\""},
		{"nonce a string", `"ownerNonce": 12`, `"ownerNonce": "12"`, "ssv: shares[0].data.ownerNonce: is a string, want a whole number"},
		{"nonce negative", `"ownerNonce": 12`, `"ownerNonce": -12`, "ssv: shares[0].data.ownerNonce: is -12, want a whole number"},
		{"nonce a fraction", `"ownerNonce": 12`, `"ownerNonce": 12.0`, "ssv: shares[0].data.ownerNonce: is 12.0, want a whole number"},
		{"nonce with exponent", `"ownerNonce": 12`, `"ownerNonce": 12e0`, "ssv: shares[0].data.ownerNonce: is 12e0, want a whole number"},
		{"nonce beyond 64 bits", `"ownerNonce": 12`, `"ownerNonce": 18446744073709551616`, "ssv: shares[0].data.ownerNonce: is 18446744073709551616, want a whole number of at most 18446744073709551615"},
		{"nonce null", `"ownerNonce": 12`, `"ownerNonce": null`, "ssv: shares[0].data.ownerNonce: is null, want a whole number"},
		{"owner's checksum", "0x81592c3DE184A3E2", "0x81592C3DE184A3E2", "ssv: shares[0].data.ownerAddress: not an address: the EIP-55 checksum"},
		{"owner without 0x", "0x81592c3DE184A3E2", "81592c3DE184A3E2", "ssv: shares[0].data.ownerAddress: not an address"},
		{"owner short", "0x81592c3DE184A3E2", "0x592c3DE184A3E2", "ssv: shares[0].data.ownerAddress: not an address"},
		{"public key without 0x", key, key[2:], "ssv: shares[0].data.publicKey: is not 0x and 96 hexadecimal digits"},
		{"public key short", key, key[:96], "ssv: shares[0].data.publicKey: is not 0x and 96 hexadecimal digits"},
		{"public key not on the curve", key, key[:96] + "zz", "ssv: shares[0].data.publicKey: is not 0x and 96 hexadecimal digits"},
		{"public key of secret 0", key, "0xc0" + strings.Repeat("0", 94), "ssv: shares[0].data.publicKey: not a BLS public key"},
		{"operator id negative", `"id": 10`, `"id": -1`, "ssv: shares[0].data.operators[0].id: is -1, want a whole number"},
		{"operator id a string", `"id": 10`, `"id": "10"`, "ssv: shares[0].data.operators[0].id: is a string, want a whole number"},
		{"operator id 1.5", `"id": 10`, `"id": 1.5`, "ssv: shares[0].data.operators[0].id: is 1.5, want a whole number"},
		{"operator key RSA-1024", operatorKey, weak, "ssv: shares[0].data.operators[0].operatorKey: RSA key of 1024 bits, want RSA-2048"},
		{"operator key garbage", operatorKey, "garbage", "ssv: shares[0].data.operators[0].operatorKey: is neither a PEM nor base64 of one"},
		{"operators an object", `"operators": [`, `"operators": {}, "x": [`, "ssv: shares[0].data: has an unknown field \"x\"\nssv: shares[0].data.operators: is an object, want an array"},
		{"operator ids a string", `"operatorIds": [`, `"operatorIds": "10", "x": [`, "ssv: shares[0].payload: has an unknown field \"x\"\nssv: shares[0].payload.operatorIds: is a string, want an array"},
		{"sharesData without 0x", `"sharesData": "0x`, `"sharesData": "`, "ssv: shares[0].payload.sharesData: is not 0x and hexadecimal digits in pairs"},
		{"sharesData odd", `"sharesData": "0x`, `"sharesData": "0x0`, "ssv: shares[0].payload.sharesData: is not 0x and hexadecimal digits in pairs"},
		{"sharesData a number", `"sharesData": "0x`, `"sharesData": 7, "x": "0x`, "ssv: shares[0].payload: has an unknown field \"x\"\nssv: shares[0].payload.sharesData: is a number, want a string"},
		{"createdAt not a time", "2023-11-14T", "14.11.2023 ", "ssv: createdAt: is "},
		{"createdAt not UTC", ".000Z", ".000+01:00", "ssv: createdAt: is "},
		{"truncated", b64end(b), "", "ssv: file: is not one JSON value: fault at byte"},
		{"data after it", b64end(b), b64end(b) + "{}", "ssv: file: is not one JSON value: fault at byte"},
		{"not UTF-8", `"version"`, "\"\xff\"", "ssv: file: is not UTF-8"},
	} {
		t.Run(r.name, func(t *testing.T) {
			bad := bytes.Replace(b, []byte(r.old), []byte(r.new), 1)
			require.NotEqual(t, b, bad)
			f, err := ssv.ParseFile(bad)
			require.ErrorContains(t, err, r.want)
			require.Nil(t, f)
		})
	}
	for bad, want := range map[string]string{
		"":                                  "ssv: file: is not one JSON value",
		"null":                              "ssv: file: is null, want an object",
		"[]":                                "ssv: file: is an array, want an object",
		"7":                                 "ssv: file: is a number, want an object",
		`"v1.2.0"`:                          "ssv: file: is a string, want an object",
		"true":                              "ssv: file: is a boolean, want an object",
		"{}":                                "ssv: version: is missing",
		`{"version":"v1.2.0","shares":[7]}`: "ssv: shares[0]: is a number, want an object",
		`{"version":"v1.2.0","shares":{}}`:  "ssv: shares: is an object, want an array",
		`{"version":"v1.2.0"}`:              "ssv: shares: is missing",
		`{"version":"v1.0.0"}`:              "ssv: data: is missing\nssv: payload: is missing",
		`{"version":"v1.0.0","data":{},"payload":{},"shares":[]}`: `ssv: file: has an unknown field "data"`,
		strings.Repeat("[", 99) + strings.Repeat("]", 99):         "ssv: file: nests deeper than 16 at byte 17",
	} {
		_, err := ssv.ParseFile([]byte(bad))
		require.ErrorContains(t, err, want, bad)
	}
}

// b64end is the end of the file, from its last sharesData on: it occurs once.
func b64end(b []byte) string { return string(b[len(b)-100:]) }
