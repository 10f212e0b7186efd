package plugin

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

func (b *backend) historyPaths() []*framework.Path {
	return []*framework.Path{
		write("history/"+namePattern, b.importHistory, "Unites a key's history with one of another signer (EIP-3076)."),
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
	h, err := readHistory(ctx, req.Storage, network, r.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := h.Import([]byte(want.Interchange), network.GenesisValidatorsRoot(), r.PublicKey); err != nil {
		return nil, invalid("%v", err)
	}
	return nil, writeHistory(ctx, req.Storage, network, r.PublicKey, h)
}

func historyPath(n *signer.Network, pk keyshare.PublicKey) string {
	chain, key := n.GenesisValidatorsRoot(), pk.Bytes()
	return historyPrefix + hex.EncodeToString(chain[:]) + "/" + hex.EncodeToString(key[:])
}

func readHistory(ctx context.Context, s logical.Storage, n *signer.Network, pk keyshare.PublicKey) (*slashing.History, error) {
	entry, err := s.Get(ctx, historyPath(n, pk))
	if err != nil {
		return nil, err
	}
	h := new(slashing.History)
	if entry == nil {
		return h, nil
	}
	if err := h.UnmarshalBinary(entry.Value); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return h, nil
}

func writeHistory(ctx context.Context, s logical.Storage, n *signer.Network, pk keyshare.PublicKey, h *slashing.History) error {
	b, err := h.MarshalBinary()
	if err != nil {
		return err
	}
	return s.Put(ctx, &logical.StorageEntry{Key: historyPath(n, pk), Value: b})
}
