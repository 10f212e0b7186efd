package keyshare

import (
	"fmt"

	"github.com/claystack/dvkeys/shamir"
)

// GroupOf returns the group whose sharing polynomial c commits to. It fails with
// ErrGroup if there are fewer members than the threshold, one of them is 0, or two
// are equal.
func GroupOf(c *shamir.Commitment, members []Index) (*Group, error) { return newGroup(c, members) }

// NewShare returns the share of a member of the group from its secret, 32 big-endian
// bytes in guarded memory, which it copies and the caller wipes. It fails with
// ErrSecretKey for bytes that are no secret, and with an error that wraps ErrGroup if
// the secret is not the one that the group says the member has.
func NewShare(g *Group, member Index, secret []byte) (*Share, error) {
	want, ok := g.Member(member)
	if !ok {
		return nil, fmt.Errorf("%w: %d is not a member", ErrGroup, member)
	}
	k, err := ParseSecretKey(secret)
	if err != nil {
		return nil, err
	}
	if k.public != want {
		k.Destroy()
		return nil, fmt.Errorf("%w: the secret of member %d does not lie on the group's polynomial", ErrGroup, member)
	}
	return &Share{guarded: k.guarded, index: member, group: g}, nil
}
