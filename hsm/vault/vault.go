package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// Backend is a secrets engine that makes, keeps and uses keys inside Vault. It implements hsm.Backend.
type Backend struct {
	session *session
	mount   string
	info    hsm.Info
	joiners *joiners // nil without Config.Coalesce
}

// Open logs in, and finds the secrets engine and that it is one of this version's. It does not ask whether the engine can
// sign, which may need rights that the token does not have: that is Health's question.
//
// A fault is an *Error, or names the field of the configuration. It wraps hsm.ErrAuth if the login is refused;
// hsm.ErrUnavailable if Vault does not answer, is sealed, or has no such engine there or another version of it;
// hsm.ErrDenied if the token may do nothing with the mount.
func Open(ctx context.Context, c Config) (*Backend, error) {
	s, err := openSession(ctx, c)
	if err != nil {
		return nil, err
	}
	b := &Backend{session: s, mount: s.config.Mount}
	b.info = hsm.Info{Kind: "vault", Device: s.device(b.mount), Protection: hsm.Isolated}
	if c.Coalesce > 0 {
		b.joiners = newJoiners(b, c.Coalesce)
	}
	if err := b.checkEngine(ctx); err != nil {
		s.close()
		return nil, err
	}
	return b, nil
}

// device names a mount of the server.
func (s *session) device(mount string) string {
	device := strings.TrimRight(s.config.Address, "/") + "/v1/" + mount
	if s.config.Namespace != "" {
		device += " in namespace " + s.config.Namespace
	}
	return device
}

// checkEngine asks Vault what is running at the mount. Any token that may do something there may ask.
func (b *Backend) checkEngine(ctx context.Context) error {
	doing := "looking for the secrets engine at " + b.mount
	var mount struct {
		Type    string `json:"type"`
		Path    string `json:"path"`
		Running string `json:"running_plugin_version"`
	}
	err := b.session.do(ctx, &request{doing: doing, method: http.MethodGet, path: "sys/internal/ui/mounts/" + b.mount, read: into(&mount)})
	if e := (*Error)(nil); errors.As(err, &e) && e.is == hsm.ErrDenied {
		e.Fault, e.Remedy = "nothing is mounted there, or the token may do nothing with it", "mount the secrets engine, set Mount to where it is, or give the token a policy for it"
	}
	if err != nil {
		return err
	}
	if !sameLine(mount.Running, wire.Version) {
		return &Error{Doing: doing, Fault: fmt.Sprintf("a secrets engine of type %.60q runs there in version %.30q, expected %s in a version that begins with %s", mount.Type, mount.Running, wire.PluginName, line(wire.Version)),
			Remedy: "mount the plugin of this version of the library, or after an upgrade reload it: vault plugin reload", is: hsm.ErrUnavailable}
	}
	return nil
}

// line returns major and minor version: v1.2 of v1.2.3.
func line(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return version
	}
	return parts[0] + "." + parts[1]
}

func sameLine(a, b string) bool { return line(a) == line(b) && a != "" }

// Health reports whether keys can be used now: it returns nil after the secrets engine has read its configuration from
// storage and made a test signature, with the token that signing uses. The token's policy must allow to read stats. Make
// it the readiness probe of a service: that Vault answers and is unsealed does not mean that it can sign.
func (b *Backend) Health(ctx context.Context) error {
	if err := b.session.usable(ctx); err != nil {
		return err
	}
	var stats wire.Stats
	if err := b.session.do(ctx, &request{doing: "asking whether the engine can sign", method: http.MethodGet, path: b.mount + "/stats", read: into(&stats)}); err != nil {
		return err
	}
	if !sameLine(stats.Version, wire.Version) {
		return nonsense("asking whether the engine can sign", "the engine says that its version is %.30q, expected %s.x", stats.Version, line(wire.Version))
	}
	return nil
}

// Info names the server and the mount. The level is hsm.Isolated: secrets never leave Vault. Whether Vault itself keeps
// its root key in hardware can not be seen from outside, so HardwareBacked is false.
func (b *Backend) Info() hsm.Info { return b.info }

// String names the backend and its server.
func (b *Backend) String() string { return "Vault secrets engine " + b.info.Device }

// GoString is String.
func (b *Backend) GoString() string { return b.String() }

// Close ends all calls, revokes the token that the login gave, and closes the connections. The keys stay in Vault.
func (b *Backend) Close() error {
	b.session.close()
	return nil
}
