package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

func (b *backend) create(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	m := &making{name: d.Get("name").(string)}
	var want wire.Create
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	m.label = want.Label
	b.make(ctx, req.Storage, []*making{m})
	return m.answer()
}

func (b *backend) createMany(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	var want wire.CreateMany
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	if n := len(want.Requests); n < 1 || n > wire.MaxKeys {
		return nil, invalid("dvkeys: there are %d requests, 1 to %d expected", n, wire.MaxKeys)
	}
	var list []*making
	named := map[string]*making{}
	for _, r := range want.Requests {
		if named[r.Name] == nil {
			named[r.Name] = &making{name: r.Name, label: r.Label}
			list = append(list, named[r.Name])
		}
	}
	b.make(ctx, req.Storage, list)
	made := wire.CreatedMany{Results: make([]wire.CreatedKey, len(want.Requests))}
	for i, r := range want.Requests {
		m := named[r.Name]
		switch {
		case m.err == nil:
			made.Results[i].Key = m.stored.wire()
		case lasting(m.err):
			made.Results[i].Fault = wireFault(m.err)
		default:
			return nil, m.err
		}
	}
	return answer(made)
}

// making is a key on its way into the storage. It goes on while err is nil.
type making struct {
	name, label string
	stored      *record
	generation  uint64   // of the ring, before the record was read
	key         *openKey // as read back from storage
	err         error
}

func (m *making) answer() (*logical.Response, error) {
	if m.err != nil {
		return nil, m.err
	}
	return answer(m.stored.wire())
}

// make makes the key of each name, all distinct, or finds the one that the name has.
func (b *backend) make(ctx context.Context, s logical.Storage, list []*making) {
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.name
	}
	for _, lock := range locksutil.LocksForKeys(b.names, names) {
		lock.Lock()
		defer lock.Unlock()
	}
	b.advance(list, func(m *making) error { return b.store(ctx, s, m) })
	b.publish(ctx, s, list)
}

// advance takes those that go on a step further, several at a time.
func (b *backend) advance(list []*making, step func(*making) error) {
	together(len(list), func(i int) {
		m := list[i]
		if m.err != nil {
			return
		}
		defer b.recovered(&m.err)
		m.err = step(m)
	})
}

// store finds the record of the name, or makes a key and its record. The caller holds the lock of the name.
func (b *backend) store(ctx context.Context, s logical.Storage, m *making) (err error) {
	if err := checkName(m.name); err != nil {
		return err
	}
	if err := hsm.CheckLabel(m.label); err != nil {
		return invalid("%v", err)
	}
	if m.stored, err = storedRecord(ctx, s, m.name); m.stored != nil || err != nil {
		return err
	}
	k, err := keyshare.Generate()
	if err != nil {
		return unavailable(err)
	}
	defer k.Destroy()
	m.stored = &record{Name: m.name, PublicKey: k.PublicKey(), Label: m.label, Created: time.Now().UTC()}
	return b.newRecord(ctx, s, m.stored, k)
}

// publish lets the names stand for stored keys, each after the key, as read back from storage, has made a test signature.
// The caller holds the locks of the names.
func (b *backend) publish(ctx context.Context, s logical.Storage, list []*making) {
	b.advance(list, func(m *making) error { return b.readBack(ctx, s, m) })
	b.testSign(ctx, list)
	b.advance(list, func(m *making) error {
		return s.Put(ctx, &logical.StorageEntry{Key: namePrefix + m.stored.Name, Value: []byte(hexKey(m.stored.PublicKey))})
	})
	for _, m := range list {
		if m.key != nil && (m.err != nil || b.ring.add(m.key, m.generation).once) {
			m.key.secret.Destroy()
		}
	}
}

func (b *backend) readBack(ctx context.Context, s logical.Storage, m *making) (err error) {
	_, m.generation = b.ring.get(m.stored.Name)
	stored, err := readRecordOf(ctx, s, m.stored.Name, hexKey(m.stored.PublicKey))
	if err != nil {
		return err
	}
	if stored == nil {
		return fmt.Errorf("%w: the record of %q was not stored", errCorrupt, m.stored.Name)
	}
	m.stored = stored
	m.key, err = b.openRecord(ctx, s, stored)
	return err
}

// testSign has each key make a test signature.
func (b *backend) testSign(ctx context.Context, list []*making) {
	var open []*making
	var keys []keyshare.Key
	for _, m := range list {
		if m.err == nil {
			open, keys = append(open, m), append(keys, m.key.secret)
		}
	}
	errs := b.verified(ctx, len(open), func(from, to int) []error { return hsm.TestSignAll(ctx, keys[from:to]...) })
	for i, m := range open {
		m.err = errs[i]
	}
}
