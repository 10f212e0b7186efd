package dkg

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
)

// MinGap is how many epochs lie at least between the first epoch in which the old
// generation does not sign any more and the first in which the new one does. In these
// the validator does not sign at all, so that nothing that the old members signed last
// is still on its way.
const MinGap = 2

// Activation is the agreement of a validator's old members to hand over to the next
// generation at certain epochs. It counts with a signature by the validator's key of
// its Root, which at least a threshold of the old members must make with their old
// shares: see Generations.Sign.
type Activation struct {
	Key     keyshare.PublicKey `json:"key"`     // the validator's
	From    Session            `json:"from"`    // hash of the old generation's Lineage
	To      Session            `json:"to"`      // hash of the new one's
	Stop    uint64             `json:"stop"`    // first epoch in which the old generation does not sign
	Start   uint64             `json:"start"`   // first epoch in which the new one does; at least Stop + MinGap
	History Session            `json:"history"` // SHA-256 of the validator's slashing history (EIP-3076) that the new members begin with
}

// Root returns what the validator's key signs. It is a hash under a tag of this
// protocol and no signing root of the consensus layer.
func (a *Activation) Root() keyshare.Root {
	return tagHash(tagActivate, pointOf(a.Key), a.From[:], a.To[:], be64(a.Stop), be64(a.Start), a.History[:])
}

// ErrGeneration is returned when no generation may sign, or not the one asked for.
var ErrGeneration = errors.New("dkg: this generation of the key may not sign")

// Generations decides, for one validator key on one machine, which generation may sign
// when:
//
//	current   signs
//	prepared  the certificate of the next generation is complete, and its share in
//	          custody; the current one goes on signing
//	signed    this member has agreed to one activation, and will agree to no other; the
//	          current generation signs before Stop, and from then on none
//	active    the activation has the validator's signature: the new generation signs from
//	          Start on, or MinGap after this member has learned of it, if that is later
//
// The certificate alone, or messages that all are ready, never end the old generation:
// such messages can be shown to some members and not to others, and then neither group
// could sign. The activation is one signature that convinces everybody.
//
// Who has agreed stops at Stop, whether it has seen the whole signature or not, since
// others may have it and begin with the new shares. So agree early, and choose Stop far
// enough ahead that a threshold of the old members has agreed by then: while fewer have,
// those who have do not sign, and the others need to be a threshold by themselves. An
// activation can still be agreed to and completed after its Stop.
//
// Store its JSON durably after each change, before acting on it; it holds nothing
// secret. It is safe for concurrent use.
type Generations struct {
	mu sync.Mutex
	s  generations
}

type generations struct {
	Current *Lineage    `json:"current"`
	Next    *Lineage    `json:"next,omitempty"`
	Signed  *Activation `json:"signed,omitempty"`
	Active  *Activation `json:"active,omitempty"`
	First   uint64      `json:"first,omitempty"` // with Active: the first epoch of the next generation here
}

// NewGenerations begins with a generation that signs now. A new member, who had no
// share of it, begins with it too: its custody has no key for it.
func NewGenerations(current *Lineage) *Generations {
	return &Generations{s: generations{Current: current}}
}

// Prepare takes the next generation, whose certificate is complete and whose share is
// stored. Another one can take its place until this member has signed an activation.
func (g *Generations) Prepare(next *Lineage) error {
	if next == nil || next.Group == nil {
		return errors.New("dkg: the next generation is missing")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.s.Next != nil && g.s.Next.Hash() == next.Hash() {
		return nil
	}
	if g.s.Signed != nil || g.s.Active != nil {
		return errors.New("dkg: an activation of another generation is under way")
	}
	if err := g.s.checkNext(next); err != nil {
		return fmt.Errorf("dkg: %w", err)
	}
	g.s.Next = next
	return nil
}

// Propose returns an activation of the prepared generation. history is the validator's
// slashing history in the interchange format of EIP-3076, merged from those of the
// old members, which the new members import before they start. What an old member signs
// after it has given its history is missing from it; the export of package signer/slashing
// stops its signing. So let them export shortly before stop.
func (g *Generations) Propose(stop, start uint64, history []byte) (*Activation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.s.Next == nil {
		return nil, errors.New("dkg: no generation is prepared")
	}
	a := &Activation{Key: g.s.Current.Group.PublicKey(), From: g.s.Current.Hash(), To: g.s.Next.Hash(), Stop: stop, Start: start, History: sha256.Sum256(history)}
	if err := g.s.checkActivation(a); err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	return a, nil
}

// checkNext holds that a generation follows on the current one.
func (s *generations) checkNext(next *Lineage) error {
	switch {
	case next.Parent != s.Current.Hash() || next.Generation != s.Current.Generation+1:
		return fmt.Errorf("generation %d does not follow on ours, %d", next.Generation, s.Current.Generation)
	case next.Group.PublicKey() != s.Current.Group.PublicKey():
		return errors.New("the next generation is of another validator")
	}
	return nil
}

// checkActivation holds that an activation is of the prepared generation.
func (s *generations) checkActivation(a *Activation) error {
	switch {
	case s.Next == nil:
		return errors.New("no generation is prepared")
	case a.Key != s.Current.Group.PublicKey() || a.From != Session(s.Current.Hash()) || a.To != Session(s.Next.Hash()):
		return errors.New("the activation is not of the prepared generation")
	case a.Start < MinGap || a.Start-MinGap < a.Stop:
		return fmt.Errorf("activation stops at epoch %d and starts at %d, expected at least %d later", a.Stop, a.Start, MinGap)
	}
	return nil
}

// check holds that a state is one that the methods make.
func (s *generations) check() error {
	if s.Current == nil {
		return errors.New("the current lineage is missing")
	}
	if s.Next != nil {
		if err := s.checkNext(s.Next); err != nil {
			return err
		}
	}
	for _, a := range []*Activation{s.Signed, s.Active} {
		if a != nil {
			if err := s.checkActivation(a); err != nil {
				return err
			}
		}
	}
	if s.Active != nil && s.First < s.Active.Start {
		return fmt.Errorf("the next generation begins at epoch %d, before its start at %d", s.First, s.Active.Start)
	}
	return nil
}

// Agree records that this member signs an activation, and refuses a second one that is
// different: so that of two, at most one can get a threshold of the old members, as long
// as the threshold is more than half of the members and those who are not honest. From
// a.Stop on, or from now on if that is past, At lets the old generation sign no more. Store
// the state, then call Sign.
func (g *Generations) Agree(a *Activation) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.s.checkActivation(a); err != nil {
		return fmt.Errorf("dkg: %w", err)
	}
	if g.s.Signed != nil && *g.s.Signed != *a {
		return errors.New("dkg: this member has agreed to another activation")
	}
	agreed := *a
	g.s.Signed = &agreed
	return nil
}

// Sign returns the member's partial signature of the activation it has agreed to, by its
// old share.
func (g *Generations) Sign(ctx context.Context, old keyshare.Key) (keyshare.Signature, error) {
	g.mu.Lock()
	a := g.s.Signed
	g.mu.Unlock()
	if a == nil {
		return keyshare.Signature{}, errors.New("dkg: this member has agreed to no activation")
	}
	sigs, err := old.SignRoots(ctx, a.Root())
	if err != nil {
		return keyshare.Signature{}, fmt.Errorf("dkg: %w", err)
	}
	return sigs[0], nil
}

// Activate takes an activation with the validator's signature, combined from old
// members' partial ones. history must be what it names: a new member has imported it.
// epoch is the present one: the new generation does not sign here before MinGap epochs
// have passed, nor before a.Start, since an old member who agreed late may have signed
// until now.
func (g *Generations) Activate(a *Activation, s keyshare.Signature, history []byte, epoch uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.s.Active != nil && *g.s.Active == *a {
		return nil
	}
	if err := g.s.checkActivation(a); err != nil {
		return fmt.Errorf("dkg: %w", err)
	}
	if a.History != Session(sha256.Sum256(history)) {
		return errors.New("dkg: the slashing history is not the one that the activation names")
	}
	if !a.Key.VerifyIndependent(a.Root(), s) || !a.Key.Verify(a.Root(), s) {
		return errors.New("dkg: the activation is not signed by the validator's key")
	}
	if epoch > math.MaxUint64-MinGap {
		return fmt.Errorf("dkg: activation in epoch %d, after which there is none", epoch)
	}
	active := *a
	g.s.Active, g.s.First = &active, max(a.Start, epoch+MinGap)
	return nil
}

// At returns the generation that may sign in an epoch, or ErrGeneration between two.
// Ask before each signature.
func (g *Generations) At(epoch uint64) (*Lineage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	stopped := func(a *Activation) bool { return a != nil && epoch >= a.Stop }
	switch {
	case g.s.Active != nil && epoch >= g.s.First:
		return g.s.Next, nil
	case !stopped(g.s.Signed) && !stopped(g.s.Active):
		return g.s.Current, nil
	case g.s.Active == nil:
		return nil, fmt.Errorf("%w: epoch %d: this member has agreed to stop at %d, and waits for the activation", ErrGeneration, epoch, g.s.Signed.Stop)
	}
	return nil, fmt.Errorf("%w: epoch %d lies between the old generation's last and the new one's first, %d", ErrGeneration, epoch, g.s.First)
}

// Finish ends the hand-over when the present epoch is a retention time after the new
// generation's first: that is the current one then, and it returns the old one, whose shares are to be
// destroyed. Before that it returns nil.
func (g *Generations) Finish(epoch, retention uint64) *Lineage {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.s.Active == nil || epoch < g.s.First || epoch-g.s.First < retention {
		return nil
	}
	old := g.s.Current
	g.s = generations{Current: g.s.Next}
	return old
}

// MarshalJSON encodes the state.
func (g *Generations) MarshalJSON() ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return json.Marshal(g.s)
}

// UnmarshalJSON decodes what MarshalJSON writes.
func (g *Generations) UnmarshalJSON(b []byte) error {
	var s generations
	if err := strictjson.Decode(b, &s); err != nil {
		return fmt.Errorf("dkg: generations: %w", err)
	}
	if err := s.check(); err != nil {
		return fmt.Errorf("dkg: generations: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.s = s
	return nil
}
