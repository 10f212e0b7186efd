package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// transitSealer seals with a key of the store, and what comes of it with a key of the transit engine.
type transitSealer struct {
	session    *session
	mount, key string
	inner      *secret.Key
	header     header

	mu      sync.Mutex
	waiting []*opening // for the next request
	busy    int        // requests on their way
}

// header is what the store keeps for the backend: which key of the transit engine is used, and under it the store's own.
type header struct {
	Version int    `json:"version"`
	Key     string `json:"transit_key"`
	Inner   string `json:"store_key"` // ciphertext of the transit engine
}

const headerVersion = 1

// innerContext is the associated data of the store's own key.
var innerContext = base64.StdEncoding.EncodeToString([]byte("dvkeys/vault store key v1"))

// openSealer opens the store's own key, or makes it for a new store.
func openSealer(ctx context.Context, s *session, mount, key string, create bool, records store.Store) (*transitSealer, error) {
	for {
		t := &transitSealer{session: s, mount: mount, key: key}
		b, err := records.Header(ctx)
		if err != nil {
			return nil, err
		}
		if b != nil {
			if err := t.decode(b); err != nil {
				return nil, err
			}
		}
		if err := checkTransitKey(ctx, s, mount, t.key, create && b == nil); err != nil {
			return nil, err
		}
		if b == nil {
			if b, err = t.newHeader(ctx); err != nil {
				return nil, err
			}
			// Read it again in any case: what counts is what is stored, by this process or another.
			if err := records.SetHeader(ctx, nil, b); err != nil && !errors.Is(err, store.ErrChanged) {
				return nil, err
			}
			continue
		}
		if t.inner, err = t.openInner(ctx); err != nil {
			return nil, err
		}
		if err := t.tryOut(ctx); err != nil {
			t.inner.Destroy()
			return nil, err
		}
		return t, nil
	}
}

func (t *transitSealer) decode(b []byte) error {
	if err := json.Unmarshal(b, &t.header); err != nil || t.header.Version != headerVersion || !plainName.MatchString(t.header.Key) {
		return &Error{Doing: "reading the store's header", Fault: fmt.Sprintf("it is not one of version %d", headerVersion),
			Remedy: "it was written by another version of this library, or by another backend", is: hsm.ErrCorrupt}
	}
	t.key = t.header.Key
	return nil
}

// newHeader makes a key for the store and has the transit engine seal it.
func (t *transitSealer) newHeader(ctx context.Context) ([]byte, error) {
	fresh, err := secret.Random(32)
	if err != nil {
		return nil, err
	}
	defer fresh.Destroy()
	// The body is made in guarded memory. The buffers of HTTP and TLS that it passes can not be wiped.
	before, after := `{"associated_data":"`+innerContext+`","plaintext":"`, `"}`
	n := base64.StdEncoding.EncodedLen(fresh.Len())
	body, err := secret.New(len(before) + n + len(after))
	if err != nil {
		return nil, err
	}
	defer body.Destroy()
	copy(body.Bytes(), before)
	base64.StdEncoding.Encode(body.Bytes()[len(before):], fresh.Bytes())
	copy(body.Bytes()[len(before)+n:], after)
	var sealed struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := t.session.do(ctx, &request{doing: "sealing the store's key", method: http.MethodPut, path: t.path("encrypt"), raw: body.Bytes(), read: into(&sealed)}); err != nil {
		return nil, err
	}
	return json.Marshal(header{headerVersion, t.key, sealed.Ciphertext})
}

func (t *transitSealer) path(operation string) string { return t.mount + "/" + operation + "/" + t.key }

// openInner has the transit engine open the store's own key.
func (t *transitSealer) openInner(ctx context.Context) (key *secret.Key, err error) {
	body := map[string]string{"associated_data": innerContext, "ciphertext": t.header.Inner}
	err = t.session.do(ctx, &request{doing: "opening the store's key", method: http.MethodPut, path: t.path("decrypt"), body: body, read: func(r io.Reader) error {
		plain, err := readPlaintext(r)
		if err != nil {
			return err
		}
		defer plain.Destroy()
		key, err = secret.TakeKey(plain.Bytes())
		return err
	}})
	if e := (*Error)(nil); errors.As(err, &e) && e.Status == http.StatusBadRequest {
		e.is, e.Remedy = hsm.ErrCorrupt, "restore the store's header from a copy, or the transit key from Vault's backup"
	}
	return key, err
}

// maxPlaintext bounds an answer with one plaintext, in bytes.
const maxPlaintext = 8 << 10

// readPlaintext reads the plaintext of an answer of the transit engine, without a copy in ordinary memory.
func readPlaintext(r io.Reader) (*secret.Buffer, error) {
	room, err := secret.New(maxPlaintext)
	if err != nil {
		return nil, err
	}
	defer room.Destroy()
	n, err := io.ReadFull(r, room.Bytes())
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("vault: an answer of %d bytes or more, or none", maxPlaintext)
	}
	// Base64 has no character that JSON escapes, and a quote in any other string is escaped, so this is the field.
	_, rest, found := bytes.Cut(room.Bytes()[:n], []byte(`"plaintext":"`))
	encoded, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return nil, errors.New("vault: an answer without a plaintext")
	}
	plain, err := secret.New(base64.StdEncoding.DecodedLen(len(encoded)))
	if err != nil {
		return nil, err
	}
	defer plain.Destroy()
	n, err = base64.StdEncoding.Decode(plain.Bytes(), encoded)
	if err != nil {
		return nil, errors.New("vault: an answer whose plaintext is not base64")
	}
	return secret.Copy(plain.Bytes()[:n])
}

// check opens the store's own key once more.
func (t *transitSealer) check(ctx context.Context) error {
	key, err := t.openInner(ctx)
	key.Destroy()
	return err
}

// tryOut sees that the engine notices when a seal is opened for something else than it was made for.
func (t *transitSealer) tryOut(ctx context.Context) error {
	probe, moved := store.Record{Label: "dvkeys/vault probe"}, store.Record{Label: "dvkeys/vault probe!"}
	content := []byte(probe.Label)
	sealed, err := t.seal(ctx, probe, content)
	if err != nil {
		return err
	}
	probe.Sealed, moved.Sealed = sealed, sealed
	plain, err := t.Open(ctx, probe)
	if err != nil {
		return err
	}
	defer plain.Destroy()
	got, err := t.Open(ctx, moved)
	got.Destroy()
	if !bytes.Equal(plain.Bytes(), content) || !errors.Is(err, hsm.ErrCorrupt) {
		return &Error{Doing: "trying out transit key " + t.key, Fault: "it does not seal what it is given to what it is given for", Remedy: "see that transit is Vault's own engine", is: hsm.ErrDenied}
	}
	return nil
}

// recordContext is what the seal of a record is bound to.
func recordContext(r store.Record) []byte {
	context := append([]byte("dvkeys/envelope key record v1\x00"), r.PublicKey[:]...)
	return append(context, r.Label...)
}

// Seal implements envelope.Sealer.
func (t *transitSealer) Seal(ctx context.Context, r store.Record, k *keyshare.SecretKey) (sealed []byte, err error) {
	err = k.Use(func(plain []byte) error {
		sealed, err = t.seal(ctx, r, plain)
		return err
	})
	return sealed, err
}

func (t *transitSealer) seal(ctx context.Context, r store.Record, plain []byte) ([]byte, error) {
	context := recordContext(r)
	inside, err := t.inner.Seal(context, plain)
	if err != nil {
		return nil, err
	}
	var sealed struct {
		Ciphertext string `json:"ciphertext"`
	}
	body := map[string][]byte{"associated_data": context, "plaintext": inside}
	if err := t.session.do(ctx, &request{doing: "sealing a key", method: http.MethodPut, path: t.path("encrypt"), body: body, read: into(&sealed)}); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(sealed.Ciphertext, "vault:v") || store.CheckSealed([]byte(sealed.Ciphertext)) != nil {
		return nil, &Error{Doing: "sealing a key", Fault: "the answer has no ciphertext", is: hsm.ErrUnavailable}
	}
	return []byte(sealed.Ciphertext), nil
}

// Open implements envelope.Sealer.
func (t *transitSealer) Open(ctx context.Context, r store.Record) (*secret.Buffer, error) {
	context := recordContext(r)
	o := &opening{ctx: ctx, item: openItem{string(r.Sealed), context}, done: make(chan struct{})}
	t.enqueue(o)
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, failure(ctx, openingKey, ctx.Err())
	}
	if o.err != nil {
		return nil, o.err
	}
	plain, err := t.inner.Open(context, o.inside)
	if errors.Is(err, secret.ErrOpen) {
		return nil, corrupt(openingKey, "the record is another store's, or was altered")
	}
	return plain, err
}
