package plugin

import (
	"context"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"
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
