package keyshare

import (
	"fmt"
	"maps"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/shamir"
)

// CombineError says why partial signatures do not combine.
type CombineError struct {
	Need int     // the threshold
	Have int     // partial signatures that are good, or were not found bad
	Bad  []Index // members whose partial signature is bad, ascending
}

func (e *CombineError) Error() string {
	if len(e.Bad) == 0 {
		return fmt.Sprintf("keyshare: %d partial signatures, expected at least %d", e.Have, e.Need)
	}
	return fmt.Sprintf("keyshare: bad partial signatures of members %d; %d good ones, expected at least %d", e.Bad, e.Have, e.Need)
}

// Combine makes the group's signature of the root from its members' partial
// signatures, of which it takes the first threshold in ascending order of index.
//
// The result is verified before it is returned. If it is wrong, each partial
// signature is verified, and the [*CombineError] names the bad ones; while Have
// is at least Need, a call without those succeeds. Partial signatures of members
// that the group does not have are an error.
func (g *Group) Combine(root Root, partials map[Index]Signature) (Signature, error) {
	return combine(g, root, partials, func(w *bls.Weights, chosen []Signature) (bls.Signature, error) {
		points := make([]bls.Signature, len(chosen))
		for i, s := range chosen {
			if s.IsZero() {
				return bls.Signature{}, ErrSignature
			}
			points[i] = s.p
		}
		return w.CombineSignatures(points)
	}, func(s Signature) (Signature, error) { return s, nil })
}

// CombineBytes is Combine over partial signatures as they arrive: 96 bytes each,
// compressed. It is faster than parsing them first, since it makes the subgroup
// check, most of the cost of decoding, only of the combined signature.
func (g *Group) CombineBytes(root Root, partials map[Index][]byte) (Signature, error) {
	return combine(g, root, partials, (*bls.Weights).CombineWire, ParseSignature)
}

// combine does what Combine says for partial signatures in either form: sum adds
// them by their weights, parse decodes and checks one.
func combine[P any](g *Group, root Root, partials map[Index]P, sum func(*bls.Weights, []P) (bls.Signature, error), parse func(P) (Signature, error)) (Signature, error) {
	members := slices.Sorted(maps.Keys(partials))
	for _, id := range members {
		if _, ok := g.keys[id]; !ok {
			return Signature{}, fmt.Errorf("keyshare: partial signature of %d, who is not a member of the group", id)
		}
	}
	need := g.Threshold()
	if len(members) < need {
		return Signature{}, &CombineError{Need: need, Have: len(members)}
	}
	chosen := make([]P, need)
	for i, id := range members[:need] {
		chosen[i] = partials[id]
	}
	w, err := shamir.Weights(members[:need])
	if err != nil {
		return Signature{}, fmt.Errorf("keyshare: %w", err)
	}
	hash := bls.HashRoot(root)
	if combined, err := sum(w, chosen); err == nil && bls.Verify(g.commitment.PublicKey(), hash, combined) {
		return Signature{combined}, nil
	}
	failed := &CombineError{Need: need}
	for _, id := range members {
		if s, err := parse(partials[id]); err == nil && bls.Verify(g.keys[id].p, hash, s.p) {
			failed.Have++
		} else {
			failed.Bad = append(failed.Bad, id)
		}
	}
	return Signature{}, failed
}
