package keyshare

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/shamir"
)

// Share is one member's secret of a group, with the group. It signs partial
// signatures, which verify under the share's own public key. It prints as that
// public key.
type Share struct {
	guarded
	index Index
	group *Group
}

// Index returns the member's index.
func (s *Share) Index() Index { return s.index }

// Group returns the group whose secret this is a share of.
func (s *Share) Group() *Group { return s.group }

// Destroy wipes the secret; every later use is an error. It may be called again, and
// on a nil share.
func (s *Share) Destroy() {
	if s != nil {
		s.scalar.Destroy()
	}
}

// Split shares a key among the members so that any threshold of them can sign
// with it and fewer learn nothing of it. Members are 1 to 2^64-1 and distinct, and
// at least threshold many; a threshold below 2 is refused, since it would hand
// each member the whole key. The shares stand in the order of the members; each has
// been checked against the group. The caller destroys key and shares.
func Split(k *SecretKey, threshold int, members []Index) (*Group, []*Share, error) {
	if threshold < 2 {
		return nil, nil, fmt.Errorf("keyshare: threshold %d, expected at least 2: with 1 every share is the whole key", threshold)
	}
	parts, commitment, err := shamir.Split(k.scalar, threshold, members)
	if err != nil {
		return nil, nil, fmt.Errorf("keyshare: %w", err)
	}
	group, err := newGroup(commitment, members)
	if err == nil && group.PublicKey() != k.public {
		err = errors.New("keyshare: the commitment is not to the key that was split")
	}
	if err != nil {
		for _, p := range parts {
			p.Destroy()
		}
		return nil, nil, err
	}
	shares := make([]*Share, len(parts))
	for i, p := range parts {
		public, _ := group.Member(p.Index) // which shamir.Split checked to be the value's
		shares[i] = &Share{guarded: guarded{p.Value, public}, index: p.Index, group: group}
	}
	return group, shares, nil
}
