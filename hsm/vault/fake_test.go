package vault_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// fake answers as Vault does on the wire, with what a test sets. It shows behaviour that a real server has only by chance.
type fake struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	routes map[string]http.HandlerFunc // by "METHOD path" below /v1/
	seen   []call
}

// call is a request that was made.
type call struct {
	route  string
	header http.Header
	body   map[string]any
}

// newFake starts a server that lets AppRole in with tokens t1, t2, …, that do not expire, and runs an engine of this
// version.
func newFake(t testing.TB) *fake {
	f := &fake{t: t, routes: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.logins(0, false)
	f.on("GET sys/internal/ui/mounts/dvkeys", data(map[string]any{"type": "vault-plugin-dvkeys", "running_plugin_version": "v0.1.7"}))
	f.on("PUT auth/token/revoke-self", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return f
}

// logins sets how long the tokens of AppRole live, in seconds.
func (f *fake) logins(seconds int, renewable bool) {
	n := 0
	f.on("PUT auth/approle/login", func(w http.ResponseWriter, _ *http.Request) {
		n++
		reply(w, 200, map[string]any{"auth": map[string]any{"client_token": fmt.Sprintf("t%d", n), "lease_duration": seconds, "renewable": renewable}})
	})
}

func (f *fake) on(route string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[route] = h
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if r.URL.Query().Get("list") == "true" {
		method = "LIST"
	}
	c := call{route: method + " " + strings.TrimPrefix(r.URL.Path, "/v1/"), header: r.Header.Clone()}
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	if len(b) > 0 {
		_ = json.Unmarshal(b, &c.body)
	}
	f.mu.Lock()
	f.seen = append(f.seen, c)
	h := f.routes[c.route]
	f.mu.Unlock()
	if h == nil {
		errors404(w, r)
		return
	}
	h(w, r)
}

// calls returns the requests of a route, in order.
func (f *fake) calls(route string) (calls []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.seen {
		if c.route == route {
			calls = append(calls, c)
		}
	}
	return calls
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func data(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]any{"data": v}) }
}

func refuse(status int, text ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, status, map[string]any{"errors": text}) }
}

var errors404 = refuse(404)

// invalidToken is how Vault refuses a token that has expired.
var invalidToken = refuse(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")

// sequence answers each request by the next handler, and all further ones by the last.
func sequence(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handlers[min(n, len(handlers)-1)]
		n++
		mu.Unlock()
		h(w, r)
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// secretID supplies a credential.
func secretID(id string) vault.Source { return func() ([]byte, error) { return []byte(id), nil } }

// config is for a fake, by AppRole.
func (f *fake) config() vault.Config {
	return vault.Config{Address: f.URL, Auth: vault.AppRole("role", secretID("id"), nil)}
}

// open opens the fake's engine.
func (f *fake) open(c vault.Config) *vault.Backend {
	f.t.Helper()
	b, err := vault.Open(f.t.Context(), c)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, b.Close()) })
	return b
}

// keyOf is what the engine says of a key.
func keyOf(name, publicKey, label string) http.HandlerFunc {
	return data(map[string]any{"name": name, "public_key": publicKey, "label": label})
}

// keysOf is keyOf for many, by name; of a name without a public key it says that the configuration denies it.
func keysOf(publicKeys map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var want wire.CreateMany
		_ = json.NewDecoder(r.Body).Decode(&want)
		made := wire.CreatedMany{Results: make([]wire.CreatedKey, len(want.Requests))}
		for i, k := range want.Requests {
			made.Results[i].Key = wire.Key{Name: k.Name, PublicKey: publicKeys[k.Name], Label: k.Label}
			if publicKeys[k.Name] == "" {
				made.Results[i] = wire.CreatedKey{Fault: &wire.Fault{Code: wire.Denied, Text: "no"}}
			}
		}
		data(made)(w, r)
	}
}
