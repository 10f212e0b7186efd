package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// Auth is a way to log in: AppRole, TokenFile or Kubernetes make one. It is used again whenever the token can not be
// renewed any more.
type Auth interface {
	// String says which way it is, without any secret.
	String() string

	login(ctx context.Context, s *session) (*token, error)
}

// token is what a login gives. It can do what its policies say until it expires, and is kept as the HTTP client needs it,
// in a string.
type token struct {
	value     string
	ttl       time.Duration // 0: does not expire, or it is not known when
	renewable bool
	borrowed  bool // somebody else's to renew
}

// Source supplies a credential when it is needed. What it returns is wiped after use.
type Source func() ([]byte, error)

// maxCredential bounds what is read from a file, in bytes.
const maxCredential = 16 << 10

// File reads a credential from a file of at most 16 KiB, without white space around it. A file that everybody can read is
// refused.
func File(path string) Source { return readFile(path, 0o004) }

// readFile is File for a choice of permissions that nobody may have.
func readFile(path string, forbidden os.FileMode) Source {
	return func() ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("vault: credential: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return nil, fmt.Errorf("vault: credential: %w", err)
		}
		if mode := info.Mode().Perm(); mode&forbidden != 0 {
			return nil, fmt.Errorf("vault: credential file %s has mode %04o and everybody can read it, expected 0600: chmod o= %s", path, mode, path)
		}
		b := make([]byte, maxCredential+1) // not grown while it is read, which would leave copies
		n, err := io.ReadFull(file, b)
		if err == nil {
			secret.Wipe(b)
			return nil, fmt.Errorf("vault: credential file %s has more than %d bytes", path, maxCredential)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			secret.Wipe(b)
			return nil, fmt.Errorf("vault: credential: %w", err)
		}
		return bytes.TrimSpace(b[:n]), nil
	}
}

// read returns what a source supplies, as the string that JSON and headers need.
func (s Source) read(what string) (string, error) {
	if s == nil {
		return "", fmt.Errorf("vault: %s: no source for it: %w", what, hsm.ErrAuth)
	}
	b, err := s()
	if err != nil {
		return "", fmt.Errorf("vault: %s: %w: %w", what, hsm.ErrAuth, err)
	}
	defer secret.Wipe(b)
	if len(b) == 0 || bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("vault: %s: is empty or has characters that no credential has: %w", what, hsm.ErrAuth)
	}
	return string(b), nil
}

// AppRoleOptions change how AppRole logs in. The zero value, and nil, are the defaults.
type AppRoleOptions struct {
	Mount string // where the auth method is mounted; "" stands for "approle"

	// Wrapped says that the source supplies not the secret_id but a response-wrapping token that opens to it, once. It
	// is unwrapped at the first login, after a check that it came from the AppRole of that mount. If somebody else has
	// opened it before, the login fails: revoke the secret_id, it was stolen on the way.
	Wrapped bool
}

type appRole struct {
	mount, role string
	source      Source
	wrapped     bool

	mu   sync.Mutex
	kept *secret.Box // the secret_id that was unwrapped
}

// AppRole logs in as a machine: by a role_id, which is not secret, and a secret_id.
func AppRole(roleID string, secretID Source, o *AppRoleOptions) Auth {
	a := &appRole{mount: "approle", role: roleID, source: secretID}
	if o != nil {
		a.wrapped = o.Wrapped
		if o.Mount != "" {
			a.mount = o.Mount
		}
	}
	return a
}

func (a *appRole) String() string { return "AppRole at auth/" + a.mount }

// GoString is String.
func (a *appRole) GoString() string { return a.String() }

func (a *appRole) login(ctx context.Context, s *session) (*token, error) {
	if a.role == "" {
		return nil, fmt.Errorf("vault: AppRole: no role_id: %w", hsm.ErrAuth)
	}
	id, err := a.secretID(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.login(ctx, a.mount, map[string]string{"role_id": a.role, "secret_id": id})
}

func (a *appRole) secretID(ctx context.Context, s *session) (id string, err error) {
	if !a.wrapped {
		return a.source.read("AppRole secret_id")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept != nil {
		err = a.kept.Use(func(b []byte) error {
			id = string(b)
			return nil
		})
		return id, err
	}
	wrapping, err := a.source.read("AppRole wrapped secret_id")
	if err != nil {
		return "", err
	}
	if id, err = unwrap(ctx, s, a.mount, wrapping); err != nil {
		return "", err
	}
	a.kept, err = secret.Seal([]byte(id))
	return id, err
}

// unwrap opens a response-wrapping token that holds a secret_id of an AppRole at that mount.
func unwrap(ctx context.Context, s *session, mount, wrapping string) (string, error) {
	const doing = "unwrapping the secret_id"
	stolen := func(err error) error {
		if e := (*Error)(nil); errors.As(err, &e) && e.Status/100 == 4 {
			return &Error{Doing: doing, Status: e.Status, Fault: e.Fault, is: hsm.ErrAuth,
				Remedy: "the wrapping token has expired or was used: if not by this program, the secret_id was stolen: revoke it"}
		}
		return err
	}
	var made struct {
		Path string `json:"creation_path"`
	}
	err := s.plain(ctx, &request{doing: doing, method: http.MethodPut, path: "sys/wrapping/lookup", token: wrapping, body: map[string]string{"token": wrapping}, read: into(&made)})
	if err != nil {
		return "", stolen(err)
	}
	if !strings.HasPrefix(made.Path, "auth/"+mount+"/role/") || !strings.HasSuffix(made.Path, "/secret-id") {
		return "", &Error{Doing: doing, Fault: fmt.Sprintf("the token wraps what came from %.80q, not a secret_id of auth/%s", made.Path, mount), is: hsm.ErrAuth,
			Remedy: "somebody may have exchanged it: revoke the secret_id"}
	}
	var opened struct {
		SecretID string `json:"secret_id"`
	}
	err = s.plain(ctx, &request{doing: doing, method: http.MethodPut, path: "sys/wrapping/unwrap", token: wrapping, once: true, read: into(&opened)})
	if err != nil {
		return "", stolen(err)
	}
	if opened.SecretID == "" {
		return "", &Error{Doing: doing, Fault: "the answer has no secret_id", is: hsm.ErrAuth}
	}
	return opened.SecretID, nil
}

type tokenFile struct {
	name string
	read Source
}

// TokenFile uses a token that somebody else, a Vault Agent for one, keeps in a file and renews. The file is read again
// when the token stops working. One that everybody can read is refused.
func TokenFile(path string) Auth { return tokenFile{path, File(path)} }

func (t tokenFile) String() string { return "token file " + t.name }

func (t tokenFile) login(context.Context, *session) (*token, error) {
	value, err := t.read.read("token file")
	if err != nil {
		return nil, err
	}
	return &token{value: value, borrowed: true}, nil
}

// KubernetesOptions change how Kubernetes logs in. The zero value, and nil, are the defaults.
type KubernetesOptions struct {
	Mount string // where the auth method is mounted; "" stands for "kubernetes"

	// JWTFile holds the service account's token; "" stands for where Kubernetes puts it,
	// /var/run/secrets/kubernetes.io/serviceaccount/token. It is read at each login, since Kubernetes replaces it.
	JWTFile string
}

type kubernetes struct {
	mount, role string
	jwt         Source
}

// Kubernetes logs in as the service account of the pod that this runs in.
func Kubernetes(role string, o *KubernetesOptions) Auth {
	mount, file := "kubernetes", "/var/run/secrets/kubernetes.io/serviceaccount/token"
	if o != nil && o.Mount != "" {
		mount = o.Mount
	}
	if o != nil && o.JWTFile != "" {
		file = o.JWTFile
	}
	return kubernetes{mount, role, readFile(file, 0)} // which the kubelet makes readable to all of the pod
}

func (k kubernetes) String() string { return "Kubernetes at auth/" + k.mount }

func (k kubernetes) login(ctx context.Context, s *session) (*token, error) {
	jwt, err := k.jwt.read("Kubernetes service account token")
	if err != nil {
		return nil, err
	}
	return s.login(ctx, k.mount, map[string]string{"role": k.role, "jwt": jwt})
}
