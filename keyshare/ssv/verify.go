package ssv

import (
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// VerifyOptions says what a file is expected to hold beyond being sound. A zero
// field expects nothing.
type VerifyOptions struct {
	// Owner is the account that will register the validators.
	Owner keyshare.Address
	// Nonce is the nonce of the first item; new(uint64) stands for nonce 0.
	Nonce *uint64
	// Operators are the ids and keys as known from elsewhere, in any order.
	Operators []keyshare.Operator
}

// Verify checks offline that the network will take a keyshares file as it is:
//
//   - operators: 4, 7, 10 or 13, ids between 1 and [MaxOperatorID] strictly
//     ascending, a different RSA-2048 key each, the same in every item;
//   - payload and data name the same validator and the same operators;
//   - the owner is not the zero address and is one in the whole file; nonces are
//     consecutive in the order of the file and at most [MaxNonce];
//   - no validator occurs twice;
//   - sharesData has exactly the length for its operators; its signature is the
//     validator's over owner and nonce; its share public keys are valid,
//     different, on one polynomial of the threshold's degree, and interpolate
//     to the validator's key; every ciphertext is a possible encryption to its
//     operator's key.
//
// and that it is the file that the options expect. The error is one
// *[VerifyError] for each fault, joined in the order of the file. What a
// ciphertext holds can be seen by its operator alone: see [VerifyShares].
func Verify(f *File, o *VerifyOptions) error {
	return verifyFile(f, o, func(r *faults, it *Item) { r.verify(it) })
}

// verifyFile verifies each item by itself with the given function, on all
// processors, and then the file as a whole.
func verifyFile(f *File, o *VerifyOptions, item func(r *faults, it *Item)) error {
	if o == nil {
		o = &VerifyOptions{}
	}
	items := make([]*faults, len(f.Items))
	parallel.Each(len(items), func(i int) {
		items[i] = newFaults(i)
		item(items[i], &f.Items[i])
	})
	r := newFaults(-1)
	if len(f.Items) == 0 {
		r.add("shares", "are none")
	}
	first := make(map[keyshare.PublicKey]int)
	for i, it := range f.Items {
		item := r.at(i)
		*r.list = append(*r.list, *items[i].list...)
		if j, twice := first[it.Data.PublicKey]; twice {
			item.add("data.publicKey", "is the validator of shares[%d] too", j)
		} else {
			first[it.Data.PublicKey] = i
		}
		if i > 0 {
			item.follows(&f.Items[i-1], &it)
		}
		item.expected(&it, o)
	}
	if o.Nonce != nil && len(f.Items) > 0 && f.Items[0].Data.Nonce != *o.Nonce {
		r.at(0).add("data.ownerNonce", "is %d, want %d", f.Items[0].Data.Nonce, *o.Nonce)
	}
	return r.err()
}

// verify adds the faults of an item taken by itself, and returns the group of
// its shares if they form one.
func (r *faults) verify(it *Item) (*keyshare.Group, *SharesData) {
	before := r.count()
	r.verifyData(&it.Data)
	r.verifyPayload(it)
	if r.count() > before { // the rest would speak of other keys or operators
		return nil, nil
	}
	s := r.sharesData(it.Payload.SharesData, it.Payload.OperatorIDs, "payload.sharesData")
	if s == nil {
		return nil, nil
	}
	r.verifyOwnership(&it.Data, s.Signature)
	r.verifyCiphertexts(&it.Data, s.Shares)
	return r.verifyGroup(&it.Data, s.Shares), s
}

func (r *faults) verifyData(d *Data) {
	r.cluster(d.Operators, "data.operators")
	if d.PublicKey.IsZero() {
		r.add("data.publicKey", "names no key")
	}
	if d.Owner.IsZero() {
		r.add("data.ownerAddress", "is the zero address")
	}
	if d.Nonce > MaxNonce {
		r.add("data.ownerNonce", "is %d, want at most %d", d.Nonce, uint64(MaxNonce))
	}
}

// verifyPayload compares the two halves of an item.
func (r *faults) verifyPayload(it *Item) {
	if it.Payload.PublicKey != it.Data.PublicKey {
		r.add("payload.publicKey", "is %s, want that of data, %s", it.Payload.PublicKey, it.Data.PublicKey)
	}
	ids := make([]keyshare.Index, len(it.Data.Operators))
	for i, o := range it.Data.Operators {
		ids[i] = o.ID
	}
	if !slices.Equal(ids, it.Payload.OperatorIDs) {
		r.add("payload.operatorIds", "are %s, want those of data, %s", clip(fmt.Sprint(it.Payload.OperatorIDs)), clip(fmt.Sprint(ids)))
	}
}

func (r *faults) verifyOwnership(d *Data, signature keyshare.Signature) {
	if !signature.IsZero() && !d.PublicKey.VerifyIndependent(OwnerNonceRoot(d.Owner, d.Nonce), signature) {
		r.add("payload.sharesData.signature", "is not the validator's for owner %s and nonce %d", d.Owner, d.Nonce)
	}
}

func (r *faults) verifyCiphertexts(d *Data, shares []keyshare.Sealed) {
	for i, s := range shares {
		if err := checkCiphertext(s.Ciphertext, d.Operators[i]); err != nil {
			r.add(fmt.Sprintf("payload.sharesData.ciphertexts[%d]", i), "of operator %d: %v", s.ID, err)
		}
	}
}

// verifyGroup adds the faults of the share public keys as a whole. Keys that
// did not decode have been reported.
func (r *faults) verifyGroup(d *Data, shares []keyshare.Sealed) *keyshare.Group {
	const path = "payload.sharesData.publicKeys"
	keys := make(map[keyshare.Index]keyshare.PublicKey, len(shares))
	of := make(map[keyshare.PublicKey]keyshare.Index, len(shares))
	sound := true
	for i, s := range shares {
		if s.PublicKey.IsZero() {
			sound = false
			continue
		}
		if other, ok := of[s.PublicKey]; ok {
			r.add(fmt.Sprintf("%s[%d]", path, i), "of operator %d: is that of operator %d too", s.ID, other)
			sound = false
		}
		keys[s.ID], of[s.PublicKey] = s.PublicKey, s.ID
	}
	t, err := threshold(len(shares))
	if err != nil || !sound {
		return nil
	}
	g, err := keyshare.NewGroup(t, keys)
	switch {
	case err != nil:
		r.add(path, "do not share one key of which %d sign: %s", t, cause(err))
	case g.PublicKey() != d.PublicKey:
		r.add(path, "interpolate to the key %s, want %s", g.PublicKey(), d.PublicKey)
	default:
		return g
	}
	return nil
}

// follows compares an item with the one before it.
func (r *faults) follows(before, it *Item) {
	a, b := &before.Data, &it.Data
	if a.Owner != b.Owner {
		r.add("data.ownerAddress", "is %s, and %s in the item before it", b.Owner, a.Owner)
	}
	if b.Nonce != a.Nonce+1 {
		r.add("data.ownerNonce", "is %d, want %d after the item before it", b.Nonce, a.Nonce+1)
	}
	if !sameOperators(a.Operators, b.Operators) {
		r.add("data.operators", "differ from those of the item before it")
	}
}

// expected compares an item with what the caller knows.
func (r *faults) expected(it *Item, o *VerifyOptions) {
	if !o.Owner.IsZero() && it.Data.Owner != o.Owner {
		r.add("data.ownerAddress", "is %s, want %s", it.Data.Owner, o.Owner)
	}
	if o.Operators == nil {
		return
	}
	known := make(map[keyshare.Index]keyshare.Operator, len(o.Operators))
	for _, op := range o.Operators {
		known[op.ID] = op
	}
	for i, op := range it.Data.Operators {
		want, ok := known[op.ID]
		switch {
		case !ok:
			r.add(fmt.Sprintf("data.operators[%d].id", i), "%d is not among the expected operators", op.ID)
		case !sameOperators([]keyshare.Operator{op}, []keyshare.Operator{want}):
			r.add(fmt.Sprintf("data.operators[%d].operatorKey", i), "is not the expected key of operator %d", op.ID)
		}
		delete(known, op.ID)
	}
	for _, op := range o.Operators {
		if _, absent := known[op.ID]; absent {
			r.add("data.operators", "lack the expected operator %d", op.ID)
		}
	}
}
