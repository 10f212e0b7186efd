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

// record is a key as it is stored, in JSON. A record that its name does not stand for is what a crash has left; the public
// key of one that was made here was told to nobody.
type record struct {
	Name      string             `json:"name"`
	PublicKey keyshare.PublicKey `json:"public_key"`
	Label     string             `json:"label,omitempty"`
	Validator keyshare.PublicKey `json:"validator,omitzero"` // of which the secret is a share, if it is one
	Imported  bool               `json:"imported"`
	Created   time.Time          `json:"created"`
	DataKey   string             `json:"data_key"` // the id of the data key
	Sealed    []byte             `json:"sealed"`   // the secret, by secret.Key under the data key, in the context below
}

// context binds the ciphertext to what it is the secret of.
func (r *record) context() []byte {
	pk := r.PublicKey.Bytes()
	return append(append([]byte("dvkeys/vault key v1\x00"), pk[:]...), r.Name...)
}

func (r *record) wire() wire.Key {
	k := wire.Key{Name: r.Name, PublicKey: r.PublicKey.String(), Label: r.Label}
	if !r.Validator.IsZero() {
		k.Validator = r.Validator.String()
	}
	return k
}

func hexKey(pk keyshare.PublicKey) string {
	b := pk.Bytes()
	return hex.EncodeToString(b[:])
}

func recordPath(name string, pk keyshare.PublicKey) string {
	return keyPrefix + name + "/" + hexKey(pk)
}
func publicPath(name string, pk keyshare.PublicKey) string {
	return publicPrefix + hexKey(pk) + "/" + name
}

var errCorrupt = errors.New("dvkeys: stored data is corrupt")

// readRecord returns the record of the key that a name stands for, nil if there is none.
func readRecord(ctx context.Context, s logical.Storage, name string) (*record, error) {
	entry, err := s.Get(ctx, namePrefix+name)
	if entry == nil || err != nil {
		return nil, err
	}
	return readRecordOf(ctx, s, name, string(entry.Value))
}

// readRecordOf returns the record of a name and a public key in hex, nil if there is none.
func readRecordOf(ctx context.Context, s logical.Storage, name, key string) (*record, error) {
	entry, err := s.Get(ctx, keyPrefix+name+"/"+key)
	if entry == nil || err != nil {
		return nil, err
	}
	r := new(record)
	if err := entry.DecodeJSON(r); err != nil || r.Name != name || hexKey(r.PublicKey) != key {
		return nil, fmt.Errorf("%w: a record of %q", errCorrupt, name)
	}
	return r, nil
}

// storedRecord returns the record of the key that a name stands for, or else one that a crash has left of making a key of
// that name; nil if there is neither. What a crash has left of an import does not count: a key that is asked to be made must
// not be one that somebody has outside.
func storedRecord(ctx context.Context, s logical.Storage, name string) (*record, error) {
	keys, err := s.List(ctx, keyPrefix+name+"/")
	if len(keys) == 0 || err != nil {
		return nil, err
	}
	if r, err := readRecord(ctx, s, name); r != nil || err != nil {
		return r, err
	}
	for _, key := range keys {
		if r, err := readRecordOf(ctx, s, name, key); err != nil || r != nil && !r.Imported {
			return r, err
		}
	}
	return nil, nil
}

// nameOf returns the name of the key with that public key, "" if there is none.
func nameOf(ctx context.Context, s logical.Storage, pk keyshare.PublicKey) (string, error) {
	names, err := s.List(ctx, publicPrefix+hexKey(pk)+"/")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		r, err := readRecord(ctx, s, name)
		if err != nil {
			return "", err
		}
		if r != nil && r.PublicKey == pk {
			return name, nil
		}
	}
	return "", nil
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

// newRecord seals a secret and stores it, durably when it returns, with no name that stands for it yet. The entry by public
// key comes first; a crash after it leaves an entry that leads nowhere, which nameOf knows.
func (b *backend) newRecord(ctx context.Context, s logical.Storage, r *record, k *keyshare.SecretKey) error {
	var err error
	if r.DataKey, err = b.ring.currentID(func() (string, error) { return currentDataKey(ctx, s) }); err != nil {
		return err
	}
	data, err := b.dataKey(ctx, s, r.DataKey)
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
	if err := s.Put(ctx, &logical.StorageEntry{Key: publicPath(r.Name, r.PublicKey)}); err != nil {
		return err
	}
	entry, err := logical.StorageEntryJSON(recordPath(r.Name, r.PublicKey), r)
	if err != nil {
		return err
	}
	return s.Put(ctx, entry)
}

// openRecord decrypts a record and checks that it is the secret of its public key.
func (b *backend) openRecord(ctx context.Context, s logical.Storage, r *record) (*openKey, error) {
	data, err := b.dataKey(ctx, s, r.DataKey)
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
	return &openKey{record: *r, secret: k}, nil
}

// dataKey returns a key under which secrets are encrypted.
func (b *backend) dataKey(ctx context.Context, s logical.Storage, id string) (*secret.Key, error) {
	return b.ring.dataKey(id, func() (*secret.Key, error) {
		entry, err := s.Get(ctx, dataKeyPrefix+id)
		if err != nil {
			return nil, err
		}
		if entry == nil || len(entry.Value) != 32 {
			return nil, fmt.Errorf("%w: the data key %.40q is missing", errCorrupt, id)
		}
		k, err := secret.TakeKey(entry.Value) // wipes it; what Vault hands to a plugin is the plugin's own
		if err != nil {
			return nil, unavailable(err)
		}
		return k, nil
	})
}

// currentDataKey returns the id of the data key for new records. The first one of a mount is made here; of several, which
// a crash may have left, the first is taken.
func currentDataKey(ctx context.Context, s logical.Storage) (id string, err error) {
	ids, err := s.List(ctx, dataKeyPrefix)
	if err != nil {
		return "", err
	}
	if len(ids) > 0 {
		return ids[0], nil
	}
	random, err := secret.Random(32)
	if err != nil {
		return "", unavailable(err)
	}
	defer random.Destroy()
	id = randomID()
	entry := &logical.StorageEntry{Key: dataKeyPrefix + id, Value: append([]byte(nil), random.Bytes()...)}
	defer secret.Wipe(entry.Value)
	if err := s.Put(ctx, entry); err != nil {
		return "", err
	}
	return id, nil
}
