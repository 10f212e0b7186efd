package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// TestVaultPolicy onboards with the policy that docs/vault.md has for it and no other, by an AppRole whose secret id
// comes wrapped.
func TestVaultPolicy(t *testing.T) {
	server := vaulttest.Start(t, &vaulttest.Options{Plugin: true})
	server.Mount(t, "dvkeys")
	require.NoError(t, server.Call("POST", "dvkeys/config", map[string]any{"networks": "hoodi", "withdrawal_addresses": "*", "operator_keys": "*"}, nil))
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "vault.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(document), "\n```hcl orchestrator\n")
	require.True(t, found)
	policy, _, _ := strings.Cut(rest, "\n```\n")
	require.NoError(t, server.Call("PUT", "sys/policies/acl/orchestrator", map[string]string{"policy": policy}, nil))
	require.NoError(t, server.Call("POST", "sys/auth/approle", map[string]string{"type": "approle"}, nil))
	role := map[string]any{"token_policies": "orchestrator", "token_no_default_policy": true, "token_period": "1h", "secret_id_num_uses": 1}
	require.NoError(t, server.Call("POST", "auth/approle/role/orchestrator", role, nil))
	var id struct {
		RoleID string `json:"role_id"`
	}
	require.NoError(t, server.Call("GET", "auth/approle/role/orchestrator/role-id", nil, &id))
	r, err := http.NewRequest(http.MethodPost, server.Address+"/v1/auth/approle/role/orchestrator/secret-id", nil)
	require.NoError(t, err)
	r.Header.Set("X-Vault-Token", server.Token)
	r.Header.Set("X-Vault-Wrap-TTL", "60s")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var wrapped struct {
		Info struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&wrapped))
	dir := t.TempDir()
	file := filepath.Join(dir, "wrapped")
	require.NoError(t, os.WriteFile(file, []byte(wrapped.Info.Token), 0o600))
	args := []string{
		"-operators", operators, "-custody", "vault", "-vault-addr", server.Address, "-validators", "1", "-out", filepath.Join(dir, "out"),
		"-vault-role-id", id.RoleID, "-vault-secret-id-file", file, "-vault-secret-id-wrapped",
	}
	_, err = program(args...)
	require.NoError(t, err)
	_, err = program(append(args, "-out", filepath.Join(dir, "again"))...)
	require.ErrorContains(t, err, "stolen", "it opens once")
}
