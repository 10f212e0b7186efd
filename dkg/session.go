package dkg

import (
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
)

// session is the public side of a ceremony: what everybody who has the Params can
// check, whether it takes part or not. It is immutable.
type session struct {
	params   *Params
	id       Session
	people   []Operator // participants, ascending
	dealers  []Operator
	lineages []*Lineage  // of the keys that are reshared; nil for Generate
	checks   []dealCheck // what a Deal must pass, in order
}

// newSession checks the Params and that the lineages are those that they name.
func newSession(p *Params, lineages []*Lineage) (*session, error) {
	if p == nil {
		return nil, fmt.Errorf("dkg: params are missing")
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	people, err := p.participants()
	if err != nil {
		return nil, err
	}
	s := &session{params: p, id: p.Session(), people: people, dealers: p.dealers(), lineages: lineages, checks: dealChecks}
	return s, s.checkLineages()
}

// position returns the place of an operator in a list.
func position(list []Operator, id keyshare.Index) (int, bool) {
	return slices.BinarySearchFunc(list, Operator{Operator: keyshare.Operator{ID: id}}, byID)
}

func (s *session) receives(id keyshare.Index) bool {
	_, ok := position(s.params.Operators, id)
	return ok
}
func (s *session) deals(id keyshare.Index) bool { _, ok := position(s.dealers, id); return ok }

// open decodes a message of this session and checks its signature.
func (s *session) open(raw []byte) (*message, error) {
	m, err := parseMessage(raw)
	if err != nil {
		return nil, err
	}
	if most := s.longest(m.round); len(m.body) > most && m.session == s.id {
		return nil, fmt.Errorf("dkg: %s of %d bytes, expected at most %d", m.round, len(m.body), most)
	}
	return m, s.admit(m)
}

// openStub does the same for a stub.
func (s *session) openStub(b []byte) (*message, error) {
	m, err := parseStub(b)
	if err != nil {
		return nil, err
	}
	return m, s.admit(m)
}

// admit holds that a participant of this session signed the message.
func (s *session) admit(m *message) error {
	if m.session != s.id {
		return fmt.Errorf("dkg: message of session %s, expected %s", m.session, s.id)
	}
	at, known := position(s.people, m.sender)
	if !known {
		return fmt.Errorf("dkg: message of operator %d, who takes no part", m.sender)
	}
	if !m.verify(s.people[at]) {
		return fmt.Errorf("dkg: %s with a bad signature of operator %d", m.round, m.sender)
	}
	return nil
}

// spare is by how much a body may be longer than it should and still be kept, as evidence
// that its sender can not encode.
const spare = 1024

// longest bounds the body of a round's message in this session.
func (s *session) longest(r Round) int {
	switch r {
	case RoundDeal:
		return s.params.dealSize() + spare
	case RoundConfirm:
		return s.params.confirmSize() + spare
	case RoundComplaint:
		return 2*(max(s.params.dealSize(), s.params.confirmSize())+spare+messageOverhead) + 8<<10
	}
	return spare
}

// checkedHello is a Hello that passed its checks.
type checkedHello struct {
	*message
	hello
	point bls.PublicKey
}

// checkHello makes the checks of a Hello.
func (s *session) checkHello(m *message) (*checkedHello, Code) {
	body, ok := parseHello(m.body)
	if !ok {
		return nil, CodeEncoding
	}
	if !s.deals(m.sender) && body.commit != [32]byte{} {
		return nil, CodeEncoding
	}
	h := &checkedHello{message: m, hello: *body}
	var err error
	if h.point, err = bls.ParsePublicKey(h.key[:]); err != nil {
		return nil, CodePoint
	}
	proof, err := parseProof(h.proof[:])
	if err != nil {
		return nil, CodePoint
	}
	if !proof.Verify(h.point, s.possession(m.sender, h.key)) {
		return nil, CodeProof
	}
	return h, 0
}

func parseProof(b []byte) (p bls.Proof, err error) {
	p.R, err = bls.ParsePublicKey(b[:pointSize])
	copy(p.Z[:], b[pointSize:])
	return p, err
}

func proofBytes(p bls.Proof) (out [proofSize]byte) {
	r := p.R.Bytes()
	copy(out[:], r[:])
	copy(out[pointSize:], p.Z[:])
	return out
}

// possession is the challenge of the proof in a Hello.
func (s *session) possession(sender keyshare.Index, key [pointSize]byte) bls.Challenge {
	return challenge(tagPossession, s.id[:], be64(sender), key[:])
}

// knowledge is the challenge of the proof in a dealing of key v.
func (s *session) knowledge(ssid [32]byte, dealer keyshare.Index, v int, constant []byte) bls.Challenge {
	return challenge(tagKnowledge, ssid[:], be64(dealer), be32(v), be32(s.params.Threshold), constant)
}

// equality is the challenge of the proof in a complaint.
func (s *session) equality(ssid [32]byte, accuser, accused keyshare.Index, key, base, shared []byte) bls.Challenge {
	return challenge(tagEqual, ssid[:], be64(accuser), be64(accused), key, base, shared)
}

// ssid binds the session to what every participant contributed to it: the digests of
// their Hellos, ascending.
func (s *session) ssid(hellos [][32]byte) [32]byte {
	parts := [][]byte{s.id[:]}
	for i := range hellos {
		parts = append(parts, hellos[i][:])
	}
	return tagHash(tagSession, parts...)
}

// commitmentTo is what a Hello announces of the dealing.
func (s *session) commitmentTo(dealer keyshare.Index, salt [32]byte, keys []dealtKey) [32]byte {
	parts := [][]byte{s.id[:], be64(dealer), salt[:]}
	for _, k := range keys {
		parts = append(parts, k.points)
	}
	return tagHash(tagCommit, parts...)
}

// checkedDeal is a Deal that passed the checks that everybody can make.
type checkedDeal struct {
	*message
	deal
	commitments []*shamir.Commitment // for each key
}

// dealCheck is one check of a Deal: it returns 0 or the fault.
type dealCheck func(*session, *checkedHello, *checkedDeal) Code

// dealChecks are the checks of a Deal after its encoding, in order.
var dealChecks = []dealCheck{checkOpening, checkPoints, checkKnowledge, checkOldShares}

// checkDeal makes the checks of a Deal by a dealer whose Hello is given.
func (s *session) checkDeal(h *checkedHello, m *message) (*checkedDeal, Code) {
	body, code := parseDeal(m.body, s.params)
	if code != 0 {
		return nil, code
	}
	d := &checkedDeal{message: m, deal: *body}
	for _, check := range s.checks {
		if code := check(s, h, d); code != 0 {
			return nil, code
		}
	}
	return d, 0
}

func checkOpening(s *session, h *checkedHello, d *checkedDeal) Code {
	if s.commitmentTo(d.sender, d.salt, d.keys) != h.commit {
		return CodeOpening
	}
	return 0
}

// checkPoints decodes all commitments on all cores, since this is most of the work of
// a ceremony. The subgroup check is made point by point: the cofactor of G1 has a
// factor of 3, so that a random combination of points would miss a third of the faults.
func checkPoints(s *session, _ *checkedHello, d *checkedDeal) Code {
	t := s.params.Threshold
	points := make([]bls.PublicKey, len(d.keys)*t)
	faults := make([]Code, len(points))
	parallel.Each(len(points), func(i int) {
		b := d.keys[i/t].points[i%t*pointSize : (i%t+1)*pointSize]
		var err error
		if points[i], err = bls.ParsePublicKey(b); err == nil {
			return
		}
		faults[i] = CodePoint
		if i%t == 0 && isInfinity(b) {
			faults[i] = CodeZero
		}
	})
	for _, code := range faults {
		if code != 0 {
			return code
		}
	}
	d.commitments = make([]*shamir.Commitment, len(d.keys))
	for v := range d.keys {
		c, err := shamir.CommitmentOf(points[v*t : (v+1)*t])
		if err != nil {
			return CodeCount
		}
		d.commitments[v] = c
	}
	return 0
}

// isInfinity reports whether b is the compressed encoding of the point at infinity.
func isInfinity(b []byte) bool {
	return b[0] == 0xc0 && !slices.ContainsFunc(b[1:], func(x byte) bool { return x != 0 })
}

func checkKnowledge(s *session, _ *checkedHello, d *checkedDeal) Code {
	faults := make([]Code, len(d.keys))
	parallel.Each(len(d.keys), func(v int) {
		proof, err := parseProof(d.keys[v].proof)
		if err != nil {
			faults[v] = CodePoint
		} else if !proof.Verify(d.commitments[v].PublicKey(), s.knowledge(d.ssid, d.sender, v, d.keys[v].points[:pointSize])) {
			faults[v] = CodeProof
		}
	})
	for _, code := range faults {
		if code != 0 {
			return code
		}
	}
	return 0
}

// checkOldShares holds that a dealer of a reshare deals the share it has, by the
// verifier's own record of the keys.
func checkOldShares(s *session, _ *checkedHello, d *checkedDeal) Code {
	for v, l := range s.lineages {
		want, _ := l.Group.Member(d.sender)
		if want.Bytes() != [pointSize]byte(d.keys[v].points[:pointSize]) {
			return CodeOldShare
		}
	}
	return 0
}

// twinHellos returns the Hellos of two senders that have the same key.
func twinHellos(list []*checkedHello) (a, b *checkedHello, found bool) {
	return twins(list, func(h *checkedHello) [][]byte { return [][]byte{h.key[:]} })
}

// twinDeals returns the Deals of two senders that have a constant term in common.
func twinDeals(list []*checkedDeal) (a, b *checkedDeal, found bool) {
	return twins(list, (*checkedDeal).constants)
}

// twins returns the first two of a list that have a point in common. What stands twice in
// one of them is its sender's own affair.
func twins[M any](list []M, points func(M) [][]byte) (a, b M, found bool) {
	seen := map[string]int{}
	for i, m := range list {
		for _, p := range points(m) {
			if j, twice := seen[string(p)]; twice && j != i {
				return list[j], m, true
			}
			seen[string(p)] = i
		}
	}
	return a, b, false
}

func (d *checkedDeal) constants() [][]byte {
	out := make([][]byte, len(d.keys))
	for v, k := range d.keys {
		out[v] = k.points[:pointSize]
	}
	return out
}
