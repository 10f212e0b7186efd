package dkg

import (
	"errors"
	"slices"
)

// judgeComplaints decides on the complaints of others.
func (p *Party) judgeComplaints(out *Output) error {
	for _, o := range p.people {
		m := p.slots[slot{RoundComplaint, o.ID}]
		if m == nil || p.abort != nil || p.outcome != nil {
			continue
		}
		v, err := p.judge(m, p.view)
		if errors.Is(err, errUnjudged) {
			continue // until this party has a view, or for ever
		}
		if err != nil {
			return err
		}
		if err := p.blame(out, nil, v); err != nil {
			return err
		}
		p.abort.Evidence = m.raw
	}
	return nil
}

// sayHello begins the session.
func (p *Party) sayHello(out *Output) error {
	if p.own(RoundHello) != nil {
		return nil
	}
	if p.seed == nil { // or a step that failed drew it: what it announced goes with it
		seed, err := newSeed(p.session, p.me, p.config.Identity)
		if err != nil {
			return err
		}
		p.seed = seed
	}
	h, err := p.dealer.hello(p.config.Decrypter != nil)
	if err != nil {
		return err
	}
	return p.send(out, RoundHello, h.bytes())
}

// takeHellos checks the Hellos that have come.
func (p *Party) takeHellos(out *Output) error {
	for i, o := range p.people {
		m := p.slots[slot{RoundHello, o.ID}]
		if m == nil || p.hellos[i] != nil {
			continue
		}
		h, code := p.checkHello(m)
		if code != 0 {
			return p.blame(out, &complaint{accused: o.ID, code: code, messages: [][]byte{m.raw}}, finding(code, RoundHello, o.ID))
		}
		p.hellos[i] = h
	}
	if !complete(p.hellos) {
		return nil
	}
	if x, y, found := twinHellos(p.hellos); found {
		return p.blame(out, &complaint{accused: x.sender, code: CodeDuplicate, messages: [][]byte{x.raw, y.raw}},
			guilty(CodeDuplicate, RoundHello.String(), x.sender, y.sender))
	}
	return nil
}

func complete[M any](list []*M) bool { return !slices.Contains(list, nil) }

// sendDeal deals once all Hellos are there.
func (p *Party) sendDeal(out *Output) error {
	if !complete(p.hellos) || !p.deals(p.me.ID) || p.own(RoundDeal) != nil || p.own(RoundConfirm) != nil {
		return nil
	}
	d, err := p.deal(p.ssid(digestsOf(p.hellos)), p.hellos)
	if err != nil {
		return err
	}
	return p.send(out, RoundDeal, d.bytes())
}

// takeDeals checks the Deals that have come, and combines them when they are
// complete.
func (p *Party) takeDeals(out *Output) error {
	if !complete(p.hellos) || p.view != nil {
		return nil
	}
	ssid := p.ssid(digestsOf(p.hellos))
	for i, o := range p.dealers {
		m := p.slots[slot{RoundDeal, o.ID}]
		if m == nil || p.checked[i] != nil {
			continue
		}
		h := p.helloOf(p.hellos, o.ID)
		if len(m.body) >= 32 && [32]byte(m.body[:32]) != ssid {
			p.resend(out, RoundHello) // the dealer saw other Hellos: let everybody compare
			continue
		}
		d, code := p.checkDeal(h, m)
		if code != 0 {
			return p.blame(out, &complaint{accused: o.ID, code: code, messages: [][]byte{h.raw, m.raw}}, finding(code, RoundDeal, o.ID))
		}
		p.checked[i] = d
	}
	if !complete(p.checked) {
		return nil
	}
	if x, y, found := twinDeals(p.checked); found {
		return p.blame(out, &complaint{accused: x.sender, code: CodeDuplicate, messages: [][]byte{
			p.helloOf(p.hellos, x.sender).raw, x.raw, p.helloOf(p.hellos, y.sender).raw, y.raw,
		}}, guilty(CodeDuplicate, RoundDeal.String(), x.sender, y.sender))
	}
	groups, err := p.groups(p.checked)
	if err != nil {
		return err
	}
	p.view, err = p.newView(p.hellos, p.checked, groups, p.config.Roots)
	if err != nil {
		return err
	}
	return p.judgeComplaints(out) // which may have waited for the view
}

// takeShares opens the party's own shares.
func (p *Party) takeShares(out *Output) error {
	if p.view == nil || p.own(RoundConfirm) != nil || p.shares != nil {
		return nil
	}
	if !p.receives(p.me.ID) {
		return p.send(out, RoundConfirm, p.newConfirm().bytes())
	}
	shares, err := p.receive(p.view.ssid, p.hellos, p.checked, p.view.groups)
	var bad *badShare
	if errors.As(err, &bad) {
		return p.complain(out, bad)
	}
	if err != nil {
		return err
	}
	p.shares, out.Keep = shares, shares
	return nil
}

// complain about a share that this party was dealt.
func (p *Party) complain(out *Output, bad *badShare) error {
	d := p.checked[bad.dealer]
	c := &complaint{accused: d.sender, code: bad.code, v: uint32(bad.v), messages: [][]byte{
		p.helloOf(p.hellos, d.sender).raw, d.raw, p.helloOf(p.hellos, p.me.ID).raw,
	}}
	if err := p.reveal(c, p.view.ssid, p.hellos); err != nil {
		return err
	}
	return p.blame(out, c, guilty(bad.code, "to this party", d.sender))
}

// takeConfirms checks the Confirms that have come, and makes the outcome when they are
// complete.
func (p *Party) takeConfirms(out *Output) error {
	if p.view == nil || p.outcome != nil || p.own(RoundConfirm) == nil {
		return nil
	}
	for i, o := range p.people {
		m := p.slots[slot{RoundConfirm, o.ID}]
		if m == nil || p.confirms[i] != nil {
			continue
		}
		c, code := p.checkConfirm(m)
		if code == 0 && !p.view.sameDealings(c) {
			p.resendDeals(out, c)
			continue
		}
		if code == 0 {
			code = p.checkResult(p.view, c)
		}
		if code != 0 {
			return p.blameConfirm(out, m, code)
		}
		p.confirms[i] = c
	}
	if !complete(p.confirms) {
		return nil
	}
	if bad := p.view.checkPartials(p.confirms); bad >= 0 {
		m := p.confirms[bad].message
		p.confirms[bad] = nil
		return p.blameConfirm(out, m, CodePartial)
	}
	outcome, err := p.newOutcome(p.view, p.confirms)
	if err != nil {
		return err
	}
	p.outcome = outcome
	return nil
}

// sendAck says that this party has the certificate.
func (p *Party) sendAck(out *Output) error {
	if p.outcome == nil || p.own(RoundAck) != nil {
		return nil
	}
	return p.send(out, RoundAck, p.outcome.certificateHash[:])
}

func (p *Party) blameConfirm(out *Output, m *message, code Code) error {
	v := finding(code, RoundConfirm, m.sender)
	if !code.Provable() {
		return p.blame(out, nil, v)
	}
	return p.blame(out, &complaint{accused: m.sender, code: code, messages: [][]byte{m.raw}}, v)
}

// resend lets everybody see which messages of a round this party has, once: if a
// sender sent different ones, that proves it.
func (p *Party) resend(out *Output, round Round) {
	if p.resent[round] {
		return
	}
	p.resent[round] = true
	for _, o := range p.people {
		if m := p.slots[slot{round, o.ID}]; m != nil {
			out.Send = append(out.Send, m.raw)
		}
	}
}

// resendDeals does the same for the Deals of which a Confirm names others.
func (p *Party) resendDeals(out *Output, c *checkedConfirm) {
	if c.ssid != p.view.ssid {
		p.resend(out, RoundHello)
		return
	}
	if p.resent[RoundDeal] {
		return
	}
	p.resent[RoundDeal] = true
	for i, d := range p.view.deals {
		if c.deals[i] != d.digest {
			out.Send = append(out.Send, d.raw)
		}
	}
}

// takeAcks notes who has the certificate.
func (p *Party) takeAcks(*Output) error {
	if p.outcome == nil {
		return nil
	}
	for _, o := range p.people {
		m := p.slots[slot{RoundAck, o.ID}]
		if m == nil {
			continue
		}
		if a, ok := parseAck(m.body); ok && a.certificate == p.outcome.certificateHash {
			p.acks[o.ID] = true
		}
	}
	return nil
}
