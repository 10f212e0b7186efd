package signer_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

const podDigits = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"

func TestCredentials(t *testing.T) {
	wc := signer.ExecutionCredentials(pod)
	require.Equal(t, "0x010000000000000000000000"+podDigits, wc.String())
	require.Equal(t, signer.PrefixExecution, wc.Prefix())
	a, ok := wc.Address()
	require.True(t, ok)
	require.Equal(t, pod, a)
	require.NoError(t, wc.Validate())

	wc = signer.CompoundingCredentials(pod)
	require.Equal(t, "0x020000000000000000000000"+podDigits, wc.String())
	require.Equal(t, "0x02", wc.Prefix().String())
	require.NoError(t, wc.Validate())

	key := testKey(t, 1).PublicKey()
	wc = signer.BLSCredentials(key)
	encoded := key.Bytes()
	hash := sha256.Sum256(encoded[:])
	require.Equal(t, hash[1:], wc[1:])
	require.Equal(t, signer.PrefixBLS, wc.Prefix())
	require.NoError(t, wc.Validate())
	_, ok = wc.Address()
	require.False(t, ok)
}

func TestCredentialsOfNobody(t *testing.T) {
	require.EqualError(t, signer.ExecutionCredentials(keyshare.Address{}).Validate(),
		"signer: withdrawal credentials have the zero address")
	require.EqualError(t, signer.CompoundingCredentials(keyshare.Address{}).Validate(),
		"signer: withdrawal credentials have the zero address")
	require.EqualError(t, signer.BLSCredentials(keyshare.PublicKey{}).Validate(),
		"signer: withdrawal credentials are all zero")
}

func TestParseCredentials(t *testing.T) {
	want := signer.ExecutionCredentials(pod)
	digits := strings.TrimPrefix(want.String(), "0x")
	for _, s := range []string{digits, "0x" + digits, strings.ToUpper(digits)} {
		got, err := signer.ParseWithdrawalCredentials(s)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	padding := strings.Repeat("0", 22)
	for s, fault := range map[string]string{
		"":                                   "have 0 hex digits, 64 expected",
		digits + "00":                        "have 66 hex digits, 64 expected",
		digits[1:]:                           "have 63 hex digits, 64 expected",
		"0x0x" + digits[4:]:                  "have 62 hex digits, 64 expected",
		"0g" + digits[2:]:                    "are not hexadecimal, 64 digits expected",
		"03" + digits[2:]:                    "have the prefix 0x03, 0x00, 0x01 or 0x02 expected",
		"b0" + digits[2:]:                    "have the prefix 0xb0, 0x00, 0x01 or 0x02 expected",
		"0101" + digits[4:]:                  "have bytes other than zero between prefix and address",
		"02" + padding[1:] + "1" + podDigits: "have bytes other than zero between prefix and address",
		"01" + strings.Repeat("0", 62):       "have the zero address",
		strings.Repeat("0", 64):              "are all zero",
		// An address alone, padded on the wrong side.
		podDigits + strings.Repeat("0", 24): "have the prefix 0x5a, 0x00, 0x01 or 0x02 expected",
	} {
		_, err := signer.ParseWithdrawalCredentials(s)
		require.EqualError(t, err, "signer: withdrawal credentials "+fault, s)
	}
}

func FuzzParseWithdrawalCredentials(f *testing.F) {
	f.Add(signer.ExecutionCredentials(pod).String())
	f.Add(strings.Repeat("0", 64))
	f.Add("0x02" + strings.Repeat("0", 22) + podDigits)
	f.Fuzz(func(t *testing.T, s string) {
		wc, err := signer.ParseWithdrawalCredentials(s)
		if err != nil {
			require.Zero(t, wc)
			return
		}
		require.NoError(t, wc.Validate())
		require.Equal(t, strings.ToLower(strings.TrimPrefix(s, "0x")), strings.TrimPrefix(wc.String(), "0x"))
		if a, ok := wc.Address(); ok {
			require.Contains(t, []signer.WithdrawalCredentials{signer.ExecutionCredentials(a), signer.CompoundingCredentials(a)}, wc)
		} else {
			require.Equal(t, signer.PrefixBLS, wc.Prefix())
		}
	})
}
