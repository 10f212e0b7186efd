package dkg

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Output is what a step asks the caller to do, in this order.
type Output struct {
	// Save are messages to append to the session's journal, durably, before
	// anything below is done.
	Save [][]byte

	// Keep are the party's new shares, one of each key. The caller puts them into
	// custody, durably, and then calls Confirm. They are nil but once per process.
	// The party destroys them in Confirm.
	Keep []*keyshare.Share

	// Send are messages for all other participants.
	Send [][]byte

	// Ignored says why input was dropped: it was damaged, forged, or of another
	// version or session. It is nobody's fault.
	Ignored []error
}

// Party is one participant of a ceremony: a state machine without input, output or
// clock. Feed it with Step; do what its Output says. It is not safe for concurrent
// use. It prints as [secret].
type Party struct {
	secret.Redacted
	*dealer
	config Config
	slots  map[slot]*message // the first good message of each round and sender

	hellos   []*checkedHello // by participant
	checked  []*checkedDeal  // by dealer
	view     *view
	shares   []*keyshare.Share // between Keep and Confirm
	confirms []*checkedConfirm // by participant
	acks     map[keyshare.Index]bool

	outcome *Outcome
	abort   *AbortError
	resent  map[Round]bool // what was sent again because others saw something else
	version *VersionError  // of a message of another version
}

type slot struct {
	round  Round
	sender keyshare.Index
}

// own returns the party's own message of a round, or nil.
func (p *Party) own(r Round) *message { return p.slots[slot{r, p.me.ID}] }

// store puts a message into its slot. It reports whether it is new, and whether it
// conflicts with what is there.
func (p *Party) store(m *message) (fresh bool, conflicting *message) {
	at := slot{m.round, m.sender}
	switch there := p.slots[at]; {
	case there == nil:
		p.slots[at] = m
		return true, nil
	case there.digest != m.digest:
		return false, there
	}
	return false, nil
}

// Step takes messages as they arrive, in any order, and returns what to do. Called
// without messages it returns what there is to do after New: the first message, or
// after a restart all that was sent before. Messages that arrive early wait; copies
// are harmless; what is damaged or forged is ignored. The error is about this party's
// own means: identity, memory, Roots. What the Output says counts all the same, and the
// step can be made again, without messages. After Abort or Outcome returned something, Step
// only collects what is left to collect. It keeps the messages: do not change them.
func (p *Party) Step(messages ...[]byte) (Output, error) {
	var out Output
	if len(messages) == 0 {
		for _, r := range []Round{RoundHello, RoundDeal, RoundConfirm, RoundComplaint, RoundAck} {
			if m := p.own(r); m != nil {
				out.Send = append(out.Send, m.raw)
			}
		}
	}
	for _, raw := range messages {
		m, err := p.open(raw)
		if err != nil {
			out.Ignored = append(out.Ignored, err)
			errors.As(err, &p.version)
			continue
		}
		fresh, conflicting := p.store(m)
		switch {
		case fresh:
			out.Save = append(out.Save, m.raw)
		case conflicting != nil && m.sender == p.me.ID:
			return out, fmt.Errorf("dkg: another process uses the identity of operator %d in this session: stop both", p.me.ID)
		case conflicting != nil:
			if err := p.blame(&out, &complaint{accused: m.sender, code: CodeEquivocation, messages: [][]byte{conflicting.stub(), m.stub()}},
				guilty(CodeEquivocation, m.round.String(), m.sender)); err != nil {
				return out, err
			}
		}
	}
	return out, p.advance(&out)
}

// advance does all that can be done with the messages at hand.
func (p *Party) advance(out *Output) error {
	for _, stage := range []func(*Output) error{p.judgeComplaints, p.sayHello, p.takeHellos, p.sendDeal, p.takeDeals, p.takeShares, p.takeConfirms, p.sendAck, p.takeAcks} {
		if p.abort != nil && p.own(RoundConfirm) == nil {
			return nil // nothing can be confirmed any more
		}
		if err := stage(out); err != nil {
			return err
		}
	}
	return nil
}

// send signs a body, stores it and lets it be saved and sent.
func (p *Party) send(out *Output, round Round, body []byte) error {
	m, err := sign(round, p.id, p.me, p.config.Identity, body)
	if err != nil {
		return err
	}
	p.publish(out, m)
	return nil
}

func (p *Party) publish(out *Output, m *message) {
	p.store(m)
	out.Save = append(out.Save, m.raw)
	out.Send = append(out.Send, m.raw)
}

// blame aborts the ceremony, unless it has failed already, and tells the others why.
func (p *Party) blame(out *Output, c *complaint, v *verdict) error {
	if p.abort != nil || p.outcome != nil {
		return nil
	}
	abort := &AbortError{Faulty: v.faulty, Code: v.code, Detail: v.detail, Confirmed: p.own(RoundConfirm) != nil}
	if c != nil && p.own(RoundComplaint) == nil {
		m, err := p.signComplaint(c, p.me, p.config.Identity)
		if err != nil {
			return err // a later step finds the fault again
		}
		abort.Evidence = m.raw
		p.publish(out, m)
	}
	p.abort = abort
	p.forget()
	return nil
}

// forget destroys the party's secrets.
func (p *Party) forget() {
	for _, s := range p.shares {
		s.Destroy()
	}
	p.shares = nil
	p.seed.Destroy()
}

// Close destroys the secrets that the party holds. It can be called at any time; the
// session goes on from its journal.
func (p *Party) Close() { p.forget() }

// Abort returns why the ceremony failed, or nil. A failure after the party has
// confirmed can still turn into an outcome, if all others confirmed too.
func (p *Party) Abort() *AbortError {
	if p.outcome != nil {
		return nil
	}
	return p.abort
}

// Outcome returns what the ceremony made, once all participants have confirmed it,
// and nil before.
func (p *Party) Outcome() *Outcome { return p.outcome }

// Unacknowledged returns the participants who have not said that they stored the
// certificate. While there are any, do not use the keys for what can not be undone,
// such as a deposit: see Recover for what helps them.
func (p *Party) Unacknowledged() []keyshare.Index {
	var out []keyshare.Index
	for _, o := range p.people {
		if !p.acks[o.ID] {
			out = append(out, o.ID)
		}
	}
	return out
}

// Confirm is called once the shares of Output.Keep are in custody, with the keys that
// sign with them there, one for each share in the same order. It has them sign the
// result and the application's roots, and seals the shares to the party's own RSA
// key for publication. If it fails, call it again; if it fails after it made the Confirm,
// which Output.Send has then, go on with Step.
func (p *Party) Confirm(ctx context.Context, keys []keyshare.Key) (Output, error) {
	var out Output
	if p.shares == nil {
		return out, errors.New("dkg: there are no shares to confirm")
	}
	if len(keys) != len(p.shares) {
		return out, fmt.Errorf("dkg: %d keys for %d shares", len(keys), len(p.shares))
	}
	c := p.newConfirm()
	c.keys = make([]confirmedKey, len(keys))
	for v, k := range keys {
		if k == nil || k.PublicKey() != p.shares[v].PublicKey() {
			return out, fmt.Errorf("dkg: key %d of custody is not the share %s", v, p.shares[v].PublicKey())
		}
		sigs, err := k.SignRoots(ctx, p.view.signed(v)...)
		if err != nil {
			return out, fmt.Errorf("dkg: sign with key %d: %w", v, err)
		}
		for _, s := range sigs {
			c.keys[v].partials = append(c.keys[v].partials, s.Bytes())
		}
		sealed, err := p.shares[v].Seal(p.me.Operator)
		if err != nil {
			return out, fmt.Errorf("dkg: seal share %d: %w", v, err)
		}
		c.keys[v].sealed = sealed.Ciphertext
	}
	if err := p.checkOwn(c); err != nil {
		return out, err
	}
	if err := p.send(&out, RoundConfirm, c.bytes()); err != nil {
		return out, err
	}
	p.forget()
	return out, p.advance(&out)
}

// checkOwn holds that custody signed rightly, so that this party is not blamed.
func (p *Party) checkOwn(c *confirm) error {
	mine := &checkedConfirm{message: &message{sender: p.me.ID}, confirm: *c}
	if p.checkResult(p.view, mine) != 0 || p.view.checkPartials([]*checkedConfirm{mine}) >= 0 {
		return errors.New("dkg: custody made a signature that does not verify under the share's public key")
	}
	return nil
}

func (p *Party) newConfirm() *confirm {
	return &confirm{ssid: p.view.ssid, deals: digestsOf(p.view.deals), roots: p.view.all, result: p.view.result}
}

// Waiting returns the round that is not complete, and who is missing from it: silent
// have sent nothing that fits; of these, disagree have sent something that belongs to
// another view of the session.
func (p *Party) Waiting() (round Round, silent, disagree []keyshare.Index) {
	lists := []struct {
		round Round
		from  []Operator
		have  func(i int) bool
	}{
		{RoundHello, p.people, func(i int) bool { return p.hellos[i] != nil }},
		{RoundDeal, p.dealers, func(i int) bool { return p.checked[i] != nil }},
		{RoundConfirm, p.people, func(i int) bool { return p.confirms[i] != nil }},
		{RoundAck, p.people, func(i int) bool { return p.acks[p.people[i].ID] }},
	}
	for _, l := range lists {
		for i, o := range l.from {
			if l.have(i) {
				continue
			}
			silent = append(silent, o.ID)
			if p.slots[slot{l.round, o.ID}] != nil && o.ID != p.me.ID {
				disagree = append(disagree, o.ID)
			}
		}
		if len(silent) > 0 {
			return l.round, silent, disagree
		}
	}
	return RoundAck, nil, nil
}

// Timeout returns the error of a party that gives up waiting because of cause.
func (p *Party) Timeout(cause error) *TimeoutError {
	round, silent, disagree := p.Waiting()
	return &TimeoutError{Round: round, Silent: slices.Clone(silent), Disagree: disagree, Confirmed: p.own(RoundConfirm) != nil, Cause: cause, Version: p.version}
}
