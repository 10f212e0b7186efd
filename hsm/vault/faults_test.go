package vault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// engineRules let a token do everything with the engine at DefaultMount, and nothing else.
const engineRules = `path "dvkeys/*" { capabilities = ["create", "read", "update", "delete", "list"] }`

// approle makes an AppRole with a policy and returns its role_id and a file with a secret_id. settings are the role's.
func approle(t testing.TB, s *vaulttest.Server, rules string, settings map[string]any) (roleID, secretIDFile string) {
	t.Helper()
	var mounted map[string]any
	require.NoError(t, s.Call("GET", "sys/auth", nil, &mounted))
	if mounted["approle/"] == nil {
		require.NoError(t, s.Call("POST", "sys/auth/approle", map[string]string{"type": "approle"}, nil))
	}
	require.NoError(t, s.Call("PUT", "sys/policies/acl/role", map[string]string{"policy": rules}, nil))
	role := map[string]any{"token_policies": "role", "token_no_default_policy": true}
	for k, v := range settings {
		role[k] = v
	}
	require.NoError(t, s.Call("POST", "auth/approle/role/r", role, nil))
	var id struct {
		RoleID   string `json:"role_id"`
		SecretID string `json:"secret_id"`
	}
	require.NoError(t, s.Call("GET", "auth/approle/role/r/role-id", nil, &id))
	require.NoError(t, s.Call("POST", "auth/approle/role/r/secret-id", nil, &id))
	secretIDFile = filepath.Join(t.TempDir(), "secret-id")
	require.NoError(t, os.WriteFile(secretIDFile, []byte(id.SecretID), 0o600))
	return id.RoleID, secretIDFile
}

// wrappedSecretID has the server wrap a secret_id, and returns the token that opens to it.
func wrappedSecretID(t testing.TB, s *vaulttest.Server) string {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	r, err := http.NewRequest(http.MethodPost, s.Address+"/v1/auth/approle/role/r/secret-id", nil)
	require.NoError(t, err)
	r.Header.Set("X-Vault-Token", s.Token)
	r.Header.Set("X-Vault-Wrap-TTL", "60s")
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var wrapped struct {
		Info struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&wrapped))
	require.NotEmpty(t, wrapped.Info.Token)
	return wrapped.Info.Token
}

// TestEngineTokens lives on tokens of three seconds, renewed for ever and up to an end, over TLS.
func TestEngineTokens(t *testing.T) {
	s, c := withEngine(t, &vaulttest.Options{TLS: true})
	for name, settings := range map[string]map[string]any{
		"at most six seconds":    {"token_ttl": "3s", "token_max_ttl": "6s"},
		"three seconds, renewed": {"token_period": "3s"},
	} {
		role, file := approle(t, s, engineRules, settings)
		c.Auth = vault.AppRole(role, vault.File(file), nil)
		b, err := vault.Open(t.Context(), c)
		require.NoError(t, err, name)
		k, err := b.Generate(t.Context(), "tokens")
		require.NoError(t, err, name)
		for range 40 {
			_, err := k.SignRoots(t.Context(), keyshare.Root{1})
			require.NoError(t, err, name)
			time.Sleep(200 * time.Millisecond)
		}
		require.NoError(t, b.Close())
	}

	// A secret_id that is handed over wrapped, and one that somebody else has opened.
	role, _ := approle(t, s, engineRules, nil)
	c.Auth = vault.AppRole(role, secretID(wrappedSecretID(t, s)), &vault.AppRoleOptions{Wrapped: true})
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, b.Health(t.Context()))
	require.NoError(t, b.Close())
	opened := wrappedSecretID(t, s)
	require.NoError(t, s.CallAs(opened, "PUT", "sys/wrapping/unwrap", nil, nil))
	c.Auth = vault.AppRole(role, secretID(opened), &vault.AppRoleOptions{Wrapped: true})
	_, err = vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.ErrorContains(t, err, "stolen")
}

// TestEngineFaults meets the faults that a client can meet, and what each is called.
func TestEngineFaults(t *testing.T) {
	s, c := withEngine(t, &vaulttest.Options{Raft: true})
	c.Patience = -1
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	k, err := b.Generate(t.Context(), "k")
	require.NoError(t, err)
	root := keyshare.Root{7}
	want, err := k.SignRoots(t.Context(), root)
	require.NoError(t, err)
	require.NoError(t, b.Health(t.Context()))

	// Policies and configuration.
	c.Auth = vault.TokenFile(tokenFile(t, s.Policy(t, "reader", `path "dvkeys/keys/*" { capabilities = ["read"] }`)))
	reader, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer reader.Close()
	readable, err := reader.Open(t.Context(), k.PublicKey())
	require.NoError(t, err)
	_, err = readable.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrDenied)
	_, err = reader.Generate(t.Context(), "other")
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.ErrorIs(t, reader.Health(t.Context()), hsm.ErrDenied)
	c.Auth = vault.TokenFile(tokenFile(t, s.Policy(t, "stranger", `path "other/*" { capabilities = ["read"] }`)))
	_, err = vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.NoError(t, s.Call("PUT", "dvkeys/config", map[string]any{"raw_signing": false}, nil))
	_, err = k.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.NoError(t, s.Call("PUT", "dvkeys/config", map[string]any{"raw_signing": true}, nil))

	// A token that was revoked, and a login that is not.
	token := s.Policy(t, "all", engineRules)
	c.Auth = vault.TokenFile(tokenFile(t, token))
	expiring, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer expiring.Close()
	require.NoError(t, s.Call("PUT", "auth/token/revoke", map[string]string{"token": token}, nil))
	_, err = expiring.Open(t.Context(), k.PublicKey())
	require.ErrorIs(t, err, hsm.ErrAuth)

	// A name that became another key's.
	gone, err := b.Generate(t.Context(), "again")
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), gone.PublicKey()))
	_, err = b.Generate(t.Context(), "again")
	require.NoError(t, err)
	_, err = gone.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrNotFound)

	// The plugin dies.
	killPlugin(t, s)
	patient := func() []keyshare.Signature {
		c := c
		c.Patience = 30 * time.Second
		c.Auth = vault.TokenFile(tokenFile(t, s.Policy(t, "all", engineRules)))
		again, err := vault.Open(t.Context(), c)
		require.NoError(t, err)
		defer again.Close()
		opened, err := again.Open(t.Context(), k.PublicKey())
		require.NoError(t, err)
		sigs, err := opened.SignRoots(t.Context(), root)
		require.NoError(t, err)
		return sigs
	}
	require.Equal(t, want, patient())

	// Vault is sealed, unsealed, killed and started again.
	require.NoError(t, s.Call("PUT", "sys/seal", nil, nil))
	_, err = k.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "unseal it")
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrUnavailable)
	require.NoError(t, s.UnsealNow())
	require.Equal(t, want, patient())
	s.Kill()
	_, err = k.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NoError(t, s.Restart())
	require.Equal(t, want, patient())
	sigs, err := k.SignRoots(t.Context(), root)
	require.NoError(t, err, "a backend that was open all the time")
	require.Equal(t, want, sigs)

	// The plugin's file is gone, and comes back.
	file := filepath.Join(s.Plugins, vaulttest.PluginName)
	killPlugin(t, s)
	require.NoError(t, os.Rename(file, file+".away"))
	_, err = k.SignRoots(t.Context(), root)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorIs(t, b.Health(t.Context()), hsm.ErrUnavailable)
	require.NoError(t, os.Rename(file+".away", file))
	require.Equal(t, want, patient())
}

// proxy passes connections on to a server, until it is told to lose what the server answers.
type proxy struct {
	net.Listener
	to      string
	losing  atomic.Int64 // the answer that is to be lost, counted down; nothing below 1
	dropped atomic.Int64
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(in)
		}
	}()
	return p
}

func (p *proxy) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in) }()
	b := make([]byte, 64<<10)
	for {
		n, err := out.Read(b)
		if n > 0 && p.losing.Add(-1) == 0 {
			p.dropped.Add(1)
			return // the request has been carried out, and nobody learns of it
		}
		if n > 0 {
			if _, err := in.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestAnswersLost cuts the network after Vault has done what it was asked for and before the client knows.
func TestAnswersLost(t *testing.T) {
	s, c := withEngine(t, nil)
	p := newProxy(t, s.Address[len("http://"):])
	c.Address = "http://" + p.Addr().String()
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	lose := func(what string, f func() error) {
		t.Helper()
		before := p.dropped.Load()
		p.losing.Store(1)
		require.NoError(t, f(), what)
		require.Equal(t, before+1, p.dropped.Load(), what)
	}
	count := func() (n int) {
		for _, err := range b.List(t.Context()) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	var k hsm.Key
	lose("generating", func() (err error) { k, err = b.Generate(t.Context(), "a"); return err })
	lose("generating without a label", func() error { _, err := b.Generate(t.Context(), ""); return err })
	require.Equal(t, 2, count(), "no key is made twice")
	secretKey := newKey(t)
	lose("importing, the answer to the first step", func() error { _, err := b.Import(t.Context(), "imported", secretKey); return err })
	p.losing.Store(2)
	_, err = b.Import(t.Context(), "imported too", newKey(t))
	require.NoError(t, err)
	require.Negative(t, p.losing.Load(), "and to the second")
	require.Equal(t, 4, count())
	lose("signing", func() error { _, err := k.SignRoots(t.Context(), keyshare.Root{}); return err })
	lose("splitting", func() error { _, _, err := k.Split(t.Context(), 2, operators(t, 2)); return err })
	lose("opening", func() error { _, err := b.Open(t.Context(), k.PublicKey()); return err })
	lose("listing", func() error { count(); return nil })
	p.losing.Store(2)
	require.NoError(t, b.Delete(t.Context(), k.PublicKey()), "deleting, after the key was looked up")
	require.Negative(t, p.losing.Load())
	require.Equal(t, 3, count())
}

// killPlugin ends the plugin's processes.
func killPlugin(t *testing.T, s *vaulttest.Server) {
	t.Helper()
	pids, err := s.PIDs()
	require.NoError(t, err)
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) { // it may have ended by itself
			require.NoError(t, err)
		}
	}
}

// TestKilledWhileSigning kills the plugin and the server again and again while clients make and use keys.
func TestKilledWhileSigning(t *testing.T) {
	s, c := withEngine(t, &vaulttest.Options{Raft: true})
	c.Patience = time.Minute
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	type made struct {
		label string
		pk    keyshare.PublicKey
	}
	var mu sync.Mutex
	var keys []made
	var signed, longest atomic.Int64
	var done sync.WaitGroup
	for client := range 4 {
		b, err := vault.Open(ctx, c)
		require.NoError(t, err)
		defer b.Close()
		done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				label := fmt.Sprintf("client %d, key %d", client, i)
				k, err := b.Generate(ctx, label)
				if err == nil {
					mu.Lock()
					keys = append(keys, made{label, k.PublicKey()})
					mu.Unlock()
				}
				for j := 0; err == nil && j < 20; j++ {
					var sigs []keyshare.Signature
					root := keyshare.Root{byte(i), byte(j)}
					start := time.Now()
					if sigs, err = k.SignRoots(ctx, root); err == nil {
						signed.Add(1)
						if took := int64(time.Since(start)); took > longest.Load() {
							longest.Store(took)
						}
						if !k.PublicKey().Verify(root, sigs[0]) {
							t.Errorf("%s: a wrong signature", label)
						}
					}
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", label, err)
					return
				}
			}
		})
	}
	goOn := func() {
		t.Helper()
		before := signed.Load()
		require.Eventually(t, func() bool { return signed.Load() >= before+40 }, 2*time.Minute, 5*time.Millisecond, "the clients get answers")
		time.Sleep(rand.N(300 * time.Millisecond))
	}
	for round := range 4 {
		goOn()
		if round%2 == 0 {
			killPlugin(t, s)
			continue
		}
		s.Kill()
		require.NoError(t, s.Restart())
	}
	goOn()
	stop()
	done.Wait()
	require.NotEmpty(t, keys)
	t.Logf("%d keys, %d signatures, the longest call took %v", len(keys), signed.Load(), time.Duration(longest.Load()))

	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	for _, m := range keys {
		again, err := b.Generate(t.Context(), m.label)
		require.NoError(t, err)
		require.Equal(t, m.pk, again.PublicKey(), "no key that was handed out is lost, and none is made twice")
	}
}
