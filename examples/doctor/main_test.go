package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/softhsmtest"
)

func TestDoctor(t *testing.T) {
	module, err := softhsmtest.Make(t.TempDir(), "validators")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	doctor := func(pin string, args ...string) (string, error) {
		path := filepath.Join(t.TempDir(), "pin")
		require.NoError(t, os.WriteFile(path, []byte(pin), 0o600))
		var out, diag bytes.Buffer
		err := run(t.Context(), append([]string{"-module", module, "-pin-file", path}, args...), &out, &diag)
		return out.String(), err
	}
	out, err := doctor(softhsmtest.UserPIN, "-token", "validators")
	require.NoError(t, err, out)
	require.Regexp(t, `ok +module +SoftHSM`, out)
	require.Regexp(t, `ok +RSA decryption +RSA-2048`, out)
	require.Regexp(t, `ok +protection +JustInTime, not hardware`, out)

	out, err = doctor("0000-none", "-token", "validators", "-store", filepath.Join(t.TempDir(), "keys.db"))
	require.ErrorContains(t, err, "1 of")
	require.Regexp(t, `FAIL +login +login to the token "validators" failed\n +the module says 0xA0: CKR_PIN_INCORRECT\n +→ give the right PIN`, out)

	out, err = doctor(softhsmtest.UserPIN, "-token", "absent")
	require.ErrorContains(t, err, "1 of")
	require.Regexp(t, `→ insert it, or select one of those present: "validators" with serial number`, out)

	_, err = doctor(softhsmtest.UserPIN, "argument")
	require.ErrorContains(t, err, "unexpected argument")
}
