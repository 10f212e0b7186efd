package vaulttest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vaulttest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, nil)
	var health struct {
		Version string `json:"version"`
	}
	require.NoError(t, s.Call("GET", "sys/health", nil, &health))
	require.NotEmpty(t, health.Version)
	err := s.CallAs("wrong", "GET", "sys/mounts", nil, nil)
	require.Equal(t, 403, vaulttest.Status(err), err)
	log, err := os.ReadFile(s.AuditLog)
	require.NoError(t, err)
	require.Contains(t, string(log), "sys/mounts")

	token := s.Policy(t, "nobody", `path "sys/nothing" { capabilities = ["read"] }`)
	require.Equal(t, 403, vaulttest.Status(s.CallAs(token, "GET", "sys/mounts", nil, nil)))
}

// TestRaft kills, stops and starts a server with TLS on disk.
func TestRaft(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, &vaulttest.Options{Raft: true, TLS: true, Shares: 3, Threshold: 2})
	require.True(t, strings.HasPrefix(s.Address, "https://"))
	require.Len(t, s.Unseal, 3)
	require.NoError(t, s.Call("POST", "sys/mounts/kv", map[string]string{"type": "kv"}, nil))
	require.NoError(t, s.Call("PUT", "kv/a", map[string]string{"b": "c"}, nil))
	s.Kill()
	require.Error(t, s.Call("GET", "kv/a", nil, nil))
	require.NoError(t, s.Launch())
	require.Equal(t, 503, vaulttest.Status(s.Call("GET", "kv/a", nil, nil)))
	require.NoError(t, s.UnsealNow())
	require.NoError(t, s.Stop())
	require.NoError(t, s.Restart())
	var kv map[string]string
	require.NoError(t, s.Call("GET", "kv/a", nil, &kv))
	require.Equal(t, "c", kv["b"])
}
