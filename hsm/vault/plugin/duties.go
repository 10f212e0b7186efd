package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func (b *backend) dutyPaths() []*framework.Path {
	kinds := signer.DutyKinds()
	slices.Sort(kinds)
	kind := "(?P<kind>" + strings.Join(kinds, "|") + ")"
	field := &framework.FieldSchema{Type: framework.TypeString, Description: "The kind of duty: one of " + strings.Join(kinds, ", ") + "."}
	one := b.write(kind+"/"+namePattern, b.duties, "Signs duties of one kind, of which the engine computes the roots.")
	one.Fields = map[string]*framework.FieldSchema{"name": nameFields["name"], "kind": field}
	many := b.write(kind+"$", b.dutiesMany, "Signs duties of one kind with many keys.")
	many.Fields = map[string]*framework.FieldSchema{"kind": field}
	return []*framework.Path{one, many}
}

// judged is a duty on its way to a signature. It goes on while err is nil.
type judged struct {
	duty      signer.Duty
	root      keyshare.Root
	signer    keyshare.PublicKey
	signature keyshare.Signature
	err       error
}

func (b *backend) duties(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.Duties
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	desk, err := b.openDesk(ctx, req.Storage, d.Get("kind").(string), want.Network, len(want.Duties))
	if err != nil {
		return nil, err
	}
	list, err := desk.sign(ctx, wire.DutiesKey{Name: d.Get("name").(string), PublicKey: want.PublicKey, Duties: want.Duties})
	if err != nil {
		return nil, err
	}
	desk.verify(ctx, list)
	return answer(desk.results(list, want.Uncompressed))
}

func (b *backend) dutiesMany(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	var want wire.DutiesMany
	if err := decode(req, &want); err != nil {
		return nil, err
	}
	n := 0
	for i, r := range want.Requests {
		if len(r.Duties) == 0 {
			return nil, invalid("dvkeys: requests: number %d has no duties", i)
		}
		n += len(r.Duties)
	}
	desk, err := b.openDesk(ctx, req.Storage, d.Get("kind").(string), want.Network, n)
	if err != nil {
		return nil, err
	}
	lists, errs := make([][]judged, len(want.Requests)), make([]error, len(want.Requests))
	together(len(want.Requests), func(i int) { lists[i], errs[i] = desk.sign(ctx, want.Requests[i]) })
	desk.verify(ctx, lists...)
	results := wire.ResultsMany{Results: make([]wire.ResultsKey, len(want.Requests))}
	for i, err := range errs {
		switch {
		case err == nil:
			results.Results[i].Results = desk.results(lists[i], want.Uncompressed)
		case err.Error() == logical.ErrReadOnly.Error(): // which is all that is left of it between the processes
			return nil, logical.ErrReadOnly // the request is sent on to a node that may write
		default:
			results.Results[i].Fault = wireFault(err)
		}
	}
	return answer(results)
}

// desk is where the duties of one request are signed.
type desk struct {
	*backend
	storage logical.Storage
	config  *config
	network *signer.Network
	kind    string
}

// openDesk checks what is the same for all n duties.
func (b *backend) openDesk(ctx context.Context, s logical.Storage, kind, network string, n int) (*desk, error) {
	if n < 1 || n > wire.MaxDuties {
		return nil, invalid("dvkeys: there are %d duties, 1 to %d expected", n, wire.MaxDuties)
	}
	c, err := b.configuration(ctx, s)
	if err != nil {
		return nil, err
	}
	chain, err := c.network(network)
	if err != nil {
		return nil, err
	}
	return &desk{b, s, c, chain, kind}, nil
}

// sign signs the duties of one key.
func (d *desk) sign(ctx context.Context, want wire.DutiesKey) (list []judged, err error) {
	defer d.recovered(&err)
	err = d.use(ctx, d.storage, want.Name, want.PublicKey, func(k *openKey) error {
		list = make([]judged, len(want.Duties))
		for i, text := range want.Duties {
			list[i] = d.judge(&k.record, text)
		}
		if err := d.protect(ctx, d.storage, d.network, k.PublicKey, list); err != nil {
			return err
		}
		return d.chunks(ctx, len(list), maxSigned, func(from, to int) error { return signJudged(ctx, k, list[from:to]) })
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// signJudged signs what was judged. An error of its own stops the others, since the key or the request is gone.
func signJudged(ctx context.Context, k *openKey, list []judged) error {
	for i := range list {
		j := &list[i]
		if j.err != nil {
			continue
		}
		sigs, err := k.secret.SignRoots(ctx, j.root)
		if err != nil {
			return err
		}
		j.signer, j.signature = k.PublicKey, sigs[0]
	}
	return nil
}

// verify checks the signatures that can not be taken back, by the BLS library that did not make them, all together, and one
// by one if that fails.
func (d *desk) verify(ctx context.Context, lists ...[]judged) {
	var signed []*judged
	var claims []keyshare.Signed
	for _, list := range lists {
		for i := range list {
			if j := &list[i]; j.err == nil && irrevocable(j.duty) {
				signed, claims = append(signed, j), append(claims, keyshare.Signed{PublicKey: j.signer, Root: j.root, Signature: j.signature})
			}
		}
	}
	errs := d.verified(ctx, len(signed), func(from, to int) []error {
		errs := make([]error, to-from)
		if claims := claims[from:to]; !keyshare.VerifyBatchIndependent(claims) {
			for i, c := range claims {
				if !c.PublicKey.VerifyIndependent(c.Root, c.Signature) {
					errs[i] = errUnverified
				}
			}
		}
		return errs
	})
	for i, j := range signed {
		j.err = errs[i]
	}
}

func (d *desk) results(list []judged, uncompressed bool) wire.Results {
	results := wire.Results{Results: make([]wire.Result, len(list))}
	for i, j := range list {
		if j.err != nil {
			d.refused.Add(1)
			results.Results[i].Fault = wireFault(j.err)
			continue
		}
		d.signatures.Add(1)
		results.Results[i].Signature = signatureText(j.signature, uncompressed)
	}
	return results
}

// judge decodes a duty and decides whether the configuration and the network allow it.
func (d *desk) judge(k *record, text json.RawMessage) (j judged) {
	if j.duty, j.err = signer.DecodeDuty(text); j.err != nil {
		return judged{err: invalid("%v", j.err)}
	}
	var typed struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &typed); err != nil || typed.Type != d.kind {
		return judged{err: invalid("dvkeys: the duty is of type %q, this path takes %q", typed.Type, d.kind)}
	}
	if err := d.config.allows(j.duty, k); err != nil {
		return judged{err: err}
	}
	if j.root, j.err = signer.SigningRoot(d.network, j.duty); j.err != nil {
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
	history, err := b.readLedger(ctx, s, n, pk)
	if err != nil {
		return err
	}
	changed := false
	for i := range list {
		j := &list[i]
		if j.err != nil || !slashable(j.duty) {
			continue
		}
		added, err := history.Claim(signer.Claim{Validator: pk, Duty: j.duty, Root: j.root})
		if err != nil && !errors.Is(err, signer.ErrSlashable) {
			err = invalid("%v", err)
		}
		j.err = err
		changed = changed || added
	}
	if !changed {
		return nil
	}
	return history.write(ctx, s)
}
