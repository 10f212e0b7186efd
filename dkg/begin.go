package dkg

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Config says who takes part in what. Params, ID and Identity are required.
type Config struct {
	secret.Redacted // prints as [secret], since the keys in it may be in memory

	Params *Params
	ID     keyshare.Index

	// Identity signs the party's messages: its RSA key, in software or in a token.
	Identity crypto.Signer

	// Decrypter, if set, is the same key for decryption. With it the party's Hello
	// carries the party's seed, sealed to itself: a restarted process goes on where
	// it was, and Recover finds the shares again in transcript and certificate. The
	// price is that whoever has the RSA key and the transcript has the shares, as is
	// so of shares that are published in SSV form. Without it, a process that is
	// restarted before it has confirmed must give the session up.
	Decrypter crypto.Decrypter

	// Roots, if set, says what is signed with the new keys in the ceremony. All
	// operators must use the same.
	Roots RootsFunc

	// AnyThreshold permits Params with another threshold than DefaultThreshold.
	AnyThreshold bool

	// Lineages has, in a reshare or refresh, the current generation of each key by
	// the party's own record.
	Lineages []*Lineage

	// Old has, if the party is a dealer of a reshare or refresh, its current share
	// of each key. They stay the caller's to destroy. Custody that only signs does not
	// give them: Recover finds them in transcript and certificate of the ceremony that
	// made them, and keyshare.Open in what a dealer sealed, with the operator's RSA key.
	Old []keyshare.Secret
}

// New returns the party of a session. journal has what Output.Save has asked for
// before, in order, and is nil for a new session; a session that was begun must be
// given its journal, so keep them by Params.Session. The caller must have decided
// that it agrees with the Params, Context included, knows the participants' keys from
// a source of its own (CheckKnown), and that they have not expired.
func New(c Config, journal [][]byte) (*Party, error) {
	s, err := newSession(c.Params, c.Lineages)
	if err != nil {
		return nil, err
	}
	at, member := position(s.people, c.ID)
	if !member {
		return nil, fmt.Errorf("dkg: operator %d is no participant", c.ID)
	}
	me := s.people[at]
	if c.Identity == nil {
		return nil, errors.New("dkg: the identity is missing")
	}
	if err := sameKey(me, c.Identity.Public()); err != nil {
		return nil, err
	}
	if c.Decrypter != nil {
		if err := sameKey(me, c.Decrypter.Public()); err != nil {
			return nil, err
		}
	}
	if want := DefaultThreshold(len(c.Params.Operators)); c.Params.Threshold != want && !c.AnyThreshold {
		return nil, fmt.Errorf("dkg: params: threshold %d of %d operators, expected %d", c.Params.Threshold, len(c.Params.Operators), want)
	}
	if err := checkOld(s, c); err != nil {
		return nil, err
	}
	p := &Party{
		dealer: &dealer{session: s, me: me, old: c.Old}, config: c,
		slots: map[slot]*message{}, hellos: make([]*checkedHello, len(s.people)), checked: make([]*checkedDeal, len(s.dealers)),
		confirms: make([]*checkedConfirm, len(s.people)), acks: map[keyshare.Index]bool{}, resent: map[Round]bool{},
	}
	return p, p.restore(journal)
}

func sameKey(o Operator, public crypto.PublicKey) error {
	if k, ok := public.(*rsa.PublicKey); !ok || !k.Equal(o.PublicKey) {
		return fmt.Errorf("dkg: the identity is not the key that the params have for operator %d", o.ID)
	}
	return nil
}

// checkOld holds that a dealer of a reshare has its old shares.
func checkOld(s *session, c Config) error {
	if s.params.Kind == Generate || !s.deals(c.ID) {
		if len(c.Old) > 0 {
			return errors.New("dkg: old shares are given, but this party does not deal them")
		}
		return nil
	}
	if len(c.Old) != s.params.Keys {
		return fmt.Errorf("dkg: %d old shares for %d keys", len(c.Old), s.params.Keys)
	}
	for v, old := range c.Old {
		if want, _ := s.lineages[v].Group.Member(c.ID); old == nil || old.PublicKey() != want {
			return fmt.Errorf("dkg: key %d: the old share is not that of generation %d", v, s.lineages[v].Generation)
		}
	}
	return nil
}

// restore takes up a journal.
func (p *Party) restore(journal [][]byte) error {
	for _, raw := range journal {
		m, err := p.open(raw)
		if err != nil {
			return fmt.Errorf("dkg: journal: %w", err)
		}
		if old := p.slots[slot{m.round, m.sender}]; old != nil && m.sender == p.me.ID && old.digest != m.digest {
			return fmt.Errorf("dkg: journal: two %ss of this party: send neither again", m.round)
		}
		p.store(m)
	}
	m := p.own(RoundHello)
	if m == nil || p.own(RoundConfirm) != nil || p.own(RoundComplaint) != nil {
		return nil // nothing secret is needed
	}
	h, ok := parseHello(m.body)
	if !ok || len(h.wrap) == 0 || p.config.Decrypter == nil {
		return ErrNotResumable
	}
	seed, err := keyshare.OpenSecret(h.wrap, p.config.Decrypter)
	if err != nil {
		return fmt.Errorf("dkg: journal: open the seed: %w", err)
	}
	p.seed = seed
	if !p.ownHello(h) {
		return errors.New("dkg: journal: the Hello was not made from the seed in it")
	}
	return nil
}
