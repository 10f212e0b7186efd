package plugin

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

func (b *backend) historyPaths() []*framework.Path {
	return []*framework.Path{
		b.write("history/"+namePattern, b.importHistory, "Unites a key's history with one of another signer (EIP-3076)."),
	}
}

// importHistory never makes anything signable that was not.
func (b *backend) importHistory(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want struct {
		Network     string `json:"network"`
		Interchange string `json:"interchange"`
	}
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	c, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	network, err := c.network(want.Network)
	if err != nil {
		return nil, err
	}
	r, err := find(ctx, req.Storage, d.Get("name").(string))
	if err != nil {
		return nil, err
	}
	lock := locksutil.LockForKey(b.publics, r.PublicKey.String())
	lock.Lock()
	defer lock.Unlock()
	l, err := b.readLedger(ctx, req.Storage, network, r.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := l.Import([]byte(want.Interchange), network.GenesisValidatorsRoot(), r.PublicKey); err != nil {
		return nil, invalid("%v", err)
	}
	return nil, l.write(ctx, req.Storage)
}

// A history is kept in one entry for each process of the engine that has added to it, which no other process writes. So
// what a process that has crashed had still on its way can not undo what its successor has recorded; and whatever that
// was, no signature of it has left. The history is the union of the entries.
func historyFolder(n *signer.Network, pk keyshare.PublicKey) string {
	chain := n.GenesisValidatorsRoot()
	return historyPrefix + hex.EncodeToString(chain[:]) + "/" + hexKey(pk) + "/"
}

// ledger is a key's history on one chain, read under the lock of the public key and written under the same.
type ledger struct {
	slashing.History
	folder, process string
	own             *ownEntries
	others          []string // entries of other processes, which are in the history
}

// ownEntries remembers what this process has written, by folder, since nobody else writes it: it need not be read again. That
// an entry is still there is looked up each time, with those of others.
type ownEntries struct{ sync.Map }

func (o *ownEntries) get(folder string) *logical.StorageEntry {
	value, found := o.Load(folder)
	if !found {
		return nil
	}
	return &logical.StorageEntry{Value: value.([]byte)}
}

func (b *backend) readLedger(ctx context.Context, s logical.Storage, n *signer.Network, pk keyshare.PublicKey) (*ledger, error) {
	l := &ledger{folder: historyFolder(n, pk), process: b.process, own: &b.own}
	names, err := s.List(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var entry *logical.StorageEntry
		if name == l.process {
			entry = l.own.get(l.folder)
		}
		if entry == nil {
			entry, err = s.Get(ctx, l.folder+name)
		}
		if err != nil {
			return nil, err
		}
		if entry == nil {
			return nil, unavailable(fmt.Errorf("dvkeys: the history changed while it was read"))
		}
		var h slashing.History
		if err := h.UnmarshalBinary(entry.Value); err != nil {
			return nil, fmt.Errorf("%w: %w", errCorrupt, err)
		}
		l.Merge(&h)
		if name != l.process {
			l.others = append(l.others, name)
		}
	}
	return l, nil
}

// write stores the history, durably when it returns, and removes the entries that it makes superfluous. If one of these
// stays, or comes back, it does no harm.
func (l *ledger) write(ctx context.Context, s logical.Storage) error {
	b, err := l.MarshalBinary()
	if err != nil {
		return err
	}
	l.own.Delete(l.folder) // what is stored after an error is not known
	if err := s.Put(ctx, &logical.StorageEntry{Key: l.folder + l.process, Value: b}); err != nil {
		return err
	}
	l.own.Store(l.folder, b)
	for _, name := range l.others {
		if err := s.Delete(ctx, l.folder+name); err != nil {
			return err
		}
	}
	return nil
}
