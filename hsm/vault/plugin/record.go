package plugin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// record is a key as it is stored, in JSON.
type record struct {
	Name      string             `json:"name"`
	PublicKey keyshare.PublicKey `json:"public_key"`
	Label     string             `json:"label,omitempty"`
	Imported  bool               `json:"imported"`
	Created   time.Time          `json:"created"`
	Sealed    []byte             `json:"sealed"` // the secret, by secret.Key under the data key, in the context below
}

// context binds the ciphertext to what it is the secret of.
func (r *record) context() []byte {
	pk := r.PublicKey.Bytes()
	return append(append([]byte("dvkeys/vault key v1\x00"), pk[:]...), r.Name...)
}

func (r *record) wire() wire.Key {
	return wire.Key{Name: r.Name, PublicKey: r.PublicKey.String(), Label: r.Label}
}

func publicPath(pk keyshare.PublicKey) string {
	b := pk.Bytes()
	return publicPrefix + hex.EncodeToString(b[:])
}

var errCorrupt = errors.New("dvkeys: stored data is corrupt")

// readRecord returns the record of a name, nil if there is none.
func readRecord(ctx context.Context, s logical.Storage, name string) (*record, error) {
	entry, err := s.Get(ctx, keyPrefix+name)
	if entry == nil || err != nil {
		return nil, err
	}
	var r record
	if err := entry.DecodeJSON(&r); err != nil || r.Name != name {
		return nil, fmt.Errorf("%w: the record of %q", errCorrupt, name)
	}
	return &r, nil
}

// nameOf returns the name of the key with that public key, "" if there is none.
func nameOf(ctx context.Context, s logical.Storage, pk keyshare.PublicKey) (string, error) {
	entry, err := s.Get(ctx, publicPath(pk))
	if entry == nil || err != nil {
		return "", err
	}
	name := string(entry.Value)
	r, err := readRecord(ctx, s, name)
	if r == nil || err != nil || r.PublicKey != pk {
		return "", err // what a crash has left, between the two entries of a key
	}
	return name, nil
}

// find returns the record of a name or of a public key.
func find(ctx context.Context, s logical.Storage, name string) (*record, error) {
	if isPublicKey(name) {
		pk, err := parsePublicKey(name)
		if err != nil {
			return nil, err
		}
		text := name
		if name, err = nameOf(ctx, s, pk); err != nil {
			return nil, err
		}
		if name == "" {
			return nil, notFound("dvkeys: no key with the public key %s", text)
		}
	}
	r, err := readRecord(ctx, s, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, notFound("dvkeys: no key %q", name)
	}
	return r, nil
}

// putRecord seals a secret and stores it: durably when it returns. The entry by public key comes first; a crash after it
// leaves an entry that leads nowhere, which nameOf knows.
func (b *backend) putRecord(ctx context.Context, s logical.Storage, r *record, k *keyshare.SecretKey) error {
	data, err := b.dataKey(ctx, s)
	if err != nil {
		return err
	}
	err = k.Use(func(plain []byte) (err error) {
		r.Sealed, err = data.Seal(r.context(), plain)
		return err
	})
	if err != nil {
		return unavailable(err)
	}
	entry, err := logical.StorageEntryJSON(keyPrefix+r.Name, r)
	if err != nil {
		return err
	}
	if err := s.Put(ctx, &logical.StorageEntry{Key: publicPath(r.PublicKey), Value: []byte(r.Name)}); err != nil {
		return err
	}
	return s.Put(ctx, entry)
}

// openRecord decrypts a record and checks that it is the secret of its public key.
func (b *backend) openRecord(ctx context.Context, s logical.Storage, r *record) (*openKey, error) {
	data, err := b.dataKey(ctx, s)
	if err != nil {
		return nil, err
	}
	plain, err := data.Open(r.context(), r.Sealed)
	switch {
	case errors.Is(err, secret.ErrOpen):
		return nil, fmt.Errorf("%w: the secret of %q does not open", errCorrupt, r.Name)
	case err != nil:
		return nil, unavailable(err)
	}
	defer plain.Destroy()
	k, err := keyshare.ParseSecretKey(plain.Bytes())
	if err != nil {
		return nil, unavailable(err)
	}
	if k.PublicKey() != r.PublicKey {
		k.Destroy()
		return nil, fmt.Errorf("%w: %q holds the secret of another public key", errCorrupt, r.Name)
	}
	return &openKey{*r, k}, nil
}

// dataKey returns the key under which the secrets are encrypted. The first one of a mount is made here.
func (b *backend) dataKey(ctx context.Context, s logical.Storage) (*secret.Key, error) {
	return b.ring.dataKey(func() (*secret.Key, error) {
		entry, err := s.Get(ctx, dataKeyPath)
		if err != nil {
			return nil, err
		}
		if entry == nil {
			if entry, err = makeDataKey(ctx, s); err != nil {
				return nil, err
			}
		}
		k, err := secret.TakeKey(entry.Value) // wipes it; what Vault hands to a plugin is the plugin's own
		if err != nil {
			return nil, unavailable(err)
		}
		return k, nil
	})
}

// makeDataKey stores a new data key and reads it back. Where there are keys already one is missing, not wanted.
func makeDataKey(ctx context.Context, s logical.Storage) (*logical.StorageEntry, error) {
	names, err := s.List(ctx, keyPrefix)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("%w: the data key is missing", errCorrupt)
	}
	random, err := secret.Random(32)
	if err != nil {
		return nil, unavailable(err)
	}
	defer random.Destroy()
	entry := &logical.StorageEntry{Key: dataKeyPath, Value: append([]byte(nil), random.Bytes()...)}
	defer secret.Wipe(entry.Value)
	if err := s.Put(ctx, entry); err != nil {
		return nil, err
	}
	stored, err := s.Get(ctx, dataKeyPath)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fmt.Errorf("%w: the data key was not stored", errCorrupt)
	}
	return stored, nil
}
