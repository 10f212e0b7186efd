package plugin

import (
	"context"
	"encoding/hex"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

func (b *backend) signPaths() []*framework.Path {
	return []*framework.Path{
		b.write("sign/"+namePattern, b.sign, "Signs raw roots with one key, if the configuration allows it."),
		b.write("sign$", b.signMany, "Signs raw roots with many keys, if the configuration allows it."),
	}
}

// rawAllowed returns an error unless raw signing is on and the number of roots is in range.
func (b *backend) rawAllowed(ctx context.Context, s logical.Storage, roots int) error {
	c, err := b.configuration(ctx, s)
	if err != nil {
		return err
	}
	switch {
	case !c.RawSigning:
		return denied("raw_signing is off")
	case roots < 1 || roots > wire.MaxRoots:
		return invalid("dvkeys: there are %d roots, 1 to %d expected", roots, wire.MaxRoots)
	}
	return nil
}

func (b *backend) sign(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.Sign
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	if err := b.rawAllowed(ctx, req.Storage, len(want.Roots)); err != nil {
		return nil, err
	}
	signed, err := b.signRoots(ctx, req.Storage, d.Get("name").(string), want)
	if err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]any{"signatures": signed.Signatures}}, nil // answer(signed), but faster
}

func (b *backend) signMany(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	var want wire.SignMany
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	roots := 0
	for i, r := range want.Requests {
		if len(r.Roots) == 0 {
			return nil, invalid("dvkeys: requests: number %d has no roots", i)
		}
		roots += len(r.Roots)
	}
	if err := b.rawAllowed(ctx, req.Storage, roots); err != nil {
		return nil, err
	}
	signed := wire.SignedMany{Results: make([]wire.SignedKey, len(want.Requests))}
	together(len(want.Requests), func(i int) {
		r := want.Requests[i]
		one, err := b.signRoots(ctx, req.Storage, r.Name, r.Sign)
		if err != nil {
			signed.Results[i].Fault = wireFault(err)
			return
		}
		signed.Results[i].Signed = one
	})
	return answer(signed)
}

// signRoots signs for one key.
func (b *backend) signRoots(ctx context.Context, s logical.Storage, name string, want wire.Sign) (signed wire.Signed, err error) {
	defer b.recovered(&err)
	roots, err := parseRoots(want.Roots)
	if err != nil {
		return wire.Signed{}, err
	}
	signed.Signatures = make([]string, len(roots))
	err = b.use(ctx, s, name, want.PublicKey, func(k *openKey) error {
		return b.chunks(ctx, len(roots), maxSigned, func(from, to int) error {
			sigs, err := k.secret.SignRoots(ctx, roots[from:to]...)
			for i, sig := range sigs {
				signed.Signatures[from+i] = signatureText(sig, want.Uncompressed)
			}
			return err
		})
	})
	if err != nil {
		return wire.Signed{}, err
	}
	b.signatures.Add(uint64(len(roots)))
	return signed, nil
}

// signatureText is a signature as the request wants it.
func signatureText(s keyshare.Signature, uncompressed bool) string {
	if !uncompressed {
		return s.String()
	}
	b := s.Uncompressed()
	return "0x" + hex.EncodeToString(b[:])
}
