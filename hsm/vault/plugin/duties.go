package plugin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

func (b *backend) dutyPaths() []*framework.Path {
	kinds := signer.DutyKinds()
	slices.Sort(kinds)
	p := write("(?P<kind>"+strings.Join(kinds, "|")+")/"+namePattern, b.duties, "Signs duties of one kind, of which the engine computes the roots.")
	p.Fields = map[string]*framework.FieldSchema{
		"name": nameFields["name"],
		"kind": {Type: framework.TypeString, Description: "The kind of duty: one of " + strings.Join(kinds, ", ") + "."},
	}
	return []*framework.Path{p}
}

// judged is a duty on its way to a signature.
type judged struct {
	duty      signer.Duty
	root      keyshare.Root
	signature keyshare.Signature
	err       error
}

func (b *backend) duties(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.Duties
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	if n := len(want.Duties); n < 1 || n > wire.MaxDuties {
		return nil, invalid("dvkeys: there are %d duties, 1 to %d expected", n, wire.MaxDuties)
	}
	c, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	network, err := c.network(want.Network)
	if err != nil {
		return nil, err
	}
	list := make([]judged, len(want.Duties))
	err = b.use(ctx, req.Storage, d.Get("name").(string), want.PublicKey, func(k *openKey) error {
		for i, text := range want.Duties {
			list[i] = judge(c, network, k.PublicKey, d.Get("kind").(string), text)
		}
		if err := b.protect(ctx, req.Storage, network, k.PublicKey, list); err != nil {
			return err
		}
		return b.each(ctx, len(list), func(i int) error { return b.signDuty(ctx, k, &list[i]) })
	})
	if err != nil {
		return nil, err
	}
	results := wire.Results{Results: make([]wire.Result, len(list))}
	for i, j := range list {
		if j.err != nil {
			b.refused.Add(1)
			results.Results[i].Fault = wireFault(j.err)
			continue
		}
		b.signatures.Add(1)
		results.Results[i].Signature = j.signature.String()
	}
	return answer(results)
}

// judge decodes a duty and decides whether the configuration and the network allow it.
func judge(c *config, n *signer.Network, pk keyshare.PublicKey, kind string, text json.RawMessage) (j judged) {
	if j.duty, j.err = signer.DecodeDuty(text); j.err != nil {
		return judged{err: invalid("%v", j.err)}
	}
	var typed struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &typed); err != nil || typed.Type != kind {
		return judged{err: invalid("dvkeys: the duty is of type %q, this path takes %q", typed.Type, kind)}
	}
	if err := c.allows(j.duty, pk); err != nil {
		return judged{err: err}
	}
	if j.root, j.err = signer.SigningRoot(n, j.duty); j.err != nil {
		return judged{err: invalid("%v", j.err)}
	}
	return j
}

// slashable reports whether two of these duties can contradict each other.
func slashable(d signer.Duty) bool {
	switch d.(type) {
	case signer.Attestation, signer.Block:
		return true
	}
	return false
}

// irrevocable reports whether a signature of the duty can not be taken back.
func irrevocable(d signer.Duty) bool {
	switch d.(type) {
	case signer.Deposit, signer.VoluntaryExit, signer.BLSToExecutionChange, signer.ValidatorRegistration, signer.OwnerNonce:
		return true
	}
	return false
}

// protect checks the slashable duties against the key's history and records them. When it returns no error, the record of
// each duty without an error is durable.
func (b *backend) protect(ctx context.Context, s logical.Storage, n *signer.Network, pk keyshare.PublicKey, list []judged) error {
	if !slices.ContainsFunc(list, func(j judged) bool { return j.err == nil && slashable(j.duty) }) {
		return nil
	}
	lock := locksutil.LockForKey(b.publics, pk.String())
	lock.Lock()
	defer lock.Unlock()
	h, err := readHistory(ctx, s, n, pk)
	if err != nil {
		return err
	}
	changed := false
	for i := range list {
		j := &list[i]
		if j.err != nil || !slashable(j.duty) {
			continue
		}
		added, err := h.Claim(j.duty, j.root)
		if err != nil && !errors.Is(err, signer.ErrSlashable) {
			err = invalid("%v", err)
		}
		j.err = err
		changed = changed || added
	}
	if !changed {
		return nil
	}
	return writeHistory(ctx, s, n, pk, h)
}

// signDuty signs what was judged. An error of its own stops the others, since the key or the request is gone.
func (b *backend) signDuty(ctx context.Context, k *openKey, j *judged) (err error) {
	if j.err != nil {
		return nil
	}
	if j.signature, err = signRoot(ctx, k, j.root); err != nil {
		return err
	}
	if irrevocable(j.duty) && !k.PublicKey.VerifyIndependent(j.root, j.signature) {
		return errors.New("dvkeys: a signature was made that does not verify")
	}
	return nil
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
