package ssv

import (
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
)

// NewItem puts together what was made for one validator:
//
//   - g, the group of its shares, with the threshold of [Threshold];
//   - sealed, every share encrypted to its operator, and operators, both in
//     ascending order of ids and both the group's members exactly;
//   - owner, nonce and ownership, the validator's signature over
//     [OwnerNonceRoot] of the two.
//
// All that [Verify] asks of an item is checked here, the signature included, so
// that nothing faulty is ever returned. The error is one *[VerifyError] for each
// fault, joined, with index -1.
func NewItem(g *keyshare.Group, sealed []keyshare.Sealed, operators []keyshare.Operator, owner keyshare.Address, nonce uint64, ownership keyshare.Signature) (*Item, error) {
	r := newFaults(-1)
	if g == nil {
		r.add("data.publicKey", "no group is given")
		return nil, r.err()
	}
	d := Data{Nonce: nonce, Owner: owner, PublicKey: g.PublicKey(), Operators: slices.Clone(operators)}
	r.verifyData(&d)
	r.verifySealed(g, sealed, operators)
	if err := r.err(); err != nil {
		return nil, err
	}
	r.verifyCiphertexts(&d, sealed)
	if ownership.IsZero() {
		r.add("payload.sharesData.signature", "is missing")
	}
	r.verifyOwnership(&d, ownership)
	if err := r.err(); err != nil {
		return nil, err
	}
	blob, err := (&SharesData{ownership, sealed}).Bytes()
	if err != nil {
		return nil, err
	}
	p := Payload{PublicKey: d.PublicKey, SharesData: blob}
	for _, o := range operators {
		p.OperatorIDs = append(p.OperatorIDs, o.ID)
	}
	return &Item{d, p}, nil
}

// verifySealed compares the shares with the group and the operators.
func (r *faults) verifySealed(g *keyshare.Group, sealed []keyshare.Sealed, operators []keyshare.Operator) {
	const path = "payload.sharesData"
	if len(sealed) != len(operators) || len(g.Members()) != len(operators) {
		r.add(path, "%d shares of a group of %d for %d operators", len(sealed), len(g.Members()), len(operators))
		return
	}
	if t, err := threshold(len(operators)); err == nil && g.Threshold() != t {
		r.add(path, "the group's threshold is %d, want %d of %d", g.Threshold(), t, len(operators))
	}
	for i, s := range sealed {
		at := fmt.Sprintf("%s.publicKeys[%d]", path, i)
		switch key, member := g.Member(s.ID); {
		case s.ID != operators[i].ID:
			r.add(at, "is a share of operator %d, want %d", s.ID, operators[i].ID)
		case !member:
			r.add(at, "operator %d is no member of the group", s.ID)
		case s.PublicKey != key:
			r.add(at, "of operator %d: is %s, want the group's %s", s.ID, s.PublicKey, key)
		}
	}
}
