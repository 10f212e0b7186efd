package plugin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// TestAudit tunes the audit log as the document says, and finds in the clear what it says, and no more.
func TestAudit(t *testing.T) {
	s := vaulttest.Start(t, &vaulttest.Options{Plugin: true, RawLog: true})
	s.Mount(t, "dvkeys")
	m := &mount{Server: s, path: "dvkeys", token: s.Token}
	m.permit(t)
	pk := m.create(t, "k")
	sign := func(b byte) (root, signature string) {
		root = keyshare.Root{b, 0xAA, 0xBB}.String()
		var got wire.Signed
		m.ok(t, "PUT", "sign/k", wire.Sign{Roots: []string{root}}, &got)
		return root, got.Signatures[0]
	}
	contains := func(text string) bool {
		log, err := os.ReadFile(s.AuditLog)
		require.NoError(t, err)
		return strings.Contains(string(log), text)
	}
	root, signature := sign(1)
	require.False(t, contains(root) || contains(signature), "hashed by default")
	raw, err := os.ReadFile(s.RawLog)
	require.NoError(t, err)
	require.Contains(t, string(raw), root, "the log that clean searches has what paths take")
	require.Contains(t, string(raw), signature, "and what they give")
	require.True(t, contains(`"path":"dvkeys/sign/k"`))
	var hash map[string]string
	require.NoError(t, s.Call("PUT", "sys/audit-hash/file", map[string]string{"input": root}, &hash))
	require.True(t, contains(hash["hash"]), "who has the root can find it")

	shell(t, s, ".", "audit-clear")
	root, signature = sign(2)
	require.True(t, contains(root) && contains(signature))
	m.signs(t, "attestation", "k", pk, vote(7, 8, 0xCC))
	require.True(t, contains(keyshare.Root{0xCC}.String()), "the duty is in the clear")
	m.clean(t)
}

// clean searches the audit logs for the secrets of all keys of the mount, which it learns by splitting them, and for those
// that the test has made itself. Nothing is hashed in one of the logs: it has every byte that a path has taken or given.
func (m *mount) clean(t *testing.T, more ...[]byte) {
	t.Helper()
	m.permit(t)
	secrets := more
	var l wire.List
	if err := m.call("LIST", "keys", nil, &l); err == nil {
		for _, name := range l.Names[:min(len(l.Names), 20)] {
			secrets = append(secrets, m.learn(t, name))
		}
	}
	for _, path := range []string{m.AuditLog, m.RawLog} {
		log, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(log), `"path":"`+m.path+`/`, "the log is that of this mount")
		log = bytes.ToLower(log)
		for _, s := range secrets {
			for form, text := range map[string]string{
				"hex": hex.EncodeToString(s), "base64": base64.StdEncoding.EncodeToString(s)[:40], "URL base64": base64.RawURLEncoding.EncodeToString(s)[:40], "bytes": string(s),
			} {
				require.False(t, bytes.Contains(log, []byte(strings.ToLower(text))), "a secret is in %s as %s", path, form)
			}
		}
	}
}
