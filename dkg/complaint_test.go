package dkg

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

// Complaints that are not true fall back on who makes them.
func TestFalseComplaints(t *testing.T) {
	const accused = keyshare.Index(33)
	stub := func(p *Party, r Round, id keyshare.Index) []byte { return p.slots[slot{r, id}].stub() }
	hello := func(p *Party, id keyshare.Index) []byte { return p.slots[slot{RoundHello, id}].raw }
	dealt := func(p *Party, id keyshare.Index) []byte { return p.slots[slot{RoundDeal, id}].raw }
	about := func(code Code, messages func(p *Party) [][]byte) func(p *Party) *complaint {
		return func(p *Party) *complaint { return &complaint{accused: accused, code: code, messages: messages(p)} }
	}
	both := func(p *Party) [][]byte { return [][]byte{hello(p, accused), dealt(p, accused)} }
	revealed := func(code Code, change func(p *Party, c *complaint)) func(p *Party) *complaint {
		return func(p *Party) *complaint {
			c := &complaint{accused: accused, code: code, messages: append(both(p), hello(p, p.me.ID))}
			require.NoError(t, p.reveal(c, p.ssid(digestsOf(p.hellos)), p.hellos))
			change(p, c)
			return c
		}
	}
	list := map[string]func(p *Party) *complaint{
		"no evidence":                 about(CodeProof, func(*Party) [][]byte { return nil }),
		"evidence of another":         about(CodeProof, func(p *Party) [][]byte { return [][]byte{hello(p, 11), dealt(p, 11)} }),
		"evidence that is no message": about(CodeProof, func(*Party) [][]byte { return [][]byte{{1, 2, 3}} }),
		"forged evidence":             about(CodeProof, func(p *Party) [][]byte { h := slices.Clone(hello(p, accused)); h[60] ^= 1; return [][]byte{h} }),
		"one message twice": about(CodeEquivocation, func(p *Party) [][]byte {
			return [][]byte{stub(p, RoundHello, accused), stub(p, RoundHello, accused)}
		}),
		"messages of two rounds": about(CodeEquivocation, func(p *Party) [][]byte {
			return [][]byte{stub(p, RoundHello, accused), stub(p, RoundDeal, accused)}
		}),
		"messages of two operators": about(CodeEquivocation, func(p *Party) [][]byte {
			return [][]byte{stub(p, RoundHello, accused), stub(p, RoundHello, 11)}
		}),
		"a stub of another body": about(CodeEquivocation, func(p *Party) [][]byte {
			m := *p.slots[slot{RoundHello, accused}]
			m.bodyHash[0] ^= 1
			return [][]byte{stub(p, RoundHello, accused), m.stub()}
		}),
		"whole messages for stubs":      about(CodeEquivocation, both),
		"a good Hello":                  about(CodeProof, func(p *Party) [][]byte { return [][]byte{hello(p, accused)} }),
		"good Hellos, as twins":         about(CodeDuplicate, func(p *Party) [][]byte { return [][]byte{hello(p, accused), hello(p, 11)} }),
		"a Hello as its own twin":       about(CodeDuplicate, func(p *Party) [][]byte { return [][]byte{hello(p, accused), hello(p, accused)} }),
		"a good Deal":                   about(CodeOpening, both),
		"good Deals, as twins":          about(CodeDuplicate, func(p *Party) [][]byte { return append(both(p), hello(p, 11), dealt(p, 11)) }),
		"a Deal as its own twin":        about(CodeDuplicate, func(p *Party) [][]byte { return append(both(p), both(p)...) }),
		"another's Hello for the Deal":  about(CodeOpening, func(p *Party) [][]byte { return [][]byte{hello(p, accused), dealt(p, 11)} }),
		"only the Deal":                 about(CodeOpening, func(p *Party) [][]byte { return [][]byte{dealt(p, accused)} }),
		"a code that does not exist":    about(99, both),
		"of who takes no part":          func(p *Party) *complaint { return &complaint{accused: 99, code: CodeOpening, messages: both(p)} },
		"of itself":                     func(p *Party) *complaint { return &complaint{accused: 22, code: CodeOpening, messages: both(p)} },
		"a good share, as not sealed":   revealed(CodeSealed, func(*Party, *complaint) {}),
		"a good share, as off":          revealed(CodeShare, func(*Party, *complaint) {}),
		"another secret":                revealed(CodeSealed, func(p *Party, c *complaint) { copy(c.shared[:], anotherPoint(t)) }),
		"no secret":                     revealed(CodeSealed, func(p *Party, c *complaint) { copy(c.shared[:], infinityPoint) }),
		"a bad proof of the secret":     revealed(CodeSealed, func(p *Party, c *complaint) { flip(c.proof[:]) }),
		"a key that does not exist":     revealed(CodeSealed, func(p *Party, c *complaint) { c.v = 2 }),
		"other Hellos than were sealed": revealed(CodeSealed, func(p *Party, c *complaint) { flip(c.hellos[0][:]) }),
		"another Hello of its own": revealed(CodeSealed, func(p *Party, c *complaint) {
			// It has a key whose secret the accuser knows, but the accused did not seal to it.
			h, _ := parseHello(p.own(RoundHello).body)
			h.nonce[0] ^= 1
			m, err := sign(RoundHello, p.id, p.me, p.config.Identity, h.bytes())
			require.NoError(t, err)
			c.messages[2] = m.raw
		}),
	}
	for name, make := range list {
		t.Run(name, func(t *testing.T) {
			w := newNet(t, generateParams(t, 4, 3, 2), 7)
			w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
				m, err := parseMessage(raw)
				require.NoError(t, err)
				if from != 22 || m.round != RoundConfirm {
					return [][]byte{raw}
				}
				p := w.nodes[22].party
				false, err := p.signComplaint(make(p), p.me, p.config.Identity)
				require.NoError(t, err)
				return [][]byte{false.raw}
			}
			w.runKeepingSeed(22)
			codes := w.oracle(22)
			require.Equal(t, map[Code]int{CodeComplaint: 3}, codes)
		})
	}
}

// A Complaint that can not be read blames who sent it, and is the proof.
func TestMalformedComplaint(t *testing.T) {
	good := (&complaint{accused: 33, code: CodeProof}).bytes()
	for _, body := range [][]byte{nil, good[:len(good)-1], append(good, 0)} {
		w := newNet(t, generateParams(t, 3, 3, 1), 1)
		w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
			if from != 22 {
				return [][]byte{raw}
			}
			p := w.nodes[22].party
			m, err := sign(RoundComplaint, p.id, p.me, p.config.Identity, body)
			require.NoError(t, err)
			return [][]byte{m.raw}
		}
		w.run()
		require.Equal(t, map[Code]int{CodeEncoding: 2}, w.oracle(22))
	}
}

// runKeepingSeed runs the network with a copy of an operator's seed, which it would
// lose when it confirms.
func (w *net) runKeepingSeed(id keyshare.Index) {
	for _, id := range w.order {
		w.start(id)
	}
	p, inner := w.nodes[id].party, w.mutate
	seed := cloneSeed(w.t, p.seed)
	w.mutate = func(from, to keyshare.Index, raw []byte) [][]byte {
		p.seed = cloneSeed(w.t, seed)
		return inner(from, to, raw)
	}
	w.drain()
}

func cloneSeed(t testing.TB, k *keyshare.SecretKey) *keyshare.SecretKey {
	var out *keyshare.SecretKey
	require.NoError(t, k.Use(func(b []byte) (err error) { out, err = keyshare.ParseSecretKey(b); return err }))
	return out
}

// Two who collude and use one key, or deal one constant, are both blamed, and nobody
// else: a key can not be copied from who does not give its secret away.
func TestTwins(t *testing.T) {
	t.Run("Hellos", func(t *testing.T) {
		w := newNet(t, generateParams(t, 4, 3, 1), 3)
		w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
			m, _ := parseMessage(raw)
			if from != 33 || m.round != RoundHello {
				return [][]byte{raw}
			}
			return [][]byte{twinHello(t, w.nodes[22].party, w.nodes[33].party).raw}
		}
		for _, id := range w.order { // 22 first
			w.start(id)
		}
		w.drain()
		require.Equal(t, map[Code]int{CodeDuplicate: 2}, w.oracle(22, 33))
		require.Equal(t, []keyshare.Index{22, 33}, w.nodes[11].party.Abort().Faulty)
	})
	t.Run("Deals", func(t *testing.T) {
		w := newNet(t, generateParams(t, 4, 3, 1), 3)
		for _, id := range w.order {
			w.start(id)
		}
		w.redeal(33, polynomialOf(t, w.nodes[22].party)) // 22 has told it
		w.drain()
		require.Equal(t, map[Code]int{CodeDuplicate: 2}, w.oracle(22, 33))
		require.Equal(t, []keyshare.Index{22, 33}, w.nodes[44].party.Abort().Faulty)
	})
}

// twinHello is a Hello of b with a's key, whose secret b knows and proves in its own name.
func twinHello(t testing.TB, a, b *Party) *checkedHello {
	h, _ := parseHello(b.own(RoundHello).body)
	require.NoError(t, a.use(roleKey, 0, 0, func(e []byte) error {
		k, err := bls.PublicKeyOf(e)
		require.NoError(t, err)
		h.key = k.Bytes()
		nonce, err := bls.GenerateScalar()
		require.NoError(t, err)
		proof, err := bls.Prove(e, nonce.Bytes(), b.possession(b.me.ID, h.key))
		h.proof = proofBytes(proof)
		return err
	}))
	twin, err := sign(RoundHello, b.id, b.me, b.config.Identity, h.bytes())
	require.NoError(t, err)
	checked, code := b.checkHello(twin)
	require.Zero(t, code)
	return checked
}

// redeal gives an operator another Deal in the place of its own, and the Hello that
// announces it, before anybody has got its Hello.
func (w *net) redeal(id keyshare.Index, polynomials ...*bls.Polynomial) {
	p := w.nodes[id].party
	seed := cloneSeed(w.t, p.seed)
	var keys []dealtKey
	for _, f := range polynomials {
		var k dealtKey
		for _, c := range f.Commit() {
			b := c.Bytes()
			k.points = append(k.points, b[:]...)
		}
		keys = append(keys, k)
	}
	h, _ := parseHello(p.own(RoundHello).body)
	_, salt, err := p.commitments()
	require.NoError(w.t, err)
	h.commit = p.commitmentTo(id, salt, keys)
	changed, err := sign(RoundHello, p.id, p.me, p.config.Identity, h.bytes())
	require.NoError(w.t, err)
	p.slots[slot{RoundHello, id}] = changed
	at, _ := position(p.people, id)
	p.hellos[at], _ = p.checkHello(changed)
	for i, packet := range w.queue {
		if packet.from == id {
			w.queue[i].raw = changed.raw
		}
	}
	var dealt []byte
	w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
		m, err := parseMessage(raw)
		require.NoError(w.t, err)
		if from == id && m.round == RoundComplaint {
			return nil // of the Deal that it made first
		}
		if from != id || m.round != RoundDeal {
			return [][]byte{raw}
		}
		if dealt != nil {
			return [][]byte{dealt}
		}
		d, _ := parseDeal(m.body, p.params)
		p.seed = cloneSeed(w.t, seed) // which it has lost when it complained of itself
		for v, f := range polynomials {
			d.keys[v].points = keys[v].points
			require.NoError(w.t, f.UseConstant(func(c []byte) error {
				nonce, err := bls.GenerateScalar()
				require.NoError(w.t, err)
				proof, err := bls.Prove(c, nonce.Bytes(), p.knowledge(d.ssid, id, v, keys[v].points[:pointSize]))
				b := proofBytes(proof)
				d.keys[v].proof = b[:]
				return err
			}))
			for j, o := range p.params.Operators {
				share, err := f.Evaluate(uint64(o.ID))
				require.NoError(w.t, err)
				sealFor(&attack{w: w, id: id}, d, v, j, share.Bytes())
			}
		}
		changed, err := sign(RoundDeal, p.id, p.me, p.config.Identity, d.bytes())
		require.NoError(w.t, err)
		dealt = changed.raw
		return [][]byte{dealt}
	}
}

// Who deals one constant for two keys harms nobody, and can not make a twin of another of it.
func TestOneConstantTwice(t *testing.T) {
	deals := map[keyshare.Index]*message{}
	w := newNet(t, generateParams(t, 4, 3, 2), 3)
	for _, id := range w.order {
		w.start(id)
	}
	f := polynomialOf(t, w.nodes[33].party)
	w.redeal(33, f, f)
	change := w.mutate
	w.mutate = func(from, to keyshare.Index, raw []byte) [][]byte {
		m, err := parseMessage(raw)
		require.NoError(t, err)
		if from == 33 && m.round == RoundConfirm { // of the Deal that it made first
			return nil
		}
		out := change(from, to, raw)
		if len(out) > 0 && m.round == RoundDeal {
			deals[from], err = parseMessage(out[0])
			require.NoError(t, err)
		}
		return out
	}
	w.drain()
	require.Empty(t, w.oracle(33), "honest parties confirm")
	require.NotNil(t, w.nodes[11].party.own(RoundConfirm))

	p := w.nodes[11].party
	hello := func(id keyshare.Index) []byte { return p.slots[slot{RoundHello, id}].raw }
	for _, accused := range [][2]keyshare.Index{{11, 33}, {33, 11}} {
		c := &complaint{accused: accused[0], code: CodeDuplicate}
		for _, id := range accused {
			c.messages = append(c.messages, hello(id), deals[id].raw)
		}
		liar := w.nodes[33].party
		m, err := liar.signComplaint(c, liar.me, liar.config.Identity)
		require.NoError(t, err)
		faulty, code, err := VerifyEvidence(p.params, nil, nil, m.raw)
		require.NoError(t, err)
		require.Equal(t, CodeComplaint, code)
		require.Equal(t, []keyshare.Index{33}, faulty)
	}
}

// Transcripts in which two dealt one constant are refused, whoever confirmed them.
func TestTwinsInTranscript(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 3)
	for _, id := range w.order {
		w.start(id)
	}
	twin := twinHello(t, w.nodes[22].party, w.nodes[33].party)
	w.redeal(33, polynomialOf(t, w.nodes[22].party))
	w.drain()
	require.Equal(t, map[Code]int{CodeDuplicate: 1}, w.oracle(22, 33))
	p := w.nodes[11].party
	groups, err := p.groups(p.checked)
	require.NoError(t, err)
	view, err := p.newView(p.hellos, p.checked, groups, nil)
	require.NoError(t, err)
	_, err = p.readTranscript(p.transcriptBytes(view))
	require.ErrorContains(t, err, "Deals of operators 22 and 33: B08")
	view.hellos = []*checkedHello{p.hellos[0], p.hellos[1], twin}
	_, err = p.readTranscript(p.transcriptBytes(view))
	require.ErrorContains(t, err, "Hellos of operators 22 and 33: B08")
}

// However long the two messages of one slot are, the Complaint of them is a short one that
// others take, and that the party can open again.
func TestEquivocationOfLongMessages(t *testing.T) {
	w := newNet(t, generateParams(t, 4, 3, 2), 1)
	for _, id := range w.order {
		w.start(id)
	}
	w.drain()
	w = newNet(t, w.nodes[11].config.Params, 1)
	for _, id := range w.order {
		w.start(id)
	}
	p := w.nodes[22].party
	var long [][]byte
	for i := range byte(2) {
		body := make([]byte, p.longest(RoundComplaint))
		body[0] = i
		m, err := sign(RoundComplaint, p.id, p.me, p.config.Identity, body)
		require.NoError(t, err)
		long = append(long, m.raw)
	}
	require.True(t, w.step(11, long...))
	judge := w.nodes[11].party
	require.Equal(t, CodeEquivocation, judge.Abort().Code)
	require.Less(t, len(judge.Abort().Evidence), 2000)
	w.drain()
	require.Equal(t, 3, w.oracle(22)[CodeEquivocation])
	again, err := New(w.nodes[11].config, w.nodes[11].journal)
	require.NoError(t, err)
	_, err = again.Step()
	require.NoError(t, err)
	require.Equal(t, judge.Abort(), again.Abort())
}

func TestVerifyEvidenceRefusals(t *testing.T) {
	w := newNet(t, generateParams(t, 4, 3, 1), 1)
	w.run()
	p := w.nodes[11].config.Params
	_, _, err := VerifyEvidence(p, nil, nil, nil)
	require.ErrorIs(t, err, errMessage)
	_, _, err = VerifyEvidence(p, nil, nil, w.nodes[11].journal[0])
	require.ErrorContains(t, err, "evidence is a Hello, expected a Complaint")
	other := generateParams(t, 4, 3, 1)
	_, _, err = VerifyEvidence(other, nil, nil, w.nodes[11].journal[0])
	require.ErrorContains(t, err, "message of session")

	// About a Confirm, a judge needs the transcript.
	a := w.nodes[11].party
	m, err := a.signComplaint(&complaint{accused: 22, code: CodePartial, messages: [][]byte{a.slots[slot{RoundConfirm, 22}].raw}}, a.me, a.config.Identity)
	require.NoError(t, err)
	_, _, err = VerifyEvidence(p, nil, nil, m.raw)
	require.ErrorIs(t, err, errUnjudged)
	faulty, code, err := VerifyEvidence(p, nil, a.Outcome().Transcript, m.raw)
	require.NoError(t, err)
	require.Equal(t, CodeComplaint, code)
	require.Equal(t, []keyshare.Index{11}, faulty)
}

// polynomialOf is what a party deals for key 0.
func polynomialOf(t testing.TB, p *Party) *bls.Polynomial {
	h, err := newDeriver()
	require.NoError(t, err)
	defer h.destroy()
	f, err := p.polynomial(h, 0)
	require.NoError(t, err)
	return f
}
