package plugin

import (
	"context"
	"errors"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/secret"
)

func (b *backend) keyPaths() []*framework.Path {
	return []*framework.Path{
		{
			Pattern:             "keys/?$",
			HelpSynopsis:        "The names and public keys of all keys; makes many.",
			TakesArbitraryInput: true,
			Fields: map[string]*framework.FieldSchema{
				"after": {Type: framework.TypeString, Query: true, Description: "List only names after this one."},
				"limit": {Type: framework.TypeInt, Query: true, Description: "How many; 0 and more than 1000 mean 1000."},
			},
			Operations: map[logical.Operation]framework.OperationHandler{
				logical.ListOperation:   &framework.PathOperation{Callback: b.guard(b.list), Summary: "List keys."},
				logical.UpdateOperation: b.operation(b.createMany, "Make keys, or return those of the names."),
			},
		},
		{
			Pattern:             "keys/" + namePattern,
			HelpSynopsis:        "Makes a key inside the engine; reads its public data; deletes it.",
			Fields:              nameFields,
			TakesArbitraryInput: true,
			Operations: map[logical.Operation]framework.OperationHandler{
				logical.UpdateOperation: b.operation(b.create, "Make a key, or return the one of that name."),
				logical.ReadOperation:   &framework.PathOperation{Callback: b.guard(b.read), Summary: "Read the public data of a key, by name or public key."},
				logical.DeleteOperation: b.operation(b.delete, "Delete a key, by name or public key."),
			},
		},
	}
}

func (b *backend) list(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	names, err := req.Storage.List(ctx, namePrefix)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	if after := d.Get("after").(string); after != "" {
		first, found := slices.BinarySearch(names, after)
		if found {
			first++
		}
		names = names[first:]
	}
	limit := d.Get("limit").(int)
	if limit < 1 || limit > wire.MaxPage {
		limit = wire.MaxPage
	}
	l := wire.List{Names: []string{}, Info: map[string]wire.Key{}}
	for _, name := range names {
		if len(l.Names) == limit {
			break
		}
		r, err := readRecord(ctx, req.Storage, name)
		switch {
		case errors.Is(err, errCorrupt):
			l.Names, l.Info[name] = append(l.Names, name), wire.Key{Name: name}
		case err != nil:
			return nil, err
		case r != nil: // else it was deleted meanwhile
			l.Names, l.Info[name] = append(l.Names, name), r.wire()
		}
	}
	return answer(l)
}

func (b *backend) read(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	r, err := find(ctx, req.Storage, d.Get("name").(string))
	if err != nil {
		return nil, err
	}
	return answer(r.wire())
}

func (b *backend) delete(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	found, err := find(ctx, req.Storage, d.Get("name").(string))
	if err != nil {
		return nil, err
	}
	lock := locksutil.LockForKey(b.names, found.Name)
	lock.Lock()
	defer lock.Unlock()
	r, err := readRecord(ctx, req.Storage, found.Name)
	switch {
	case err != nil:
		return nil, err
	case r == nil || r.PublicKey != found.PublicKey:
		return nil, notFound("dvkeys: no key %q", found.Name)
	}
	defer b.ring.remove(r.Name)
	keys, err := req.Storage.List(ctx, keyPrefix+r.Name+"/")
	if err != nil {
		return nil, err
	}
	for _, key := range keys { // with what a crash may have left
		if err := req.Storage.Delete(ctx, keyPrefix+r.Name+"/"+key); err != nil {
			return nil, err
		}
	}
	if err := req.Storage.Delete(ctx, publicPath(r.Name, r.PublicKey)); err != nil {
		return nil, err
	}
	return nil, req.Storage.Delete(ctx, namePrefix+r.Name)
}

// open returns a key that can sign.
func (b *backend) open(ctx context.Context, s logical.Storage, name string) (*openKey, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if k, _ := b.ring.get(name); k != nil {
		return k, nil
	}
	lock := locksutil.LockForKey(b.names, name)
	lock.RLock()
	defer lock.RUnlock()
	_, generation := b.ring.get(name)
	r, err := readRecord(ctx, s, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, notFound("dvkeys: no key %q", name)
	}
	k, err := b.openRecord(ctx, s, r)
	if err != nil {
		return nil, err
	}
	return b.ring.add(k, generation), nil
}

// use calls f with an open key, and again if the key was closed meanwhile, of which opening it anew says why. If want is
// not "", the key must have that public key.
func (b *backend) use(ctx context.Context, s logical.Storage, name, want string, f func(*openKey) error) error {
	once := func() error {
		k, err := b.open(ctx, s, name)
		if err != nil {
			return err
		}
		if k.once {
			defer k.secret.Destroy()
		}
		if want != "" && want != k.PublicKey.String() {
			return notFound("dvkeys: key %q has the public key %s, %.100q was asked for", name, k.PublicKey, want)
		}
		return f(k)
	}
	err := once()
	for again := 0; again < 2 && errors.Is(err, secret.ErrDestroyed); again++ {
		err = once()
	}
	return err
}
