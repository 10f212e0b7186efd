package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/internal/envelope"
	"github.com/claystack/dvkeys/hsm/store"
)

// TransitConfig says which key of the transit engine seals keys, and where the sealed keys are kept. The zero value is the
// key "dvkeys" of the engine at "transit", and records in KV.
type TransitConfig struct {
	Mount string // of the transit engine; "" stands for "transit"

	// Key is the name of the engine's key, of type aes256-gcm96, not exportable; "" stands for "dvkeys". A store that has
	// been used knows its own.
	Key string

	// CreateKey has OpenTransit make the key for a new store if it is not there. The token's policy must allow it.
	CreateKey bool

	// Store is where the sealed keys are kept: a file, a database. Nil stands for KV in the same Vault, so that nothing is
	// on this host's disk. The backend's Close closes it.
	Store store.Store

	// KV says where, if Store is nil.
	KV KV

	// Cache keeps the keys that are open in guarded memory, so that Vault is asked once for each. Signing then goes on
	// when Vault is sealed or its key disabled, and the level is hsm.Enveloped.
	Cache bool
}

// Transit is a store of keys that are sealed by Vault's transit engine. It implements hsm.Backend.
type Transit struct {
	*envelope.Backend
	session *session
	sealer  *transitSealer
}

// OpenTransit logs in and tries out what it will need: the attributes of the transit engine's key are checked, and the
// store's own key is opened with it. Config.Mount and Coalesce are not used: calls that come while a request is on its way
// always share the next one.
//
// Each secret is sealed twice: under a key of the store, which only this process's guarded memory has in the clear, and
// the result under the transit engine's. So no secret of a validator passes the buffers of HTTP and TLS, where it could
// not be wiped. The store's key does pass them, once when the store is opened.
//
// Faults are like those of Open; hsm.ErrDenied also if the transit key can be exported. The store is closed when
// OpenTransit fails.
func OpenTransit(ctx context.Context, c Config, t TransitConfig) (*Transit, error) {
	b, err := openTransit(ctx, c, t)
	if err != nil && t.Store != nil {
		err = errors.Join(err, t.Store.Close())
	}
	return b, err
}

func openTransit(ctx context.Context, c Config, t TransitConfig) (*Transit, error) {
	mount, err := checkMount("transit mount", t.Mount, "transit")
	if err != nil {
		return nil, err
	}
	if t.Key == "" {
		t.Key = "dvkeys"
	}
	if !plainName.MatchString(t.Key) {
		return nil, fmt.Errorf("vault: transit key %.80q, expected 1 to 64 letters, digits, '.', '_' and '-'", t.Key)
	}
	s, err := openSession(ctx, c)
	if err != nil {
		return nil, err
	}
	records := t.Store
	if records == nil {
		if records, err = newKV(s, t.KV); err != nil {
			s.close()
			return nil, err
		}
	}
	sealer, err := openSealer(ctx, s, mount, t.Key, t.CreateKey, records)
	if err != nil {
		s.close()
		return nil, err
	}
	info := hsm.Info{Kind: "vault-transit", Device: fmt.Sprintf("%s, records in %s", s.device(mount+"/keys/"+sealer.key), records), Protection: hsm.JustInTime}
	if t.Cache {
		info.Protection = hsm.Enveloped
	}
	return &Transit{envelope.New("vault", info, sealer, records, t.Cache), s, sealer}, nil
}

// Health reports whether keys can be used now: it returns nil after the transit engine has opened the store's own key,
// which takes what opening a record takes.
func (t *Transit) Health(ctx context.Context) error {
	if err := t.session.usable(ctx); err != nil {
		return err
	}
	return t.sealer.check(ctx)
}

// String names the backend and where its records are.
func (t *Transit) String() string { return "Vault transit " + t.Info().Device }

// GoString is String.
func (t *Transit) GoString() string { return t.String() }

// Close implements hsm.Backend. It wipes what this process has of secrets, closes the store and revokes the token.
func (t *Transit) Close() error {
	err := t.Backend.Close()
	t.session.close()
	t.sealer.inner.Destroy()
	return err
}

// checkTransitKey refuses a key that others can have a copy of, and makes one if wanted and none is there.
func checkTransitKey(ctx context.Context, s *session, mount, key string, create bool) error {
	doing := "looking at transit key " + key
	path := mount + "/keys/" + key
	var k struct {
		Type       string `json:"type"`
		Exportable bool   `json:"exportable"`
		Backup     bool   `json:"allow_plaintext_backup"`
		Derived    bool   `json:"derived"`
	}
	err := s.do(ctx, &request{doing: doing, method: http.MethodGet, path: path, read: into(&k)})
	if e := (*Error)(nil); errors.As(err, &e) && e.is == hsm.ErrNotFound {
		if !create {
			e.is, e.Remedy = hsm.ErrDenied, "make it: vault write -f "+path+" type=aes256-gcm96; or set CreateKey"
			return err
		}
		// Making it again, if somebody else does at the same time, changes nothing.
		err = s.do(ctx, &request{doing: "making transit key " + key, method: http.MethodPut, path: path, body: map[string]any{"type": "aes256-gcm96"}})
		if err == nil {
			err = s.do(ctx, &request{doing: doing, method: http.MethodGet, path: path, read: into(&k)})
		}
	}
	if err != nil {
		return err
	}
	refuse := func(what string) error {
		return &Error{Doing: doing, Fault: what, Remedy: "use a key of its own, made with the defaults", is: hsm.ErrDenied}
	}
	switch {
	case k.Type != "aes256-gcm96":
		return refuse(fmt.Sprintf("it is of type %.40q, expected aes256-gcm96", k.Type))
	case k.Exportable || k.Backup:
		return refuse("it can be exported")
	case k.Derived:
		return refuse("it derives a key for each context")
	}
	return nil
}
