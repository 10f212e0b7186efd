package dkg

import (
	"crypto"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// Recover returns the outcome and the party's shares, one of each key, from transcript
// and certificate: for an operator that missed the end of a ceremony or lost what was
// in its custody. Everything is verified, the party's own Confirm included, which
// says that it checked the dealings when they were made.
//
// With a Decrypter in the Config at the time of the ceremony, the seed in the party's
// Hello is opened, by one operation of the RSA key, and the shares are decrypted from
// the Deals. Without, each share is opened from the form in which the party published
// it in its Confirm. The caller destroys the shares.
func Recover(c Config, transcript, certificate []byte) (*Outcome, []*keyshare.Share, error) {
	s, err := newSession(c.Params, c.Lineages)
	if err != nil {
		return nil, nil, err
	}
	w, outcome, err := s.verify(transcript, certificate)
	if err != nil {
		return nil, nil, err
	}
	at, receives := position(s.params.Operators, c.ID)
	if !receives {
		return nil, nil, fmt.Errorf("dkg: operator %d receives no shares in this ceremony", c.ID)
	}
	if c.Decrypter == nil {
		return nil, nil, fmt.Errorf("dkg: the decrypter is missing")
	}
	me := s.params.Operators[at]
	if err := sameKey(me, c.Decrypter.Public()); err != nil {
		return nil, nil, err
	}
	shares, err := s.recover(w, outcome, me, c.Decrypter)
	if err != nil {
		return nil, nil, err
	}
	return outcome, shares, nil
}

func (s *session) recover(w *view, o *Outcome, me Operator, key crypto.Decrypter) ([]*keyshare.Share, error) {
	own := s.helloOf(w.hellos, me.ID)
	if len(own.wrap) == 0 {
		return openSealed(o, me, key)
	}
	seed, err := keyshare.OpenSecret(own.wrap, key)
	if err != nil {
		return nil, fmt.Errorf("dkg: open the seed: %w", err)
	}
	defer seed.Destroy()
	d := &dealer{session: s, me: me, seed: seed}
	if !d.ownHello(&own.hello) {
		return openSealed(o, me, key)
	}
	return d.receive(w.ssid, w.hellos, w.deals, w.groups)
}

// openSealed opens the shares that the party published.
func openSealed(o *Outcome, me Operator, key crypto.Decrypter) ([]*keyshare.Share, error) {
	var shares []*keyshare.Share
	for v, list := range o.Sealed {
		for _, sealed := range list {
			if sealed.ID != me.ID {
				continue
			}
			share, err := keyshare.Open(sealed, me.ID, key, o.Lineages[v].Group)
			if err != nil {
				for _, s := range shares {
					s.Destroy()
				}
				return nil, fmt.Errorf("dkg: open the share of key %d: %w", v, err)
			}
			shares = append(shares, share)
		}
	}
	return shares, nil
}
