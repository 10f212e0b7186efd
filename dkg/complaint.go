package dkg

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

// complaint is the body of a Complaint. It carries all that a third party needs to
// judge it, the signed messages of the accused included.
type complaint struct {
	accused  keyshare.Index
	code     Code
	v        uint32               // the key, where the code is about one
	hellos   [][32]byte           // for CodeSealed and CodeShare: the digests that the ssid is made of
	shared   [pointSize]byte      // for these: the secret that accuser and accused share
	proof    [2 * scalarSize]byte // for these: that it is
	messages [][]byte             // see evidence
}

// evidence says which messages a complaint of each code carries. d is the accused, e
// the second of a pair, i the accuser.
//
//	CodeEquivocation            two messages of d, as stubs
//	a fault of a Hello          Hello_d
//	CodeDuplicate of Hellos     Hello_d, Hello_e
//	a fault of a Deal           Hello_d, Deal_d
//	CodeDuplicate of Deals      Hello_d, Deal_d, Hello_e, Deal_e
//	CodeSealed, CodeShare       Hello_d, Deal_d, Hello_i
//	a fault of a Confirm        Confirm_d
const maxEvidence = 4

func (c *complaint) bytes() []byte {
	w := &writer{}
	w.u64(uint64(c.accused))
	w.u8(uint8(c.code))
	w.u32(c.v)
	w.u32(uint32(len(c.hellos)))
	for _, h := range c.hellos {
		w.raw(h[:])
	}
	w.raw(c.shared[:])
	w.raw(c.proof[:])
	w.u32(uint32(len(c.messages)))
	for _, m := range c.messages {
		w.counted(m)
	}
	return w.b
}

func parseComplaint(b []byte) (*complaint, bool) {
	r := &reader{b: b}
	c := &complaint{accused: keyshare.Index(r.u64()), code: Code(r.u8()), v: r.u32()}
	for range r.count(MaxOperators, 32) {
		c.hellos = append(c.hellos, r.hash())
	}
	copy(c.shared[:], r.take(pointSize))
	copy(c.proof[:], r.take(2*scalarSize))
	for range r.count(maxEvidence, 4) {
		c.messages = append(c.messages, r.counted(MaxMessage))
	}
	return c, r.done()
}

// verdict is who is at fault, and for what.
type verdict struct {
	faulty []keyshare.Index
	code   Code
	detail string
}

func guilty(code Code, detail string, faulty ...keyshare.Index) *verdict {
	slices.Sort(faulty)
	return &verdict{faulty, code, detail}
}

// errUnjudged is returned for a complaint about a Confirm that needs the transcript.
var errUnjudged = errors.New("dkg: the complaint can not be judged without the transcript that the accused confirmed")

// judge decides on a complaint: the accused is at fault if the evidence says so, and
// otherwise the accuser is, for having complained. view is what the judge knows of
// the dealings; it may be nil.
func (s *session) judge(m *message, view *view) (*verdict, error) {
	c, ok := parseComplaint(m.body)
	if !ok {
		return guilty(CodeEncoding, "Complaint", m.sender), nil
	}
	evidence, ok := s.openEvidence(c)
	if !ok {
		return guilty(CodeComplaint, fmt.Sprintf("of operator %d, without evidence", c.accused), m.sender), nil
	}
	found, err := s.examine(m.sender, c, evidence, view)
	if err != nil {
		return nil, err
	}
	if found == nil || found.code != c.code || !slices.Contains(found.faulty, c.accused) {
		return guilty(CodeComplaint, fmt.Sprintf("of operator %d, that it %s", c.accused, codeTexts[c.code]), m.sender), nil
	}
	return found, nil
}

// openEvidence checks the signatures of what a complaint carries, and that the first
// message is the accused's.
func (s *session) openEvidence(c *complaint) ([]*message, bool) {
	open := s.open
	if c.code == CodeEquivocation {
		open = s.openStub
	}
	var out []*message
	for _, raw := range c.messages {
		m, err := open(raw)
		if err != nil {
			return nil, false
		}
		out = append(out, m)
	}
	return out, len(out) > 0 && out[0].sender == c.accused
}

// examine makes the checks again that the evidence is about, and returns what it
// finds: nil for no fault.
func (s *session) examine(accuser keyshare.Index, c *complaint, evidence []*message, view *view) (*verdict, error) {
	d := c.accused
	rounds := make([]Round, len(evidence))
	for i, m := range evidence {
		rounds[i] = m.round
	}
	shape := func(want ...Round) bool { return slices.Equal(rounds, want) }
	switch {
	case c.code == CodeEquivocation:
		if len(evidence) == 2 && conflict(evidence[0], evidence[1]) {
			return guilty(CodeEquivocation, rounds[0].String(), d), nil
		}
		return nil, nil
	case shape(RoundHello):
		_, code := s.checkHello(evidence[0])
		return finding(code, RoundHello, d), nil
	case shape(RoundHello, RoundHello):
		return s.examineTwins(evidence[0], evidence[1]), nil
	case shape(RoundHello, RoundDeal, RoundHello, RoundDeal):
		return s.examinePair(evidence), nil
	case shape(RoundConfirm):
		return s.examineConfirm(evidence[0], view)
	case !shape(RoundHello, RoundDeal) && !shape(RoundHello, RoundDeal, RoundHello):
		return nil, nil
	}
	if evidence[1].sender != d {
		return nil, nil
	}
	hello, code := s.checkHello(evidence[0])
	if code != 0 {
		return nil, nil // complained of as a fault of the Hello
	}
	deal, code := s.checkDeal(hello, evidence[1])
	if code != 0 {
		return finding(code, RoundDeal, d), nil
	}
	if len(evidence) == 3 {
		return s.examineShare(accuser, c, hello, deal, evidence[2])
	}
	return nil, nil
}

func finding(code Code, round Round, faulty keyshare.Index) *verdict {
	if code == 0 {
		return nil
	}
	return guilty(code, round.String(), faulty)
}

// conflict reports whether two messages of one sender can not both be sent.
func conflict(a, b *message) bool {
	return a.sender == b.sender && a.round == b.round && a.digest != b.digest
}

// examineTwins looks for one key in the Hellos of two operators.
func (s *session) examineTwins(a, b *message) *verdict {
	x, codeX := s.checkHello(a)
	y, codeY := s.checkHello(b)
	if codeX != 0 || codeY != 0 || a.sender == b.sender || x.key != y.key {
		return nil
	}
	return guilty(CodeDuplicate, RoundHello.String(), a.sender, b.sender)
}

// examinePair looks for one constant term in the dealings of two operators.
func (s *session) examinePair(m []*message) *verdict {
	var deals []*checkedDeal
	for i := 0; i < len(m); i += 2 {
		hello, code := s.checkHello(m[i])
		if code != 0 || m[i].sender != m[i+1].sender {
			return nil
		}
		deal, code := s.checkDeal(hello, m[i+1])
		if code != 0 {
			return nil
		}
		deals = append(deals, deal)
	}
	a, b := deals[0], deals[1]
	if a.sender == b.sender || a.ssid != b.ssid {
		return nil
	}
	if _, _, found := twinDeals(deals); !found {
		return nil
	}
	return guilty(CodeDuplicate, RoundDeal.String(), a.sender, b.sender)
}

// examineShare opens the accuser's share by the secret that it revealed.
func (s *session) examineShare(accuser keyshare.Index, c *complaint, from *checkedHello, deal *checkedDeal, m *message) (*verdict, error) {
	to, code := s.checkHello(m)
	at, _ := position(s.people, accuser)
	if code != 0 || to.sender != accuser || !s.receives(accuser) || int(c.v) >= s.params.Keys ||
		len(c.hellos) != len(s.people) || s.ssid(c.hellos) != deal.ssid || c.hellos[at] != to.digest {
		return nil, nil
	}
	shared, err := bls.ParsePublicKey(c.shared[:])
	if err != nil {
		return nil, nil
	}
	proof := bls.EqualProof{C: [scalarSize]byte(c.proof[:scalarSize]), Z: [scalarSize]byte(c.proof[scalarSize:])}
	if !proof.Verify(to.point, from.point, shared, s.equality(deal.ssid, accuser, deal.sender, to.key[:], from.key[:], c.shared[:])) {
		return nil, nil
	}
	h, err := newDeriver()
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer h.destroy()
	share, err := s.openShare(h, int(c.v), deal.ssid, c.shared[:], from, to, deal)
	if errors.Is(err, errSealedShare) {
		return guilty(CodeSealed, fmt.Sprintf("key %d, to operator %d", c.v, accuser), deal.sender), nil
	}
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer share.Destroy()
	if !onPolynomial(deal.commitments[c.v], accuser, share.Bytes()) {
		return guilty(CodeShare, fmt.Sprintf("key %d, to operator %d", c.v, accuser), deal.sender), nil
	}
	return nil, nil
}

// reveal makes a complaint about a share: it opens the secret that the party shares
// with the dealer and proves that it is that. The session's secrets are worth nothing
// after that, and it is over.
func (d *dealer) reveal(c *complaint, ssid [32]byte, hellos []*checkedHello) error {
	own, accused := d.helloOf(hellos, d.me.ID), d.helloOf(hellos, c.accused)
	for _, h := range hellos {
		c.hellos = append(c.hellos, h.digest)
	}
	var fresh [32]byte
	_, _ = rand.Read(fresh[:])
	return d.use(roleKey, 0, 0, func(e []byte) error {
		shared, err := bls.SharedPoint(e, accused.point)
		if err != nil {
			return err
		}
		defer shared.Destroy()
		copy(c.shared[:], shared.Bytes())
		return d.use(roleEqual, 0, 0, func(nonce []byte) error {
			proof, err := bls.ProveEqual(e, nonce, accused.point, d.equality(ssid, d.me.ID, c.accused, own.key[:], accused.key[:], c.shared[:]))
			copy(c.proof[:], proof.C[:])
			copy(c.proof[scalarSize:], proof.Z[:])
			return err
		}, ssid[:], be64(c.accused), fresh[:])
	})
}

// signComplaint makes the message of a complaint.
func (s *session) signComplaint(c *complaint, me Operator, key crypto.Signer) (*message, error) {
	return sign(RoundComplaint, s.id, me, key, c.bytes())
}

// VerifyEvidence judges the evidence of an *[AbortError] and returns who is at fault
// and the code. It needs nothing that is secret: the Params, and in a reshare the
// lineages. For the codes CodeConfirm and CodePartial it also needs the transcript of
// the session, which is nil otherwise. Evidence that proves nothing is an error.
func VerifyEvidence(p *Params, lineages []*Lineage, transcript, evidence []byte) ([]keyshare.Index, Code, error) {
	s, err := newSession(p, lineages)
	if err != nil {
		return nil, 0, err
	}
	m, err := s.open(evidence)
	if err != nil {
		return nil, 0, err
	}
	if m.round != RoundComplaint {
		return nil, 0, fmt.Errorf("dkg: evidence is a %s, expected a Complaint", m.round)
	}
	var seen *view
	if transcript != nil {
		if seen, err = s.readTranscript(transcript); err != nil {
			return nil, 0, err
		}
	}
	v, err := s.judge(m, seen)
	if err != nil {
		return nil, 0, err
	}
	return v.faulty, v.code, nil
}
