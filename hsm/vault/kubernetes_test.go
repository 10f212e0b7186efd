package vault_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
)

// cluster is as much of a Kubernetes cluster as Vault's auth method sees: it issues tokens to service accounts, and its API
// reviews them.
type cluster struct {
	*httptest.Server
	key     *rsa.PrivateKey
	reviews atomic.Int64
}

func newCluster(t *testing.T) *cluster {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	c := &cluster{key: key}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(c.review))
	t.Cleanup(c.Close)
	return c
}

// authority is the certificate of the API's authority.
func (c *cluster) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}))
}

// issue makes the token of a service account in the namespace staking.
func (c *cluster) issue(t *testing.T, account string, end time.Time) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + part(map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{"vault"}, "iat": time.Now().Add(-time.Minute).Unix(), "exp": end.Unix(),
		"sub": "system:serviceaccount:staking:" + account,
		"kubernetes.io": map[string]any{
			"namespace": "staking", "serviceaccount": map[string]string{"name": account, "uid": "uid-of-" + account},
		},
	})
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// review answers a TokenReview of authentication.k8s.io/v1: it knows the tokens by their signature.
func (c *cluster) review(w http.ResponseWriter, r *http.Request) {
	var review struct {
		Spec struct {
			Token string `json:"token"`
		} `json:"spec"`
	}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	c.reviews.Add(1)
	status := map[string]any{"authenticated": false, "error": "the token is not this cluster's"}
	if account, ok := c.accountOf(review.Spec.Token); ok {
		status = map[string]any{"authenticated": true, "user": map[string]any{
			"username": "system:serviceaccount:staking:" + account, "uid": "uid-of-" + account,
			"groups": []string{"system:serviceaccounts", "system:serviceaccounts:staking"},
		}, "audiences": []string{"vault"}}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
}

func (c *cluster) accountOf(token string) (account string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(&c.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return "", false
	}
	var claims struct {
		Kubernetes struct {
			ServiceAccount struct {
				Name string `json:"name"`
			} `json:"serviceaccount"`
		} `json:"kubernetes.io"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil {
		return "", false
	}
	return claims.Kubernetes.ServiceAccount.Name, true
}

// TestKubernetesLogin logs in to Vault by its Kubernetes auth method, which asks a cluster of the test's.
func TestKubernetesLogin(t *testing.T) {
	k8s := newCluster(t)
	s := vaulttest.Start(t, &vaulttest.Options{Plugin: true, Kubernetes: true})
	mount(t, s, "dvkeys")
	require.NoError(t, s.Call("PUT", "sys/policies/acl/orchestrator", map[string]string{"policy": engineRules}, nil))
	require.NoError(t, s.Call("POST", "sys/auth/cluster-1", map[string]string{"type": "kubernetes"}, nil))
	require.NoError(t, s.Call("PUT", "auth/cluster-1/config", map[string]any{
		"kubernetes_host": k8s.URL, "kubernetes_ca_cert": k8s.authority(), "disable_local_ca_jwt": true,
	}, nil))
	require.NoError(t, s.Call("PUT", "auth/cluster-1/role/orchestrator", map[string]any{
		"bound_service_account_names": "orchestrator", "bound_service_account_namespaces": "staking", "audience": "vault",
		"token_policies": "orchestrator", "token_no_default_policy": true, "token_ttl": "2s", "token_max_ttl": "4s",
	}, nil))

	file := filepath.Join(t.TempDir(), "token")
	put := func(token string) { require.NoError(t, os.WriteFile(file, []byte(token), 0o644)) }
	c := vault.Config{Address: s.Address, Auth: vault.Kubernetes("orchestrator", &vault.KubernetesOptions{Mount: "cluster-1", JWTFile: file})}
	for name, token := range map[string]string{
		"another account":   k8s.issue(t, "web", time.Now().Add(time.Hour)),
		"another cluster's": newCluster(t).issue(t, "orchestrator", time.Now().Add(time.Hour)),
		"expired":           k8s.issue(t, "orchestrator", time.Now().Add(-10*time.Minute)),
		"no token":          "token",
	} {
		put(token)
		_, err := vault.Open(t.Context(), c)
		require.ErrorIs(t, err, hsm.ErrAuth, name)
		require.NotContains(t, err.Error(), token, name)
	}

	put(k8s.issue(t, "orchestrator", time.Now().Add(time.Hour)))
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	k, err := b.Generate(t.Context(), "validator-1")
	require.NoError(t, err)

	// The token is renewed, then its time is over, and the kubelet has put another service account token there.
	before := k8s.reviews.Load()
	put(k8s.issue(t, "orchestrator", time.Now().Add(2*time.Hour)))
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		again, err := b.Open(t.Context(), k.PublicKey())
		require.NoError(t, err)
		require.Equal(t, k.PublicKey(), again.PublicKey())
	}
	require.Greater(t, k8s.reviews.Load(), before, "another login")
}
