package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vaulttest"
)

// TestVaultCustody onboards with keys that a real Vault makes and keeps, twice: the
// second run finds the same keys.
func TestVaultCustody(t *testing.T) {
	server := vaulttest.Start(t, &vaulttest.Options{Plugin: true})
	server.Mount(t, "dvkeys")
	require.NoError(t, server.Call("POST", "dvkeys/config", map[string]any{"networks": "hoodi", "withdrawal_addresses": "*", "operator_keys": "*"}, nil))
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte(server.Token+"\n"), 0o600))
	args := []string{"-operators", operators, "-custody", "vault", "-vault-addr", server.Address, "-vault-token-file", token, "-validators", "2"}

	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	out, err := program(append(args, "-out", a)...)
	require.NoError(t, err)
	require.Contains(t, out, "the keys, in Vault")
	require.Len(t, files(t, a), 3, "there is no key file")
	_, err = program(append(args, "-out", b)...)
	require.NoError(t, err)
	require.Equal(t, deposits(t, a), deposits(t, b))
	_, err = program("-verify", "-custody", "vault", "-out", b)
	require.NoError(t, err)
}
