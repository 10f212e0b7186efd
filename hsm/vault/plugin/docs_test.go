package plugin_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

const document = "../../../docs/vault.md"

// block returns the code block of the document with a language and a name.
func block(t *testing.T, language, name string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n```"+language+" "+name+"\n")
	require.True(t, found, "%s has no block %s", document, name)
	code, _, found := strings.Cut(rest, "\n```\n")
	require.True(t, found)
	return code
}

// shell runs a block of commands as an administrator would, and returns what it prints.
func shell(t *testing.T, s *vaulttest.Server, dir, name string, env ...string) string {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.Symlink(s.Program(), filepath.Join(bin, "vault")))
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", block(t, "sh", name))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "VAULT_ADDR="+s.Address, "VAULT_TOKEN="+s.Token, "PLUGINS="+s.Plugins)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s:\n%s", name, out)
	return string(out)
}

// TestDocumentedCommands does what the document says, with a stock Vault: installs, configures, logs in, upgrades.
func TestDocumentedCommands(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	s := vaulttest.Start(t, &vaulttest.Options{PluginFolder: true, Kubernetes: true})
	installed := shell(t, s, root, "install")
	require.Contains(t, installed, "v0.1.0", "the last line")
	m := &mount{Server: s, path: "dvkeys", token: s.Token}
	require.Contains(t, shell(t, s, root, "configure"), "hoodi")
	pk := m.create(t, "validator-1")
	m.signs(t, "attestation", "validator-1", pk, vote(1, 2, 1))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "signer.hcl"), []byte(block(t, "hcl", "signer")), 0o600))
	lines := strings.Split(strings.TrimSpace(shell(t, s, dir, "approle")), "\n")
	last := lines[len(lines)-1] // of the two fields: no line ends where the output is no terminal
	role, wrapping := last[:36], last[36:]
	var secretID struct {
		ID string `json:"secret_id"`
	}
	require.NoError(t, s.CallAs(wrapping, "POST", "sys/wrapping/unwrap", nil, &secretID))
	require.Error(t, s.CallAs(wrapping, "POST", "sys/wrapping/unwrap", nil, nil), "unwrapped once")
	login := map[string]string{"role_id": role, "secret_id": secretID.ID}
	var auth struct {
		Token string `json:"client_token"`
	}
	require.NoError(t, s.CallAs("", "POST", "auth/approle/login", login, &auth))
	require.Error(t, s.CallAs("", "POST", "auth/approle/login", login, nil), "used once")
	m.with(auth.Token).signs(t, "attestation", "validator-1", pk, vote(2, 3, 1))
	m.with(auth.Token).refused(t, 403, "permission denied", "PUT", "keys/validator-2", nil)

	cluster := httptest.NewTLSServer(nil) // for its certificate: package hsm/vault tests the login
	defer cluster.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw}), 0o600))
	shell(t, s, dir, "kubernetes")
	var inCluster map[string]any
	require.NoError(t, s.Call("GET", "auth/kubernetes/role/dvkeys-signer", nil, &inCluster))
	require.Equal(t, []any{"dvkeys-signer"}, inCluster["token_policies"])

	require.Contains(t, shell(t, s, root, "upgrade"), "v0.1.0")
	require.Equal(t, pk, m.create(t, "validator-1"))
	m.faults(t, wire.Slashable, "", "attestation", "validator-1", vote(2, 3, 2))

	file := `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` + signer.Hoodi.GenesisValidatorsRoot().String() +
		`"},"data":[{"pubkey":"` + pk.String() + `","signed_blocks":[],"signed_attestations":[{"source_epoch":"3","target_epoch":"9"}]}]}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "slashing_protection.json"), []byte(file), 0o600))
	shell(t, s, dir, "history")
	m.faults(t, wire.Slashable, "", "attestation", "validator-1", vote(3, 9, 1))

	_, digest := operator(t, 1, operatorKeys()[0])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "operator.pem"), publicPEM(t, operatorKeys()[0]), 0o600))
	require.Equal(t, digest, strings.TrimSpace(shell(t, s, dir, "digest")))

	require.NoError(t, s.Call("DELETE", "sys/audit/file", nil, nil))
	audit := filepath.Join(dir, "audit.log")
	shell(t, s, dir, "audit", "AUDIT_LOG="+audit)
	m.create(t, "validator-1")
	require.FileExists(t, audit)
}

// TestPolicies uses each policy of the document, and checks the table below them: every operation with every token.
func TestPolicies(t *testing.T) {
	s := vaulttest.Start(t, &vaulttest.Options{Plugin: true})
	s.Mount(t, "dvkeys")
	m := &mount{Server: s, path: "dvkeys", token: s.Token}
	m.permit(t)
	pk := m.create(t, "k")
	to, _ := operator(t, 1, operatorKeys()[0])
	other, _ := operator(t, 2, operatorKeys()[1])
	epoch := uint64(1)
	outside, _ := secretOf(t)
	history := map[string]string{"network": "hoodi", "interchange": `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` +
		signer.Hoodi.GenesisValidatorsRoot().String() + `"},"data":[{"pubkey":"` + pk.String() + `","signed_blocks":[],"signed_attestations":[]}]}`}
	duty := func(m *mount, kind string, d signer.Duty) error {
		_, err := m.duties(kind, "k", d)
		return err
	}
	operations := map[string]func(m *mount) error{
		"make a key": func(m *mount) error { return m.call("PUT", "keys/k", nil, nil) },
		"make many keys": func(m *mount) error {
			return m.call("PUT", "keys", wire.CreateMany{Requests: []wire.CreateKey{{Name: "k"}}}, nil)
		},
		"read public keys": func(m *mount) error {
			if err := m.call("GET", "keys/k", nil, nil); err != nil {
				return err
			}
			return m.call("LIST", "keys", nil, nil)
		},
		"delete a key": func(m *mount) error { return m.call("DELETE", "keys/none", nil, nil) },
		"split": func(m *mount) error {
			return m.call("PUT", "split/k", wire.Split{Threshold: 2, Operators: []wire.Operator{to, other}}, nil)
		},
		"split many": func(m *mount) error {
			return m.call("PUT", "split", wire.SplitMany{Threshold: 2, Operators: []wire.Operator{to, other}, Requests: []wire.SplitKey{{Name: "k"}}}, nil)
		},
		"sign deposits": func(m *mount) error {
			return duty(m, "deposit", signer.Deposit{PublicKey: pk, WithdrawalCredentials: signer.ExecutionCredentials(keyshare.Address{1}), Amount: 32e9})
		},
		"sign attestations": func(m *mount) error { epoch++; return duty(m, "attestation", vote(epoch-1, epoch, 1)) },
		"exit":              func(m *mount) error { return duty(m, "exit", signer.VoluntaryExit{}) },
		"sign raw roots": func(m *mount) error {
			return m.call("PUT", "sign/k", wire.Sign{Roots: []string{keyshare.Root{}.String()}}, nil)
		},
		"seal a share": func(m *mount) error { return m.call("PUT", "seal/k", wire.Seal{Operator: to}, nil) },
		"import": func(m *mount) error {
			if err := m.call("PUT", "import/wrapping", nil, nil); err != nil {
				return err
			}
			return m.call("PUT", "import", (&mount{Server: s, path: "dvkeys", token: s.Token}).importing(t, "outside", outside), nil)
		},
		"import a history":         func(m *mount) error { return m.call("PUT", "history/k", history, nil) },
		"read the configuration":   func(m *mount) error { return m.call("GET", "config", nil, nil) },
		"change the configuration": func(m *mount) error { return m.call("PUT", "config", map[string]any{}, nil) },
		"read the stats":           func(m *mount) error { return m.call("GET", "stats", nil, nil) },
		"list mounts":              func(m *mount) error { return s.CallAs(m.token, "GET", "sys/mounts", nil, nil) },
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	table := regexp.MustCompile(`(?m)^\| may \|.*\n(\|.*\n)+`).FindString(string(text))
	rows := strings.Split(strings.TrimSpace(table), "\n")
	roles := cells(rows[0])[1:]
	require.Equal(t, []string{"orchestrator", "signer", "importer", "exiter", "auditor", "administrator"}, roles)
	require.Len(t, rows, len(operations)+2, "a row for each operation")
	tokens := map[string]*mount{}
	for _, role := range roles {
		tokens[role] = m.with(s.Policy(t, role, block(t, "hcl", role)))
	}
	for _, row := range rows[2:] {
		c := cells(row)
		operation := operations[c[0]]
		require.NotNil(t, operation, c[0])
		for i, role := range roles {
			err := operation(tokens[role])
			if c[i+1] == "yes" {
				require.NotEqual(t, 403, vaulttest.Status(err), "%s: %s: %v", role, c[0], err)
				if c[0] != "delete a key" { // of which the test has none to lose
					require.NoError(t, err, "%s: %s", role, c[0])
				}
				continue
			}
			require.Empty(t, c[i+1])
			require.Equal(t, 403, vaulttest.Status(err), "%s may not: %s", role, c[0])
			require.ErrorContains(t, err, "permission denied", "by Vault, not by the engine")
		}
		require.NotEqual(t, 403, vaulttest.Status(operation(m)), "the operation is one that works: %s", c[0])
	}
	// Every other path, with every token: what is not said to be allowed is not.
	for role, token := range tokens {
		for _, path := range []string{"dvkeys/credential-change/k", "dvkeys/sign", "sys/raw/core", "sys/seal", "sys/policies/acl/x", "auth/token/create"} {
			require.Equal(t, 403, vaulttest.Status(s.CallAs(token.token, "PUT", path, map[string]any{}, nil)), "%s: %s", role, path)
		}
	}
	var hash map[string]string
	require.NoError(t, s.CallAs(tokens["auditor"].token, "PUT", "sys/audit-hash/file", map[string]string{"input": "x"}, &hash))
	require.NotEmpty(t, hash["hash"])
}

// cells returns the cells of a row of a table.
func cells(row string) (list []string) {
	for c := range strings.SplitSeq(strings.Trim(row, "|"), "|") {
		list = append(list, strings.TrimSpace(c))
	}
	return list
}
