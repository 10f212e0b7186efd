package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

// Generate implements hsm.Backend. The key is made inside Vault; this process never has it. The name in Vault is chosen
// here before the first attempt, so that a request whose answer was lost is repeated without making a second key.
func (b *Backend) Generate(ctx context.Context, label string) (hsm.Key, error) {
	if err := errors.Join(hsm.CheckLabel(label), b.session.usable(ctx)); err != nil {
		return nil, err
	}
	name := freshName()
	if label != "" {
		name = nameOf(label)
	}
	made, err := b.create(ctx, name, label)
	if err != nil {
		return nil, err
	}
	k, err := b.key(generating, made)
	if err != nil {
		return nil, err
	}
	if made.Name != name {
		return nil, nonsense(generating, "the engine answered with the key %.80q, asked for %s", made.Name, name)
	}
	if got := labelOf(made.Name, made.Label); got != label {
		return nil, &Error{Doing: generating, Fault: fmt.Sprintf("the name %s, which stands for the label %q, is that of key %s with the label %q", name, label, k.public, got), is: hsm.ErrExists}
	}
	return k, nil
}

func (b *Backend) create(ctx context.Context, name, label string) (wire.Key, error) {
	if j := b.joiners; j != nil {
		answer, err := j.keys.ask(ctx, wire.CreateKey{Name: name, Create: wire.Create{Label: label}}, 1)
		if err == nil && answer.Fault != nil {
			err = fault(generating, answer.Fault)
		}
		return answer.Key, err
	}
	var made wire.Key
	err := b.session.do(ctx, &request{doing: generating, method: http.MethodPut, path: b.mount + "/keys/" + name, body: wire.Create{Label: label}, read: into(&made)})
	return made, err
}

// Open implements hsm.Backend.
func (b *Backend) Open(ctx context.Context, pk keyshare.PublicKey) (hsm.Key, error) {
	if err := b.session.usable(ctx); err != nil {
		return nil, err
	}
	k, _, err := b.find(ctx, pk)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// find asks for the key of a public key, and returns its label too.
func (b *Backend) find(ctx context.Context, pk keyshare.PublicKey) (*key, string, error) {
	const doing = "looking a key up"
	if pk.IsZero() {
		return nil, "", &Error{Doing: doing, Fault: "the public key is missing", is: hsm.ErrNotFound}
	}
	found, err := b.read(ctx, doing, pk.String())
	if err != nil {
		return nil, "", err
	}
	k, err := b.key(doing, found)
	if err != nil {
		return nil, "", err
	}
	if k.public != pk {
		return nil, "", nonsense(doing, "the engine answered with the key %s, asked for %s", k.public, pk)
	}
	return k, labelOf(found.Name, found.Label), nil
}

// read asks for a key by its name or public key.
func (b *Backend) read(ctx context.Context, doing, name string) (found wire.Key, err error) {
	err = b.session.do(ctx, &request{doing: doing, method: http.MethodGet, path: b.mount + "/keys/" + name, read: into(&found)})
	return found, err
}

// key checks what the engine says of a key.
func (b *Backend) key(doing string, k wire.Key) (*key, error) {
	pk, err := parsePublicKey(k.PublicKey)
	if err != nil {
		return nil, nonsense(doing, "the engine answered with a key whose public key is none: %v", err)
	}
	if !enginesName.MatchString(k.Name) {
		return nil, nonsense(doing, "the engine answered with a key whose name is %.80q", k.Name)
	}
	return &key{backend: b, name: k.Name, public: pk}, nil
}

func parsePublicKey(text string) (pk keyshare.PublicKey, err error) {
	err = pk.UnmarshalText([]byte(text))
	return pk, err
}

// List implements hsm.Backend. Keys come in the order of their names.
func (b *Backend) List(ctx context.Context) iter.Seq2[keyshare.PublicKey, error] {
	return func(yield func(keyshare.PublicKey, error) bool) {
		after := ""
		for {
			page, err := b.page(ctx, after)
			if err == nil && len(page.Names) == 0 {
				return
			}
			for i := 0; err == nil && i < len(page.Names); i++ {
				if err = b.session.usable(ctx); err != nil {
					break
				}
				name := page.Names[i]
				info, known := page.Info[name]
				if known && info.PublicKey == "" {
					err = &Error{Doing: listing, Fault: fmt.Sprintf("the record of the key %.80q is damaged", name), Remedy: restore, is: hsm.ErrCorrupt}
					break
				}
				pk, perr := parsePublicKey(info.PublicKey)
				if perr != nil || name <= after {
					err = nonsense(listing, "the engine listed %.80q after %.80q, with the public key %.100q", name, after, info.PublicKey)
					break
				}
				if !yield(pk, nil) {
					return
				}
				after = name
			}
			if err != nil {
				yield(keyshare.PublicKey{}, err)
				return
			}
		}
	}
}

// page asks for the names after one. Vault's answer to a list that is empty is “not found”.
func (b *Backend) page(ctx context.Context, after string) (page wire.List, err error) {
	if err := b.session.usable(ctx); err != nil {
		return page, err
	}
	params := url.Values{"limit": {strconv.Itoa(wire.MaxPage)}}
	if after != "" {
		params.Set("after", after)
	}
	err = b.session.do(ctx, &request{doing: listing, method: "LIST", path: b.mount + "/keys", params: params, read: into(&page)})
	if errors.Is(err, hsm.ErrNotFound) {
		return wire.List{}, nil
	}
	return page, err
}

// Delete implements hsm.Backend. The key is gone from Vault's storage, and remains in backups of it.
func (b *Backend) Delete(ctx context.Context, pk keyshare.PublicKey) error {
	if err := b.session.usable(ctx); err != nil {
		return err
	}
	k, _, err := b.find(ctx, pk)
	if err != nil {
		return err
	}
	// The public key, and not the name, which may be another key's by now. That the key is not there any more can not be
	// told from this request's own success if its answer was lost.
	attempts := 0
	err = b.session.do(ctx, &request{doing: "deleting a key", method: http.MethodDelete, path: b.mount + "/keys/" + k.public.String(), sent: func() { attempts++ }})
	if attempts > 1 && errors.Is(err, hsm.ErrNotFound) {
		return nil
	}
	return err
}
