package keyshare

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/shamir"
)

// Group is the public side of one threshold key: a commitment to the sharing
// polynomial, which carries the threshold, and the members' indices in ascending
// order. It is immutable and safe for concurrent use.
type Group struct {
	commitment *shamir.Commitment
	members    []Index
	keys       map[Index]PublicKey // the members' share public keys
}

// ErrGroup is returned for a group whose parts do not fit together.
var ErrGroup = errors.New("keyshare: not a threshold group")

// newGroup evaluates the commitment at each member.
func newGroup(c *shamir.Commitment, members []Index) (*Group, error) {
	if err := shamir.CheckIndices(c.Threshold(), members); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGroup, err)
	}
	g := &Group{commitment: c, members: slices.Sorted(slices.Values(members)), keys: make(map[Index]PublicKey, len(members))}
	for _, id := range members {
		p, err := c.At(id)
		if err != nil {
			return nil, fmt.Errorf("%w: public key of member %d: %w", ErrGroup, id, err)
		}
		g.keys[id] = PublicKey{p}
	}
	return g, nil
}

// NewGroup makes a group from its members' share public keys, of which there are
// at least threshold. It returns an error that wraps ErrGroup unless all of them
// lie on one polynomial of degree threshold-1.
func NewGroup(threshold int, keys map[Index]PublicKey) (*Group, error) {
	members := make([]Index, 0, len(keys))
	for id, k := range keys {
		if k.IsZero() {
			return nil, fmt.Errorf("%w: member %d has no public key", ErrGroup, id)
		}
		members = append(members, id)
	}
	slices.Sort(members)
	points := make([]bls.PublicKey, len(members))
	for i, id := range members {
		points[i] = keys[id].p
	}
	c, err := shamir.InterpolateCommitment(threshold, members, points)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGroup, err)
	}
	return newGroup(c, members)
}

// PublicKey returns the key that the members share: the validator's.
func (g *Group) PublicKey() PublicKey { return PublicKey{g.commitment.PublicKey()} }

// Threshold is the number of members whose partial signatures combine.
func (g *Group) Threshold() int { return g.commitment.Threshold() }

// Commitment returns the commitment to the sharing polynomial.
func (g *Group) Commitment() *shamir.Commitment { return g.commitment }

// Members returns the indices in ascending order.
func (g *Group) Members() []Index { return slices.Clone(g.members) }

// Member returns the public key of a member's share.
func (g *Group) Member(id Index) (PublicKey, bool) {
	k, ok := g.keys[id]
	return k, ok
}

// Equal reports whether both have the same commitment and members.
func (g *Group) Equal(other *Group) bool {
	return g.commitment.Equal(other.commitment) && slices.Equal(g.members, other.members)
}

// groupJSON is the one encoding of a group.
type groupJSON struct {
	Commitment []string `json:"commitment"` // coefficients, constant term first: 0x and 96 hex digits each
	Members    []Index  `json:"members"`    // ascending
}

// MarshalJSON encodes the group as
//
//	{"commitment":["0x…", …],"members":[1, …]}
//
// with the commitment's coefficients, constant term first, and the members'
// indices, ascending.
func (g *Group) MarshalJSON() ([]byte, error) {
	v := groupJSON{Members: g.members}
	b := g.commitment.Bytes()
	for point := range slices.Chunk(b, PublicKeySize) {
		v.Commitment = append(v.Commitment, "0x"+hex.EncodeToString(point))
	}
	return json.Marshal(v)
}

// UnmarshalJSON decodes what MarshalJSON writes and checks all of it. Members
// must stand in ascending order.
func (g *Group) UnmarshalJSON(b []byte) error {
	var v groupJSON
	if err := strictjson.Decode(b, &v); err != nil {
		return fmt.Errorf("%w: %w", ErrGroup, err)
	}
	if len(v.Commitment) > shamir.MaxThreshold {
		return fmt.Errorf("%w: %d coefficients, expected at most %d", ErrGroup, len(v.Commitment), shamir.MaxThreshold)
	}
	var points []byte
	for k, text := range v.Commitment {
		point, err := decodeHex([]byte(text), PublicKeySize)
		if err != nil {
			return fmt.Errorf("%w: coefficient %d: %w", ErrGroup, k, err)
		}
		points = append(points, point...)
	}
	c, err := shamir.ParseCommitment(points)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGroup, err)
	}
	if !slices.IsSorted(v.Members) {
		return fmt.Errorf("%w: members are not in ascending order", ErrGroup)
	}
	parsed, err := newGroup(c, v.Members)
	if err == nil {
		*g = *parsed
	}
	return err
}
