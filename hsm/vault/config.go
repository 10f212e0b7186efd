package vault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Config says which Vault to use and how to log in to it. Address and Auth are required. Nothing is taken from the
// environment but what net/http takes of proxies: a program that wants VAULT_ADDR reads it and fills it in here. Vault's
// own client library, which is used underneath, refuses to start when one of its VAULT_ variables can not be read.
type Config struct {
	// Address is the server's URL: https, with a port if it is not 443. http is accepted for a loopback address only.
	Address string

	// Auth logs in: AppRole, TokenFile or Kubernetes make one.
	Auth Auth

	// Mount is the path where the secrets engine is mounted; "" stands for DefaultMount.
	Mount string

	// Namespace is the namespace of the mount and of the login (Vault Enterprise, OpenBao); "" for none.
	Namespace string

	// TLS says whom to trust and who to be.
	TLS TLS

	// Coalesce, unless 0, is how long a key that is to be made, split or to sign waits for others, to go into one request
	// with them: raw roots with raw roots, attestations with attestations, splits among the same operators. With many
	// concurrent calls it multiplies the rate, for at most that much latency; 1 to 5 ms are sensible. The token's policy must
	// then allow the paths without a name, such as keys, split and attestation, which take every key of the mount.
	Coalesce time.Duration

	// Patience is how long a call is repeated while Vault is sealed, restarting, or changing its leader, unless its
	// context ends before; 0 stands for 10 seconds, below 0 is no repetition.
	Patience time.Duration
}

// DefaultMount is the path where the secrets engine is mounted unless somebody chose another.
const DefaultMount = "dvkeys"

const defaultPatience = 10 * time.Second

// TLS says whom to trust and who to be, by the names of PEM files. The zero value trusts the system's authorities and
// shows no certificate. Verification can not be switched off.
type TLS struct {
	CAFile     string // certificates of the authorities that may sign the server's; "" for the system's
	CertFile   string // a certificate to show the server, with KeyFile
	KeyFile    string
	ServerName string // the name in the server's certificate, if it is not the one in the address
}

var mountPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

// checkMount returns the path of a mount without slashes around it.
func checkMount(what, mount, fallback string) (string, error) {
	mount = strings.Trim(mount, "/")
	if mount == "" {
		mount = fallback
	}
	if !mountPattern.MatchString(mount) || path.Clean(mount) != mount {
		return "", fmt.Errorf("vault: %s %.60q, expected names of letters, digits, '.', '_' and '-' with '/' between them", what, mount)
	}
	return mount, nil
}

func (c *Config) check() (err error) {
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("vault: address %.80q, expected https://host:port", redactURL(u, c.Address))
	}
	if u.User != nil {
		return errors.New("vault: the address has a user in it, expected none: see Auth")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("vault: address %s is not encrypted, expected https: http is accepted for a loopback address only", c.Address)
	}
	if c.Auth == nil {
		return errors.New("vault: no Auth, expected one of AppRole, TokenFile and Kubernetes")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("vault: TLS has one of CertFile and KeyFile, expected both or none")
	}
	if c.Coalesce < 0 || c.Coalesce > time.Second {
		return fmt.Errorf("vault: Coalesce is %v, expected 0 to 1s", c.Coalesce)
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	c.Namespace = strings.Trim(c.Namespace, "/")
	c.Mount, err = checkMount("mount", c.Mount, DefaultMount)
	return err
}

// redactURL is an address without a password that may be in it.
func redactURL(u *url.URL, address string) string {
	if u == nil || strings.Contains(address, "@") {
		return "(unreadable, or with a user in it)"
	}
	return address
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// maxIdle is how many connections are kept for the next calls.
const maxIdle = 64

// client makes the HTTP client and its pool of connections. It knows the namespace, and no token yet.
func (c *Config) client() (*api.Client, *http.Transport, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		MaxIdleConnsPerHost:   maxIdle,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	config := &api.Config{
		Address: c.Address,
		HttpClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		DisableRedirects: true,
		CheckRetry:       never,
	}
	err := config.ConfigureTLS(&api.TLSConfig{CACert: c.TLS.CAFile, ClientCert: c.TLS.CertFile, ClientKey: c.TLS.KeyFile, TLSServerName: c.TLS.ServerName})
	if err != nil {
		return nil, nil, fmt.Errorf("vault: TLS: %w", err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, nil, fmt.Errorf("vault: %w", err)
	}
	// What NewClient took from the environment.
	client.ClearToken()
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	return client, transport, nil
}
