package plugin

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/secret"
)

func (b *backend) statsPaths() []*framework.Path {
	return []*framework.Path{{
		Pattern:      "stats$",
		HelpSynopsis: "Proves that the engine can sign, and counts.",
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{Callback: b.guard(b.stats), Summary: "Sign a test root and read the counts."},
		},
	}}
}

func (b *backend) stats(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	c, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if err := b.trySigning(ctx, req.Storage); err != nil {
		return nil, err
	}
	return answer(wire.Stats{
		Version: wire.Version, RawSigning: c.RawSigning,
		Signatures: b.signatures.Load(), Refused: b.refused.Load(),
	})
}

// trySigning makes a test signature with a key that is open, or else with the first.
func (b *backend) trySigning(ctx context.Context, s logical.Storage) error {
	test := func(k *openKey) error {
		return b.compute(ctx, func() error { return hsm.TestSign(ctx, k.secret) })
	}
	if k := b.ring.any(); k != nil {
		if err := test(k); !errors.Is(err, secret.ErrDestroyed) {
			return err
		}
	}
	names, err := s.List(ctx, namePrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		r, err := readRecord(ctx, s, name)
		if err != nil {
			return err
		}
		if r != nil {
			return b.use(ctx, s, name, "", test)
		}
	}
	return nil
}
