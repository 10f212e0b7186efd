package vault_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// dutyKey is what signer.DutyKey asks for.
type dutyKey interface {
	hsm.Key
	SignDuties(ctx context.Context, network string, duties ...[]byte) ([]keyshare.Signature, []error)
}

func newKey(t testing.TB) *keyshare.SecretKey {
	t.Helper()
	k, err := keyshare.Generate()
	require.NoError(t, err)
	t.Cleanup(k.Destroy)
	require.NoError(t, k.Use(func(b []byte) error {
		list, _ := known.LoadOrStore(t, new([][]byte))
		*list.(*[][]byte) = append(*list.(*[][]byte), bytes.Clone(b))
		return nil
	}))
	return k
}

var known sync.Map // by test, the secrets of newKey as [][]byte

// searched is for a server with a raw log, which has every byte that the server has taken and given: at the end of the test
// it has none of the secrets that the test has made.
func searched(t testing.TB, s *vaulttest.Server) *vaulttest.Server {
	t.Cleanup(func() {
		list, found := known.Load(t)
		if !found {
			return
		}
		log, err := os.ReadFile(s.RawLog)
		require.NoError(t, err)
		require.NotEmpty(t, log)
		log = bytes.ToLower(log)
		for _, b := range *list.(*[][]byte) {
			for form, text := range map[string]string{"hex": hex.EncodeToString(b), "base64": base64.StdEncoding.EncodeToString(b)[:40]} {
				require.False(t, bytes.Contains(log, []byte(strings.ToLower(text))), "Vault was told a secret as %s", form)
			}
		}
	})
	return s
}

func operators(t testing.TB, n int) []keyshare.Operator {
	t.Helper()
	to, err := operatorKeys(n)
	require.NoError(t, err)
	return to
}

func operatorKeys(n int) (to []keyshare.Operator, err error) {
	for i := range n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		to = append(to, keyshare.Operator{ID: keyshare.Index(i + 1), PublicKey: &k.PublicKey})
	}
	return to, nil
}

const plainDuty = `{"epoch":"1","type":"randao"}`

// TestEmptyAnswers gives every method answers without content, or with that of something else: HTTP clients of Vault make
// nil of some of them.
func TestEmptyAnswers(t *testing.T) {
	f := newFake(t)
	c := f.config()
	c.Patience = -1
	b := f.open(c)
	secretKey, to := newKey(t), operators(t, 2)
	f.on("PUT dvkeys/keys/x", keyOf("x", secretKey.PublicKey().String(), "x"))
	made, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	key := made.(dutyKey)
	coalescing := c
	coalescing.Coalesce = time.Millisecond
	joining := f.open(coalescing)
	f.on("PUT dvkeys/keys", keysOf(map[string]string{"x": secretKey.PublicKey().String()}))
	joined, err := joining.Generate(t.Context(), "x")
	require.NoError(t, err)

	for name, answer := range map[string]http.HandlerFunc{
		"no content":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"nothing":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
		"an object":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"null":           func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`null`)) },
		"null data":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":null}`)) },
		"a list":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":[]}`)) },
		"no JSON":        func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>busy</html>")) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":{"name":"x","pub`)) },
		"nulls":          data(map[string]any{"name": nil, "public_key": nil, "signatures": nil, "results": nil, "group": nil, "sealed": nil, "version": nil}),
		"null elements":  data(map[string]any{"signatures": []any{nil}, "results": []any{nil}, "sealed": []any{nil, nil}, "keys": []any{nil}, "group": "null"}),
		"an endless one": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"name":"`))
			_, _ = w.Write([]byte(strings.Repeat("x", 33<<20)))
		},
	} {
		for _, route := range []string{
			"PUT dvkeys/keys/y", "GET dvkeys/keys/" + secretKey.PublicKey().String(), "PUT dvkeys/import/wrapping", "PUT dvkeys/import",
			"PUT dvkeys/sign/x", "PUT dvkeys/sign", "PUT dvkeys/split/x", "PUT dvkeys/randao/x", "GET dvkeys/stats",
			"PUT dvkeys/keys", "PUT dvkeys/split", "PUT dvkeys/randao",
		} {
			f.on(route, answer)
		}
		_, err := b.Generate(t.Context(), "y")
		require.Error(t, err, name)
		_, err = b.Open(t.Context(), secretKey.PublicKey())
		require.Error(t, err, name)
		require.NotErrorIs(t, err, hsm.ErrNotFound, "%s: what can not be read is not what is not there", name)
		_, err = b.Import(t.Context(), "x", secretKey)
		require.Error(t, err, name)
		_, err = key.SignRoots(t.Context(), keyshare.Root{1})
		require.Error(t, err, name)
		_, err = joined.SignRoots(t.Context(), keyshare.Root{1})
		require.Error(t, err, name)
		for _, k := range []dutyKey{key, joined.(dutyKey)} {
			sigs, errs := k.SignDuties(t.Context(), "hoodi", []byte(plainDuty))
			require.Len(t, errs, 1, name)
			require.Error(t, errs[0], name)
			require.True(t, sigs[0].IsZero(), name)
		}
		_, _, err = key.Split(t.Context(), 2, to)
		require.Error(t, err, name)
		_, _, err = joined.Split(t.Context(), 2, to)
		require.Error(t, err, name)
		_, err = joining.Generate(t.Context(), "y")
		require.Error(t, err, name)
		require.Error(t, b.Delete(t.Context(), secretKey.PublicKey()), name)
		require.Error(t, b.Health(t.Context()), name)
	}
	listed := 0
	for _, err := range b.List(t.Context()) { // 404 is Vault's answer for an empty list
		require.NoError(t, err)
		listed++
	}
	require.Zero(t, listed)
}

// TestListsThatLie has the engine list what makes no sense.
func TestListsThatLie(t *testing.T) {
	f := newFake(t)
	b := f.open(f.config())
	pk := newKey(t).PublicKey().String()
	info := func(names ...string) map[string]any {
		of := map[string]any{}
		for _, name := range names {
			of[name] = map[string]any{"public_key": pk}
		}
		return map[string]any{"keys": names, "key_info": of}
	}
	for name, list := range map[string]map[string]any{
		"no keys' data": {"keys": []string{"a"}}, "out of order": info("b", "a"), "the same page for ever": info("a"), "no name": info(""),
	} {
		f.on("LIST dvkeys/keys", data(list))
		var last error
		n := 0
		for _, err := range b.List(t.Context()) {
			last = err
			n++
		}
		require.ErrorIs(t, last, hsm.ErrUnavailable, name)
		require.LessOrEqual(t, n, 2, name)
	}

	damaged := info("a", "b", "c")
	damaged["key_info"].(map[string]any)["b"] = map[string]any{"name": "b"}
	f.on("LIST dvkeys/keys", data(damaged))
	var errs []error
	for _, err := range b.List(t.Context()) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], hsm.ErrCorrupt)
	require.ErrorContains(t, errs[1], `the record of the key "b" is damaged`)
}

// TestDamagedKey asks for a key whose record is damaged, alone and among others: that does not pass, so nothing is repeated.
func TestDamagedKey(t *testing.T) {
	f := newFake(t)
	pk := newKey(t).PublicKey().String()
	f.on("PUT dvkeys/keys/x", refuse(422, "dvkeys: stored data is corrupt"))
	_, err := f.open(f.config()).Generate(t.Context(), "x")
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	require.Len(t, f.calls("PUT dvkeys/keys/x"), 1)

	c := f.config()
	c.Coalesce = time.Millisecond
	f.on("PUT dvkeys/keys", data(wire.CreatedMany{Results: []wire.CreatedKey{{Fault: &wire.Fault{Code: wire.Corrupt, Text: "damaged"}}}}))
	_, err = f.open(c).Generate(t.Context(), "x")
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	f.on("PUT dvkeys/keys", keysOf(map[string]string{"y": pk}))
	_, err = f.open(c).Generate(t.Context(), "y")
	require.NoError(t, err)
}

// TestRepeats has Vault away for a while.
func TestRepeats(t *testing.T) {
	pk := newKey(t).PublicKey()
	for name, away := range map[string]http.HandlerFunc{
		"sealed": refuse(503, "Vault is sealed"), "no leader": refuse(500, "local node not active but active cluster node not found"),
		"plugin gone": refuse(500, "1 error occurred:\n\t* rpc error: code = Unavailable desc = error reading from server: EOF\n\n"),
		"overloaded":  refuse(429, "too many requests"), "standby": refuse(472), "stale": refuse(412, "required index state not present"), "cut": cut,
		"gateway": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>bad gateway", http.StatusBadGateway)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			b := f.open(f.config())
			route := "PUT dvkeys/keys/" + "batch-7"
			f.on(route, sequence(away, away, keyOf("batch-7", pk.String(), "batch-7")))
			k, err := b.Generate(t.Context(), "batch-7")
			require.NoError(t, err)
			require.Equal(t, pk, k.PublicKey())
			require.Len(t, f.calls(route), 3, "the same name each time")

			c := f.config()
			c.Patience = -1
			f.on(route, away)
			_, err = f.open(c).Generate(t.Context(), "batch-7")
			require.ErrorIs(t, err, hsm.ErrUnavailable)
			require.Len(t, f.calls(route), 4)

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err = b.Generate(ctx, "batch-7")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, hsm.ErrUnavailable)
			require.Less(t, time.Since(start), 8*time.Second, "long before patience ends")
		})
	}
}

// TestUnnamedKeysAreMadeOnce repeats a request without a label whose answer was lost.
func TestUnnamedKeysAreMadeOnce(t *testing.T) {
	f := newFake(t)
	b := f.open(f.config())
	pk := newKey(t).PublicKey().String()
	var names []string
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, making := strings.CutPrefix(r.URL.Path, "/v1/dvkeys/keys/")
		if !making || r.Method != http.MethodPut {
			f.ServeHTTP(w, r)
			return
		}
		if names = append(names, name); len(names) == 1 {
			cut(w, r)
			return
		}
		keyOf(name, pk, "")(w, r)
	})
	_, err := b.Generate(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, names, 2)
	require.Equal(t, names[0], names[1], "a key that the first request made is the second's")
	require.Regexp(t, "^key-[0-9a-f]{32}$", names[0])
	_, err = b.Generate(t.Context(), "")
	require.NoError(t, err)
	require.NotEqual(t, names[0], names[2])
}

// TestHanging has a server that does not answer.
func TestHanging(t *testing.T) {
	f := newFake(t)
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-released:
		}
	}
	pk := newKey(t).PublicKey()
	f.on("PUT dvkeys/keys/x", keyOf("x", pk.String(), "x"))
	f.on("PUT dvkeys/keys", keysOf(map[string]string{"x": pk.String()}))
	for _, route := range []string{"PUT dvkeys/sign/x", "PUT dvkeys/sign", "GET dvkeys/stats", "PUT dvkeys/randao/x"} {
		f.on(route, hang)
	}
	c := f.config()
	c.Coalesce = time.Millisecond
	for name, b := range map[string]*vault.Backend{"plain": f.open(f.config()), "coalesced": f.open(c)} {
		made, err := b.Generate(t.Context(), "x")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err = made.SignRoots(ctx, keyshare.Root{})
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		_, errs := made.(dutyKey).SignDuties(ctx, "hoodi", []byte(plainDuty))
		require.ErrorIs(t, errs[0], context.DeadlineExceeded, name)
		require.ErrorIs(t, b.Health(ctx), context.DeadlineExceeded, name)
		require.Less(t, time.Since(start), 8*time.Second, name)

		var done sync.WaitGroup
		done.Go(func() {
			_, err := made.SignRoots(t.Context(), keyshare.Root{})
			if err == nil {
				t.Error("signed")
			}
			require.ErrorIs(t, err, hsm.ErrClosed, name)
		})
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, b.Close())
		done.Wait()
	}
}

// TestRedirected has a standby that sends clients to the active node.
func TestRedirected(t *testing.T) {
	active := newFake(t)
	pk := newKey(t).PublicKey()
	active.on("PUT dvkeys/keys/x", keyOf("x", pk.String(), "x"))
	f := newFake(t)
	to := active.URL
	f.on("PUT dvkeys/keys/x", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
	})
	c := f.config()
	c.Patience = -1
	b := f.open(c)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, pk, k.PublicKey())
	require.Equal(t, map[string]any{"label": "x"}, active.calls("PUT dvkeys/keys/x")[0].body)
	require.Equal(t, "t1", active.calls("PUT dvkeys/keys/x")[0].header.Get("X-Vault-Token"))

	to = "http://192.0.2.1:1" // another machine, without TLS
	_, err = b.Generate(t.Context(), "x")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "a redirection that leads nowhere", "the token is not sent there")
	to = "https://127.0.0.1:1" // another scheme
	_, err = b.Generate(t.Context(), "x")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	to = f.URL // round and round
	_, err = b.Generate(t.Context(), "x")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
}

func TestWrongEngine(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		is     error
		want   string
	}{
		"nothing mounted":    {refuse(403, `preflight capability check returned 403, please ensure client's policies grant access to path "dvkeys/"`), hsm.ErrDenied, "nothing is mounted there"},
		"another engine":     {data(map[string]any{"type": "kv", "running_plugin_version": "v0.25.0+builtin"}), hsm.ErrUnavailable, `of type "kv"`},
		"no version":         {data(map[string]any{"type": "vault-plugin-dvkeys"}), hsm.ErrUnavailable, "expected vault-plugin-dvkeys"},
		"an older version":   {data(map[string]any{"type": "vault-plugin-dvkeys", "running_plugin_version": "v0.0.9"}), hsm.ErrUnavailable, `version "v0.0.9"`},
		"a newer version":    {data(map[string]any{"type": "vault-plugin-dvkeys", "running_plugin_version": "v1.1.0"}), hsm.ErrUnavailable, "reload"},
		"a sealed Vault":     {refuse(503, "Vault is sealed"), hsm.ErrUnavailable, "unseal it"},
		"no Vault":           {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hello", http.StatusNotFound) }, nil, "an answer that is not Vault's"},
		"an invalid request": {refuse(400, "malformed"), nil, "malformed"},
	} {
		f := newFake(t)
		f.on("GET sys/internal/ui/mounts/dvkeys", c.answer)
		cfg := f.config()
		cfg.Patience = -1
		_, err := vault.Open(t.Context(), cfg)
		require.ErrorContains(t, err, c.want, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
		require.Len(t, f.calls("PUT auth/token/revoke-self"), 1, "%s: what Open has got it gives back", name)
	}
}

func TestConfigRefused(t *testing.T) {
	auth := vault.TokenFile("absent")
	for want, c := range map[string]vault.Config{
		`address ""`:                  {Auth: auth},
		`address "vault.example.org"`: {Address: "vault.example.org", Auth: auth},
		"has a user in it":            {Address: "https://user:hunter2@vault.example.org", Auth: auth},
		"is not encrypted":            {Address: "http://vault.example.org:8200", Auth: auth},
		"no Auth":                     {Address: "https://vault.example.org"},
		"mount":                       {Address: "https://vault.example.org", Auth: auth, Mount: "a/../sys"},
		"one of CertFile and KeyFile": {Address: "https://vault.example.org", Auth: auth, TLS: vault.TLS{CertFile: "x"}},
		"Coalesce":                    {Address: "https://vault.example.org", Auth: auth, Coalesce: time.Minute},
		"TLS":                         {Address: "https://vault.example.org", Auth: auth, TLS: vault.TLS{CAFile: "absent"}},
		"token file":                  {Address: "https://127.0.0.1:1", Auth: auth},
	} {
		_, err := vault.Open(t.Context(), c)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// TestClientCertificate has a server that talks to nobody without a certificate.
func TestClientCertificate(t *testing.T) {
	f := newFake(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(certificate)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	server.TLS.ClientCAs.AddCert(parsed)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	c := f.config()
	c.Address, c.Patience = server.URL, -1
	c.TLS = vault.TLS{CAFile: write("ca", "CERTIFICATE", server.Certificate().Raw)}
	_, err = vault.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrUnavailable, "without one")
	c.TLS.CertFile, c.TLS.KeyFile = write("cert", "CERTIFICATE", certificate), write("key", "PRIVATE KEY", private)
	f.open(c)
	c.TLS.ServerName = "other.example"
	_, err = vault.Open(t.Context(), c)
	require.ErrorContains(t, err, "other.example")
}

// TestTLS trusts the server by a CA file and nothing else.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(errors404))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := vault.Open(t.Context(), vault.Config{Address: server.URL, Auth: vault.AppRole("r", secretID("s"), nil), Patience: -1})
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "certificate")
}
