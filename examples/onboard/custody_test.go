package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/softhsmtest"
)

// TestTokenCustody onboards with keys that SoftHSM seals, twice: the second run finds
// the same keys.
func TestTokenCustody(t *testing.T) {
	module := softhsmtest.Token(t)
	dir := t.TempDir()
	pin := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(pin, []byte(softhsmtest.UserPIN+"\n"), 0o600))
	args := []string{"-operators", operators, "-custody", "pkcs11", "-module", module, "-token", "dvkeys", "-pin-file", pin, "-keys", filepath.Join(dir, "records.db"), "-validators", "2"}

	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	out, err := program(append(args, "-out", a)...)
	require.NoError(t, err)
	require.Contains(t, out, "sealed by the token")
	_, err = program(append(args, "-out", b)...)
	require.NoError(t, err)
	require.Equal(t, deposits(t, a), deposits(t, b))
	require.Contains(t, out, filepath.Join(dir, "records.db"))
	for _, more := range [][]string{{"-keys", args[11]}, {"-keys", args[11], "-custody", "pkcs11"}, {"-keys", ""}} {
		_, err = program(append([]string{"-verify", "-out", b}, more...)...)
		require.NoError(t, err, "%q", more)
	}
	_, err = program("-verify", "-out", b, "-custody", "software", "-keys", args[11])
	require.ErrorContains(t, err, "backend")

	require.NoError(t, os.WriteFile(pin, []byte("wrong\n"), 0o600))
	_, err = program(append(args, "-out", filepath.Join(dir, "c"))...)
	require.ErrorContains(t, err, "PIN")
}
