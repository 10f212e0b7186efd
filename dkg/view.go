package dkg

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// view is one set of Hellos and Deals and what follows from it: all that is decided
// before anybody confirms. It is immutable.
type view struct {
	ssid   [32]byte
	hellos []*checkedHello // by participant
	deals  []*checkedDeal  // by dealer
	groups []*keyshare.Group
	roots  [][]keyshare.Root // what the application has signed with each key
	all    [32]byte          // hash of the roots
	result [32]byte          // T, which all confirm
}

// RootsFunc says what is signed in the ceremony with key number v (from 0 on), whose
// public key is given: a deposit's signing root, say. It must depend on nothing but
// its arguments and the Params, so that all operators get the same. Whatever it
// returns will be signed by the key, at most MaxRoots roots.
type RootsFunc func(v int, key keyshare.PublicKey) ([]keyshare.Root, error)

// newView combines the dealings.
func (s *session) newView(hellos []*checkedHello, deals []*checkedDeal, groups []*keyshare.Group, roots RootsFunc) (*view, error) {
	w := &view{hellos: hellos, deals: deals, groups: groups, roots: make([][]keyshare.Root, len(groups))}
	w.ssid = s.ssid(digestsOf(hellos))
	seen := map[keyshare.PublicKey]bool{}
	for v, g := range groups {
		for _, id := range g.Members() {
			k, _ := g.Member(id)
			if seen[k] {
				return nil, fmt.Errorf("dkg: key %d: two shares are equal", v) // has probability 2^-255
			}
			seen[k] = true
		}
		if roots == nil {
			continue
		}
		list, err := roots(v, g.PublicKey())
		if err != nil {
			return nil, fmt.Errorf("dkg: application roots of key %d: %w", v, err)
		}
		if len(list) > MaxRoots {
			return nil, fmt.Errorf("dkg: %d application roots of key %d, expected at most %d", len(list), v, MaxRoots)
		}
		w.roots[v] = list
	}
	w.all = tagHash(tagTranscript, encodeRoots(w.roots))
	parts := [][]byte{w.ssid[:]}
	for _, d := range deals {
		parts = append(parts, d.digest[:])
	}
	parts = append(parts, w.all[:])
	for _, g := range groups {
		parts = append(parts, pointOf(g.PublicKey()))
		for _, id := range g.Members() {
			k, _ := g.Member(id)
			parts = append(parts, pointOf(k))
		}
	}
	w.result = tagHash(tagTranscript, parts...)
	return w, nil
}

func pointOf(k keyshare.PublicKey) []byte { b := k.Bytes(); return b[:] }

func digestsOf[M interface{ digestOf() [32]byte }](list []M) [][32]byte {
	out := make([][32]byte, len(list))
	for i, m := range list {
		out[i] = m.digestOf()
	}
	return out
}

func (m *message) digestOf() [32]byte { return m.digest }

func encodeRoots(roots [][]keyshare.Root) []byte {
	w := &writer{}
	w.u32(uint32(len(roots)))
	for _, list := range roots {
		w.u32(uint32(len(list)))
		for _, r := range list {
			w.raw(r[:])
		}
	}
	return w.b
}

// confirmRoot is what a receiver signs with its new share of key v to confirm. It is
// no signing root of the consensus layer, which are hashes of another form.
func (w *view) confirmRoot(v int) keyshare.Root { return tagHash(tagConfirm, w.result[:], be32(v)) }

// signed returns all that a receiver signs with its share of key v.
func (w *view) signed(v int) []keyshare.Root {
	return append([]keyshare.Root{w.confirmRoot(v)}, w.roots[v]...)
}

// checkedConfirm is a Confirm whose encoding is right.
type checkedConfirm struct {
	*message
	confirm
	signatures [][]keyshare.Signature // decoded, for each key
}

// checkConfirm makes the checks of a Confirm that need no view.
func (s *session) checkConfirm(m *message) (*checkedConfirm, Code) {
	body, ok := parseConfirm(m.body, s.params, s.receives(m.sender))
	if !ok {
		return nil, CodeEncoding
	}
	at, _ := position(s.people, m.sender)
	for _, k := range body.keys {
		if bytes.Compare(k.sealed, s.people[at].PublicKey.N.FillBytes(make([]byte, keyshare.SealedSize))) >= 0 {
			return nil, CodeEncoding
		}
	}
	return &checkedConfirm{message: m, confirm: *body}, 0
}

// sameDealings reports whether a Confirm is about this view's dealings.
func (w *view) sameDealings(c *checkedConfirm) bool {
	return c.ssid == w.ssid && slices.Equal(c.deals, digestsOf(w.deals))
}

// checkResult checks a Confirm of the view's dealings up to the partial signatures,
// which it decodes.
func (s *session) checkResult(w *view, c *checkedConfirm) Code {
	if c.all() != w.all {
		return CodeRoots
	}
	if c.result != w.result {
		return CodeConfirm
	}
	c.signatures = make([][]keyshare.Signature, len(c.keys))
	faults := make([]Code, len(c.keys))
	parallel.Each(len(c.keys), func(v int) {
		if len(c.keys[v].partials) != 1+len(w.roots[v]) {
			faults[v] = CodePartial
			return
		}
		for _, b := range c.keys[v].partials {
			sig, err := keyshare.ParseSignature(b[:])
			if err != nil {
				faults[v] = CodePartial
				return
			}
			c.signatures[v] = append(c.signatures[v], sig)
		}
	})
	if slices.Contains(faults, CodePartial) {
		return CodePartial
	}
	return 0
}

func (c *confirm) all() [32]byte { return c.roots }

// claims returns what a Confirm says was signed with key v.
func (w *view) claims(c *checkedConfirm, v int) []keyshare.Signed {
	key, _ := w.groups[v].Member(c.sender)
	var out []keyshare.Signed
	for i, root := range w.signed(v) {
		out = append(out, keyshare.Signed{PublicKey: key, Root: root, Signature: c.signatures[v][i]})
	}
	return out
}

// checkPartials verifies the partial signatures of Confirms together, and one by one
// if that fails: it returns the position of the first with a wrong one, or -1.
func (w *view) checkPartials(list []*checkedConfirm) int {
	// A batch costs a pairing for each root, and one and the final exponentiation once:
	// as few batches as there are cores.
	keys := len(w.groups)
	batches := min(runtime.GOMAXPROCS(0), keys)
	good := make([]bool, batches)
	parallel.Each(batches, func(k int) {
		var claims []keyshare.Signed
		for v := k * keys / batches; v < (k+1)*keys/batches; v++ {
			for _, c := range list {
				if len(c.keys) > 0 {
					claims = append(claims, w.claims(c, v)...)
				}
			}
		}
		good[k] = len(claims) == 0 || keyshare.VerifyBatch(claims)
	})
	if !slices.Contains(good, false) {
		return -1
	}
	for i, c := range list {
		for v := range c.keys {
			if !keyshare.VerifyBatch(w.claims(c, v)) {
				return i
			}
		}
	}
	return -1
}

// examineConfirm judges a Confirm.
func (s *session) examineConfirm(m *message, w *view) (*verdict, error) {
	c, code := s.checkConfirm(m)
	if code != 0 {
		return finding(code, RoundConfirm, m.sender), nil
	}
	if w == nil || !w.sameDealings(c) {
		return nil, errUnjudged
	}
	if code = s.checkResult(w, c); code == CodeRoots {
		return nil, errUnjudged
	}
	if code == 0 && w.checkPartials([]*checkedConfirm{c}) == 0 {
		code = CodePartial
	}
	return finding(code, RoundConfirm, m.sender), nil
}

// errTranscript is returned for bytes that are no transcript of the session.
var errTranscript = errors.New("dkg: not a transcript of this session")

// transcriptBytes encodes a view with its Params: all that was sent before the
// Confirms.
func (s *session) transcriptBytes(w *view) []byte {
	out := &writer{}
	out.u16(Version)
	out.counted(s.params.Bytes())
	out.counted(encodeRoots(w.roots))
	out.u32(uint32(len(w.hellos)))
	for _, h := range w.hellos {
		out.counted(h.raw)
	}
	out.u32(uint32(len(w.deals)))
	for _, d := range w.deals {
		out.counted(d.raw)
	}
	return out.b
}

// splitTranscript takes a transcript apart.
func splitTranscript(b []byte) (params []byte, roots [][]keyshare.Root, hellos, deals [][]byte, err error) {
	r := &reader{b: b}
	if v := r.u16(); v != Version && !r.fault {
		return nil, nil, nil, nil, &VersionError{Peer: v}
	}
	params = r.counted(MaxMessage)
	rr := &reader{b: r.counted(MaxMessage)}
	for range rr.count(MaxKeys, 4) {
		var list []keyshare.Root
		for range rr.count(MaxRoots, 32) {
			list = append(list, rr.hash())
		}
		roots = append(roots, list)
	}
	for range r.count(MaxOperators, 4) {
		hellos = append(hellos, r.counted(MaxMessage))
	}
	for range r.count(MaxOperators, 4) {
		deals = append(deals, r.counted(MaxMessage))
	}
	if !r.done() || !rr.done() {
		return nil, nil, nil, nil, errTranscript
	}
	return params, roots, hellos, deals, nil
}

// readTranscript checks a transcript of the session as a party checks what it
// receives.
func (s *session) readTranscript(b []byte) (*view, error) {
	params, roots, hellos, deals, err := splitTranscript(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(params, s.params.Bytes()) || len(roots) != s.params.Keys || len(hellos) != len(s.people) || len(deals) != len(s.dealers) {
		return nil, errTranscript
	}
	var hs []*checkedHello
	for i, raw := range hellos {
		m, err := s.expect(raw, RoundHello, s.people[i].ID)
		if err != nil {
			return nil, err
		}
		h, code := s.checkHello(m)
		if code != 0 {
			return nil, fmt.Errorf("dkg: transcript: Hello of operator %d: %s", m.sender, code)
		}
		hs = append(hs, h)
	}
	if a, b, found := twinHellos(hs); found {
		return nil, fmt.Errorf("dkg: transcript: Hellos of operators %d and %d: %s", a.sender, b.sender, CodeDuplicate)
	}
	ssid := s.ssid(digestsOf(hs))
	var ds []*checkedDeal
	for i, raw := range deals {
		m, err := s.expect(raw, RoundDeal, s.dealers[i].ID)
		if err != nil {
			return nil, err
		}
		d, code := s.checkDeal(s.helloOf(hs, m.sender), m)
		if code != 0 {
			return nil, fmt.Errorf("dkg: transcript: Deal of operator %d: %s", m.sender, code)
		}
		if d.ssid != ssid {
			return nil, fmt.Errorf("dkg: transcript: Deal of operator %d belongs to other Hellos", m.sender)
		}
		ds = append(ds, d)
	}
	if a, b, found := twinDeals(ds); found {
		return nil, fmt.Errorf("dkg: transcript: Deals of operators %d and %d: %s", a.sender, b.sender, CodeDuplicate)
	}
	groups, err := s.groups(ds)
	if err != nil {
		return nil, err
	}
	return s.newView(hs, ds, groups, func(v int, _ keyshare.PublicKey) ([]keyshare.Root, error) { return roots[v], nil })
}

// expect opens a message that must be of a round and a sender.
func (s *session) expect(raw []byte, round Round, sender keyshare.Index) (*message, error) {
	m, err := s.open(raw)
	if err != nil {
		return nil, err
	}
	if m.round != round || m.sender != sender {
		return nil, fmt.Errorf("dkg: a %s of operator %d, expected the %s of operator %d", m.round, m.sender, round, sender)
	}
	return m, nil
}
