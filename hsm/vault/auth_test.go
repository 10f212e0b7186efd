package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
)

var ready = data(map[string]any{"version": "v0.1.0"})

func TestAppRole(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_TOKEN": "environment", "VAULT_NAMESPACE": "environment", "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_HEADERS": `{"X-Other":"environment"}`,
	} {
		t.Setenv(name, value)
	}
	f := newFake(t)
	f.on("GET dvkeys/stats", ready)
	c := f.config()
	c.Namespace = "team/"
	b := f.open(c)
	require.NoError(t, b.Health(t.Context()))
	login := f.calls("PUT auth/approle/login")
	require.Len(t, login, 1)
	require.Equal(t, map[string]any{"role_id": "role", "secret_id": "id"}, login[0].body)
	require.Empty(t, login[0].header.Get("X-Vault-Token"))
	stats := f.calls("GET dvkeys/stats")[0].header
	require.Equal(t, "t1", stats.Get("X-Vault-Token"))
	require.Equal(t, "team", stats.Get("X-Vault-Namespace"))
	require.Equal(t, "true", stats.Get("X-Vault-Request"))
	require.Empty(t, stats.Get("X-Other"), "nothing comes from the environment")
	require.NoError(t, b.Close())
	require.Equal(t, "t1", f.calls("PUT auth/token/revoke-self")[0].header.Get("X-Vault-Token"))
	require.Contains(t, b.Info().Device, "in namespace team")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c.Auth, c.Auth, c.Auth), `"id"`)
}

func TestLoginRefused(t *testing.T) {
	f := newFake(t)
	f.on("PUT auth/approle/login", refuse(400, "invalid role or secret ID"))
	_, err := vault.Open(t.Context(), f.config())
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.ErrorContains(t, err, "invalid role or secret ID")
	require.Len(t, f.calls("PUT auth/approle/login"), 1, "credentials may be good for a number of uses")

	unreadable := errors.New("gone")
	for want, source := range map[string]vault.Source{
		"no source":  nil,
		"gone":       func() ([]byte, error) { return nil, unreadable },
		"is empty":   secretID(""),
		"characters": secretID("a b"),
	} {
		c := f.config()
		c.Auth = vault.AppRole("role", source, nil)
		_, err = vault.Open(t.Context(), c)
		require.ErrorIs(t, err, hsm.ErrAuth, want)
		require.ErrorContains(t, err, want)
	}
}

// TestLoginIsNotRepeatedBlindly cuts the connection when the credentials may have been used up already.
func TestLoginIsNotRepeatedBlindly(t *testing.T) {
	f := newFake(t)
	f.on("PUT auth/approle/login", cut)
	_, err := vault.Open(t.Context(), f.config())
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.Len(t, f.calls("PUT auth/approle/login"), 1)
}

// TestRevoked has a token refused while it should be valid.
func TestRevoked(t *testing.T) {
	f := newFake(t)
	b := f.open(f.config())
	f.on("GET dvkeys/stats", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") == "t1" {
			invalidToken(w, r)
			return
		}
		ready(w, r)
	})
	require.NoError(t, b.Health(t.Context()))
	require.Len(t, f.calls("PUT auth/approle/login"), 2)

	f.on("GET dvkeys/stats", invalidToken)
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrAuth)
	require.Len(t, f.calls("PUT auth/approle/login"), 3, "one login a call, not one an answer")

	f.on("GET dvkeys/stats", refuse(403, "1 error occurred:\n\t* permission denied\n\n"))
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrDenied)
	require.Len(t, f.calls("PUT auth/approle/login"), 3, "what a policy denies is denied after a login too")
}

func TestKubernetes(t *testing.T) {
	f := newFake(t)
	jwt := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(jwt, []byte("first"), 0o644))
	f.on("PUT auth/k8s/login", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, map[string]any{"auth": map[string]any{"client_token": "k", "lease_duration": 3600, "renewable": true}})
	})
	c := f.config()
	c.Auth = vault.Kubernetes("orchestrator", &vault.KubernetesOptions{Mount: "k8s", JWTFile: jwt})
	b := f.open(c)
	require.NoError(t, os.WriteFile(jwt, []byte("second\n"), 0o644))
	f.on("GET dvkeys/stats", sequence(invalidToken, ready))
	require.NoError(t, b.Health(t.Context()))
	calls := f.calls("PUT auth/k8s/login")
	require.Len(t, calls, 2)
	require.Equal(t, map[string]any{"role": "orchestrator", "jwt": "first"}, calls[0].body)
	require.Equal(t, "second", calls[1].body["jwt"], "the file is read at each login")
}

func TestTokenFile(t *testing.T) {
	f := newFake(t)
	f.on("GET dvkeys/stats", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") == "new" {
			ready(w, r)
			return
		}
		invalidToken(w, r)
	})
	path := tokenFile(t, "old")
	c := f.config()
	c.Auth = vault.TokenFile(path)
	b := f.open(c)
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrAuth)
	require.NoError(t, os.WriteFile(path, []byte("new"), 0o600))
	require.NoError(t, b.Health(t.Context()), "the file is read again when the token is refused")
	require.NoError(t, b.Close())
	require.Empty(t, f.calls("PUT auth/token/revoke-self"), "the token is somebody else's")

	require.NoError(t, os.Chmod(path, 0o644))
	_, err := vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.ErrorContains(t, err, "everybody can read it")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, make([]byte, 20<<10), 0o600))
	_, err = vault.Open(t.Context(), c)
	require.ErrorContains(t, err, "more than")
}

func TestWrappedSecretID(t *testing.T) {
	f := newFake(t)
	f.on("PUT sys/wrapping/lookup", data(map[string]any{"creation_path": "auth/approle/role/orchestrator/secret-id"}))
	f.on("PUT sys/wrapping/unwrap", sequence(data(map[string]any{"secret_id": "unwrapped"}), refuse(400, "wrapping token is not valid or does not exist")))
	f.on("GET dvkeys/stats", sequence(invalidToken, ready))
	c := f.config()
	c.Auth = vault.AppRole("role", secretID("wrapping"), &vault.AppRoleOptions{Wrapped: true})
	b := f.open(c)
	require.NoError(t, b.Health(t.Context()))
	calls := f.calls("PUT auth/approle/login")
	require.Len(t, calls, 2)
	require.Equal(t, "unwrapped", calls[0].body["secret_id"])
	require.Equal(t, "unwrapped", calls[1].body["secret_id"], "it is kept for the next login")
	require.Len(t, f.calls("PUT sys/wrapping/unwrap"), 1)
	require.Equal(t, "wrapping", f.calls("PUT sys/wrapping/unwrap")[0].header.Get("X-Vault-Token"))

	c.Auth = vault.AppRole("role", secretID("wrapping"), &vault.AppRoleOptions{Wrapped: true})
	_, err := vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.ErrorContains(t, err, "stolen")

	f.on("PUT sys/wrapping/lookup", data(map[string]any{"creation_path": "cubbyhole/x"}))
	_, err = vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.ErrorContains(t, err, "exchanged")
	require.Len(t, f.calls("PUT sys/wrapping/unwrap"), 2, "what is not a secret_id is not unwrapped")
}

// TestNobodyWaitsForAnothersLogin has a login hang, and a call with less patience than the one that logs in.
func TestNobodyWaitsForAnothersLogin(t *testing.T) {
	f := newFake(t)
	f.on("GET dvkeys/stats", invalidToken)
	b := f.open(f.config())
	started, released := make(chan struct{}), make(chan struct{})
	f.on("PUT auth/approle/login", func(http.ResponseWriter, *http.Request) {
		close(started)
		<-released
	})
	patient, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Health(patient) }()
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, b.Health(ctx), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 8*time.Second, "long before patience ends")
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	close(released)
}
