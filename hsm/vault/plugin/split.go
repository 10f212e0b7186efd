package plugin

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

func (b *backend) splitPaths() []*framework.Path {
	return []*framework.Path{
		b.write("split/"+namePattern, b.split, "Shares a key among operators, each share sealed to its operator's RSA key."),
		b.write("split$", b.splitMany, "Shares many keys among the same operators."),
		b.write("seal/"+namePattern, b.seal, "Seals a key that is a share to its operator's RSA key, if the configuration allows it."),
	}
}

func (b *backend) split(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.Split
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	to, err := b.members(ctx, req.Storage, want.Threshold, want.Operators)
	if err != nil {
		return nil, err
	}
	out, err := b.splitKey(ctx, req.Storage, wire.SplitKey{Name: d.Get("name").(string), PublicKey: want.PublicKey}, want.Threshold, to)
	if err != nil {
		return nil, err
	}
	return answer(out)
}

func (b *backend) splitMany(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	var want wire.SplitMany
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	to, err := b.members(ctx, req.Storage, want.Threshold, want.Operators)
	if err != nil {
		return nil, err
	}
	if n := len(want.Requests); n < 1 || n*len(to) > wire.MaxOperators {
		return nil, invalid("dvkeys: there are %d requests for %d operators, 1 to %d expected", n, len(to), wire.MaxOperators/len(to))
	}
	split := wire.SplittedMany{Results: make([]wire.SplittedKey, len(want.Requests))}
	errs := make([]error, len(want.Requests))
	together(len(want.Requests), func(i int) {
		split.Results[i].Splitted, errs[i] = b.splitKey(ctx, req.Storage, want.Requests[i], want.Threshold, to)
	})
	for i, err := range errs {
		if err != nil && !lasting(err) {
			return nil, err
		}
		if err != nil {
			split.Results[i] = wire.SplittedKey{Fault: wireFault(err)}
		}
	}
	return answer(split)
}

// members parses the operators of a split, and checks them and the threshold.
func (b *backend) members(ctx context.Context, s logical.Storage, threshold int, operators []wire.Operator) ([]keyshare.Operator, error) {
	if len(operators) > wire.MaxOperators {
		return nil, invalid("dvkeys: there are %d operators, at most %d expected", len(operators), wire.MaxOperators)
	}
	c, err := b.configuration(ctx, s)
	if err != nil {
		return nil, err
	}
	to := make([]keyshare.Operator, len(operators))
	for i, o := range operators {
		if to[i], err = c.operator(o); err != nil {
			return nil, err
		}
	}
	if err := hsm.CheckSplit(threshold, to); err != nil {
		return nil, invalid("%v", err)
	}
	return to, nil
}

func (b *backend) splitKey(ctx context.Context, s logical.Storage, which wire.SplitKey, threshold int, to []keyshare.Operator) (out wire.Splitted, err error) {
	defer b.recovered(&err)
	var group *keyshare.Group
	var sealed []keyshare.Sealed
	err = b.use(ctx, s, which.Name, which.PublicKey, func(k *openKey) error {
		return b.compute(ctx, func() (err error) {
			group, sealed, err = hsm.Split(ctx, k.secret, threshold, to)
			return err
		})
	})
	if err != nil {
		return wire.Splitted{}, err
	}
	text, err := json.Marshal(group)
	if err != nil {
		return wire.Splitted{}, err
	}
	out = wire.Splitted{Group: string(text), Sealed: make([]wire.Sealed, len(sealed))}
	for i, s := range sealed {
		out.Sealed[i] = wireSealed(s)
	}
	return out, nil
}

func (b *backend) seal(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.Seal
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	c, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if !c.Sealing {
		return nil, denied("sealing is off")
	}
	to, err := c.operator(want.Operator)
	if err != nil {
		return nil, err
	}
	var sealed keyshare.Sealed
	err = b.use(ctx, req.Storage, d.Get("name").(string), want.PublicKey, func(k *openKey) error {
		return b.compute(ctx, func() (err error) {
			sealed, err = keyshare.SealSecret(k.secret, to)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return answer(wireSealed(sealed))
}

func wireSealed(s keyshare.Sealed) wire.Sealed {
	return wire.Sealed{ID: uint64(s.ID), PublicKey: s.PublicKey.String(), Ciphertext: s.Ciphertext}
}

// operator parses an operator, who must be one that shares may be sealed to.
func (c *config) operator(o wire.Operator) (keyshare.Operator, error) {
	parsed, err := x509.ParsePKIXPublicKey(o.PublicKey)
	if err != nil {
		return keyshare.Operator{}, invalid("dvkeys: operator %d: the public key is not in the PKIX form", o.ID)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return keyshare.Operator{}, invalid("dvkeys: operator %d: the public key is not RSA", o.ID)
	}
	to := keyshare.Operator{ID: keyshare.Index(o.ID), PublicKey: key}
	if err := to.Check(); err != nil {
		return keyshare.Operator{}, invalid("%v", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key) // in the one form, whatever o.PublicKey has
	if err != nil {
		return keyshare.Operator{}, invalid("dvkeys: operator %d: %v", o.ID, err)
	}
	sum := sha256.Sum256(der)
	if digest := hex.EncodeToString(sum[:]); !permits(c.OperatorKeys, digest) {
		return keyshare.Operator{}, denied("the RSA key of operator %d, %s, is not among operator_keys", o.ID, digest)
	}
	return to, nil
}
