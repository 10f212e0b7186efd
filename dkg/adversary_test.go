package dkg

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// An adversary is an operator that has its keys and follows the protocol but for one
// change to what it sends.
type adversary struct {
	name string

	// points changes the commitments before the adversary announces them, so that
	// they open.
	points func(a *attack, keys []dealtKey)
	hello  func(a *attack, h *hello)
	deal   func(a *attack, d *deal)
	conf   func(a *attack, c *confirm)

	// body changes encoded bytes of a round; raw what is sent of it, once it is
	// signed, to each receiver.
	round Round
	body  func(b []byte) []byte
	raw   func(a *attack, to keyshare.Index, raw []byte) [][]byte

	want     Code // what the adversary is blamed for; 0: nobody is blamed
	succeeds bool // the ceremony succeeds all the same
}

// attack is one run of an adversary.
type attack struct {
	*adversary
	w    *net
	id   keyshare.Index
	sent map[Round][]byte
}

func (a *attack) party() *Party { return a.w.nodes[a.id].party }

// resign signs a changed body.
func (a *attack) resign(round Round, body []byte) *message {
	p := a.party()
	m, err := sign(round, p.id, p.me, p.config.Identity, body)
	require.NoError(a.w.t, err)
	return m
}

// mutate is the network's hook.
func (a *attack) mutate(from, to keyshare.Index, raw []byte) [][]byte {
	if from != a.id {
		return [][]byte{raw}
	}
	m, err := parseMessage(raw)
	require.NoError(a.w.t, err)
	if a.sent[m.round] == nil {
		a.sent[m.round] = a.change(m)
	}
	raw = a.sent[m.round]
	if m.round == RoundComplaint {
		return nil // it does not complain of what it does
	}
	if a.raw != nil && a.round == m.round {
		return a.raw(a, to, raw)
	}
	return [][]byte{raw}
}

func (a *attack) change(m *message) []byte {
	p := a.party()
	body := m.body
	switch m.round {
	case RoundHello:
		h, _ := parseHello(body)
		if a.points != nil {
			keys, salt, err := p.commitments()
			require.NoError(a.w.t, err)
			a.points(a, keys)
			h.commit = p.commitmentTo(a.id, salt, keys)
		}
		if a.hello != nil {
			a.hello(a, h)
		}
		body = h.bytes()
	case RoundDeal:
		d, _ := parseDeal(body, p.params)
		if a.points != nil {
			a.points(a, d.keys)
		}
		if a.deal != nil {
			a.deal(a, d)
		}
		body = d.bytes()
	case RoundConfirm:
		c, _ := parseConfirm(body, p.params, true)
		if a.conf != nil {
			a.conf(a, c)
		}
		body = c.bytes()
	}
	if a.body != nil && a.round == m.round {
		body = a.body(slices.Clone(body))
	}
	changed := a.resign(m.round, body)
	if m.round == RoundHello { // the adversary's own view is that of the others
		p.slots[slot{RoundHello, a.id}] = changed
		if h, code := p.checkHello(changed); code == 0 {
			at, _ := position(p.people, a.id)
			p.hellos[at] = h
		}
	}
	return changed.raw
}

// oracle holds what must be true of every run, whatever the guilty do.
func (w *net) oracle(guilty ...keyshare.Index) (codes map[Code]int) {
	codes = map[Code]int{}
	var first *Outcome
	var certified *Outcome
	for _, id := range w.order {
		if slices.Contains(guilty, id) {
			continue
		}
		n := w.nodes[id]
		require.NoError(w.t, n.err, "operator %d", id)
		if o := n.party.Outcome(); o != nil {
			if first == nil {
				first = o
			}
			requireSameKeys(w.t, first, o) // no two honest outcomes differ
			certified = o
		}
		abort := n.party.Abort()
		if abort == nil {
			continue
		}
		codes[abort.Code]++
		for _, f := range abort.Faulty { // only the guilty are blamed
			require.Contains(w.t, guilty, f, "%v", abort)
		}
		if abort.Code.Provable() { // and the evidence convinces a third party
			var transcript []byte
			if n.party.view != nil {
				transcript = n.party.transcriptBytes(n.party.view)
			}
			faulty, code, err := VerifyEvidence(n.config.Params, n.config.Lineages, transcript, abort.Evidence)
			require.NoError(w.t, err, "%v", abort)
			require.Equal(w.t, abort.Faulty, faulty)
			require.Equal(w.t, abort.Code, code)
		}
	}
	if certified != nil { // one success is everybody's
		for _, id := range certified.Params.members() {
			if !slices.Contains(guilty, id) {
				w.requireRecovers(id, certified)
			}
		}
	}
	return codes
}

func TestAdversaries(t *testing.T) {
	for i, adv := range adversaries(t) {
		t.Run(adv.name, func(t *testing.T) {
			w := newNet(t, generateParams(t, 4, 3, 2), uint64(i))
			a := &attack{adversary: &adv, w: w, id: 22, sent: map[Round][]byte{}}
			w.mutate = a.mutate
			w.run()
			codes := w.oracle(a.id)
			if adv.want != 0 {
				require.Positive(t, codes[adv.want], "%v", codes)
				require.Len(t, codes, 1, "%v", codes)
				return
			}
			require.Empty(t, codes)
			if adv.succeeds {
				require.Len(t, w.outcomes(), 4)
				return
			}
			for id, n := range w.nodes { // they wait for the adversary and say so
				if round, silent, _ := n.party.Waiting(); id != a.id {
					require.Equal(t, []keyshare.Index{a.id}, silent, "%s", round)
				}
			}
		})
	}
}
