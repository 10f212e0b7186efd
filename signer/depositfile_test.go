package signer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// depositFile is a file of n deposits on hoodi into one pod.
func depositFile(tb testing.TB, n int) []byte {
	tb.Helper()
	deposits := make([]*signer.DepositData, n)
	for i := range deposits {
		deposits[i] = signed(tb, signer.Hoodi, byte(i+1), signer.ExecutionCredentials(pod), 32*signer.Ether)
	}
	file, err := signer.MarshalDeposits(deposits)
	require.NoError(tb, err)
	return file
}

// value returns a field's value in the first deposit of a file, as JSON has it.
func value(tb testing.TB, file []byte, field string) string {
	tb.Helper()
	var list []map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal(file, &list))
	require.Contains(tb, list[0], field)
	return string(list[0][field])
}

func TestDepositFile(t *testing.T) {
	file := depositFile(t, 1)
	deposits, err := signer.ParseDeposits(file)
	require.NoError(t, err)
	require.Len(t, deposits, 1)
	d := deposits[0]
	require.Equal(t, signed(t, signer.Hoodi, 1, signer.ExecutionCredentials(pod), 32*signer.Ether), d)
	bare := func(s interface{ String() string }) string { return strings.TrimPrefix(s.String(), "0x") }
	require.Equal(t, `[
  {
    "pubkey": "`+bare(d.PublicKey)+`",
    "withdrawal_credentials": "010000000000000000000000`+podDigits+`",
    "amount": 32000000000,
    "signature": "`+bare(d.Signature)+`",
    "deposit_message_root": "`+bare(d.MessageRoot())+`",
    "deposit_data_root": "`+bare(d.DataRoot())+`",
    "fork_version": "10000910",
    "network_name": "hoodi",
    "deposit_cli_version": "2.7.0"
  }
]
`, string(file))
	again, err := signer.MarshalDeposits(deposits)
	require.NoError(t, err)
	require.Equal(t, file, again)
}

func TestMarshalDepositsRefused(t *testing.T) {
	good := signed(t, signer.Hoodi, 1, signer.ExecutionCredentials(pod), 32*signer.Ether)
	_, err := signer.MarshalDeposits(nil)
	require.EqualError(t, err, "signer: deposit file: no deposits")
	_, err = signer.MarshalDeposits([]*signer.DepositData{good, nil})
	require.EqualError(t, err, "signer: deposit 1: pubkey: is missing")
	bad := *good
	bad.Signature = keyshare.Signature{}
	_, err = signer.MarshalDeposits([]*signer.DepositData{&bad})
	require.EqualError(t, err, "signer: deposit 0: signature: is missing")
	bad = *good
	bad.NetworkName = "<script>"
	_, err = signer.MarshalDeposits([]*signer.DepositData{&bad})
	require.EqualError(t, err, "signer: deposit 0: network_name: is malformed, 1 to 64 letters, digits, '.', '_' and '-' expected")
}

// One field's value replaced in a good file.
func TestParseDepositsRefused(t *testing.T) {
	file := depositFile(t, 2)
	key, sig := value(t, file, "pubkey"), value(t, file, "signature")
	quoted := func(s string) string { return `"` + s + `"` }
	infinity := func(size int) string { return quoted("c0" + strings.Repeat("00", size-1)) }
	message := value(t, file, "deposit_message_root")
	const name = "is malformed, 1 to 64 letters, digits, '.', '_' and '-' expected"
	for _, c := range []struct{ field, value, want string }{
		{"pubkey", "12", "is not a string"},
		{"pubkey", "null", "is not a string"},
		{"pubkey", `""`, "is empty"},
		{"pubkey", quoted("0x" + key[1:95]), "starts with 0x, hex digits alone expected"},
		{"pubkey", key[:95] + `"`, "has 94 characters, 96 hex digits expected"},
		{"pubkey", strings.ToUpper(key), "is malformed, 96 hex digits in lower case expected"},
		{"pubkey", `"zz` + key[3:], "is malformed, 96 hex digits in lower case expected"},
		{"pubkey", infinity(48), "is not a BLS public key: no point of its group"},
		{"pubkey", quoted(strings.Repeat("00", 48)), "is not a BLS public key: no point of its group"},
		{"withdrawal_credentials", quoted("01"), "has 2 characters, 64 hex digits expected"},
		{"amount", quoted("32000000000"), "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"amount", "3.2e10", "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"amount", "32000000000.5", "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"amount", "-1", "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"amount", "18446744073709551616", "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"amount", "null", "is malformed, a JSON number expected: whole gwei, less than 2^64"},
		{"signature", infinity(96), "is not a BLS signature: no point of its group"},
		{"signature", sig[:10] + `"`, "has 9 characters, 192 hex digits expected"},
		{"deposit_message_root", quoted(strings.Repeat("00", 32)), "is 0x" + strings.Repeat("00", 32) + ", but the other fields have the root 0x" + strings.Trim(message, `"`)},
		{"deposit_data_root", message, "is 0x" + strings.Trim(message, `"`) + ", but the other fields have the root 0x" + strings.Trim(value(t, file, "deposit_data_root"), `"`)},
		{"fork_version", quoted("1000091"), "has 7 characters, 8 hex digits expected"},
		{"fork_version", quoted("0x10000910"), "starts with 0x, hex digits alone expected"},
		{"network_name", quoted("ho odi"), name},
		{"network_name", quoted(`\u0000`), name},
		{"network_name", quoted(strings.Repeat("a", 65)), name},
		{"network_name", `["hoodi"]`, "is not a string"},
		{"deposit_cli_version", quoted("2.7"), "is malformed, a version such as 2.7.0 expected"},
		{"deposit_cli_version", "2.7", "is not a string"},
	} {
		pair := func(v string) []byte { return []byte(`"` + c.field + `": ` + v) }
		changed := bytes.Replace(file, pair(value(t, file, c.field)), pair(c.value), 1)
		require.NotEqual(t, string(file), string(changed))
		deposits, err := signer.ParseDeposits(changed)
		require.EqualError(t, err, "signer: deposit 0: "+c.field+": "+c.want)
		require.Nil(t, deposits)
		var fault *signer.DepositError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, signer.DepositError{Index: 0, Field: c.field, Reason: c.want}, *fault)
	}
}

func TestParseDepositsFields(t *testing.T) {
	file := depositFile(t, 1)
	edit := func(old, new string) []byte {
		changed := bytes.Replace(file, []byte(old), []byte(new), 1)
		require.NotEqual(t, string(file), string(changed))
		return changed
	}
	for _, field := range []string{
		"pubkey", "withdrawal_credentials", "amount", "signature", "deposit_message_root", "deposit_data_root",
		"fork_version", "network_name", "deposit_cli_version",
	} {
		pair := `"` + field + `": ` + value(t, file, field)
		missing := edit(pair, `"x": 1`)
		_, err := signer.ParseDeposits(missing)
		require.EqualError(t, err, "signer: deposit 0: "+field+": is missing\nsigner: deposit 0: \"x\": is not a field of a deposit file")
		_, err = signer.ParseDeposits(edit(pair, pair+", "+pair))
		require.ErrorContains(t, err, `signer: deposit file: has the key "`+field+`" twice at byte `)
		upper := strings.Replace(pair, field, strings.ToUpper(field), 1)
		_, err = signer.ParseDeposits(edit(pair, upper))
		require.ErrorContains(t, err, "signer: deposit 0: "+field+": is missing")
	}

	// The older name of network_name.
	const name, old = `"network_name": "hoodi"`, `"eth2_network_name": "hoodi"`
	for _, good := range [][]byte{edit(name, old), edit(name, name+", "+old), edit(name, old+", "+name)} {
		deposits, err := signer.ParseDeposits(good)
		require.NoError(t, err)
		require.Equal(t, "hoodi", deposits[0].NetworkName)
	}
	_, err := signer.ParseDeposits(edit(name, name+`, "eth2_network_name": "mainnet"`))
	require.EqualError(t, err, `signer: deposit 0: eth2_network_name: is "mainnet", but network_name is "hoodi"`)
	_, err = signer.ParseDeposits(edit(name, `"eth2_network_name": ""`))
	require.EqualError(t, err, "signer: deposit 0: eth2_network_name: is empty")

	// Other tools' version numbers are taken, and not kept.
	for _, version := range []string{"1.2.2", "2.7.1", "1.3.1-dev", "1.0.0.1"} {
		deposits, err := signer.ParseDeposits(edit(`"2.7.0"`, `"`+version+`"`))
		require.NoError(t, err)
		again, err := signer.MarshalDeposits(deposits)
		require.NoError(t, err)
		require.Equal(t, file, again)
	}
}

func TestParseDepositsOfOtherFiles(t *testing.T) {
	file := depositFile(t, 1)
	for _, c := range []struct{ file, want string }{
		{"", "signer: deposit file: is not one JSON value: fault at byte 0 of 0"},
		{string(file[:len(file)-3]), "signer: deposit file: is not one JSON value: fault at byte "},
		{string(file) + "x", "signer: deposit file: is not one JSON value: fault at byte "},
		{string(file) + string(file), "signer: deposit file: is not one JSON value: fault at byte "},
		{"{}", "signer: deposit file: is not a JSON array of deposits"},
		{`"deposits"`, "signer: deposit file: is not a JSON array of deposits"},
		{"[]", "signer: deposit file: no deposits"},
		{"null", "signer: deposit file: no deposits"},
		{"[null]", "signer: deposit 0: is not a JSON object"},
		{"[[]]", "signer: deposit 0: is not a JSON object"},
		{"[1]", "signer: deposit 0: is not a JSON object"},
		{strings.Repeat("[", 100_000), "signer: deposit file: is not one JSON value: fault at byte "},
		{"[" + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + "]", "signer: deposit file: nests deeper than 16"},
		{"[{}]", "signer: deposit 0: pubkey: is missing"},
	} {
		_, err := signer.ParseDeposits([]byte(c.file))
		require.ErrorContains(t, err, c.want)
	}
}

// Every fault of every deposit is reported, in the order of the file.
func TestVerifyDeposits(t *testing.T) {
	wc := signer.ExecutionCredentials(pod)
	good := func(b byte) *signer.DepositData { return signed(t, signer.Hoodi, b, wc, 32*signer.Ether) }
	stolen := *good(3)
	stolen.WithdrawalCredentials = signer.ExecutionCredentials(keyshare.Address{0xbb})
	file, err := signer.MarshalDeposits([]*signer.DepositData{
		good(1), good(2), good(1), &stolen, signed(t, signer.Hoodi, 4, wc, 33*signer.Ether), good(5),
		signed(t, signer.Mainnet, 6, wc, 32*signer.Ether),
	})
	require.NoError(t, err)
	broken := bytes.Replace(file, []byte(value(t, mustMarshal(t, good(5)), "deposit_data_root")), []byte(`"`+strings.Repeat("0", 64)+`"`), 1)
	root := good(5).DataRoot().String()

	deposits, err := signer.VerifyDeposits(signer.Hoodi, broken, nil)
	require.Nil(t, deposits)
	require.EqualError(t, err, strings.Join([]string{
		"signer: deposit 2: pubkey: is that of deposit 0 as well",
		"signer: deposit 3: signature: does not verify under the public key for this message on hoodi",
		"signer: deposit 4: amount: is 33 ETH, at most 32 ETH expected for 0x01 credentials",
		"signer: deposit 5: deposit_data_root: is 0x" + strings.Repeat("0", 64) + ", but the other fields have the root " + root,
		"signer: deposit 6: fork_version: is 0x00000000 of mainnet, 0x10000910 of hoodi expected",
		`signer: deposit 6: network_name: is "mainnet", "hoodi" expected`,
	}, "\n"))
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 6)
	require.Equal(t, &signer.DepositError{
		Index: 6, Field: "network_name", Reason: `is "mainnet", "hoodi" expected`,
	}, joined.Unwrap()[5])

	file = depositFile(t, 5)
	deposits, err = signer.VerifyDeposits(signer.Hoodi, file, &signer.DepositOptions{EigenPod: pod})
	require.NoError(t, err)
	again, err := signer.MarshalDeposits(deposits)
	require.NoError(t, err)
	require.Equal(t, file, again)
	_, err = signer.VerifyDeposits(signer.Hoodi, file, &signer.DepositOptions{EigenPod: keyshare.Address{1}})
	require.ErrorContains(t, err, "of the EigenPod expected")
	_, err = signer.VerifyDeposits(nil, file, nil)
	require.ErrorContains(t, err, "the network is missing")
	_, err = signer.VerifyDeposits(signer.Hoodi, file[1:], nil)
	require.ErrorContains(t, err, "is not one JSON value")
}

func mustMarshal(t *testing.T, deposits ...*signer.DepositData) []byte {
	t.Helper()
	file, err := signer.MarshalDeposits(deposits)
	require.NoError(t, err)
	return file
}

// No change of one hex digit or of the amount in a file of one deposit goes
// unnoticed.
func TestVerifyDepositsTampered(t *testing.T) {
	file := depositFile(t, 1)
	var places []int
	for _, field := range []string{
		"pubkey", "withdrawal_credentials", "amount", "signature", "deposit_message_root", "deposit_data_root", "fork_version",
	} {
		v := strings.Trim(value(t, file, field), `"`)
		at := bytes.Index(file, []byte(`"`+field+`": `))
		at += bytes.Index(file[at:], []byte(v))
		for i := range len(v) {
			places = append(places, at+i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SampledFrom(places).Draw(t, "position")
		changed := slices.Clone(file)
		changed[at] = rapid.SampledFrom([]byte("0123456789abcdef")).Filter(func(b byte) bool { return b != file[at] }).Draw(t, "digit")
		_, err := signer.VerifyDeposits(signer.Hoodi, changed, nil)
		require.ErrorContains(t, err, "signer: deposit")
	})
}

func FuzzParseDeposits(f *testing.F) {
	file := depositFile(f, 2)
	f.Add(file)
	f.Add(bytes.ReplaceAll(file, []byte("network_name"), []byte("eth2_network_name")))
	f.Add(bytes.ReplaceAll(file, []byte(" "), nil))
	f.Add([]byte(`[{"pubkey":"","amount":1}]`))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, file []byte) {
		deposits, err := signer.ParseDeposits(file)
		if err != nil {
			require.Nil(t, deposits)
			var fault *signer.DepositError
			if errors.As(err, &fault) {
				require.NotEmpty(t, fault.Field)
			}
			return
		}
		own, err := signer.MarshalDeposits(deposits)
		require.NoError(t, err)
		again, err := signer.ParseDeposits(own)
		require.NoError(t, err)
		require.Equal(t, deposits, again)
		twice, err := signer.MarshalDeposits(again)
		require.NoError(t, err)
		require.Equal(t, own, twice)
	})
}
