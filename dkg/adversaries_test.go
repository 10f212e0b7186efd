package dkg

import (
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
)

// edgePoints are encodings of points that no consumer may take.
func edgePoints(t testing.TB) map[string][]byte {
	var file struct {
		Infinity string `json:"g1_infinity"`
		X4       string `json:"g1_on_curve_not_in_subgroup_x4"`
		Chia     string `json:"g1_not_in_subgroup_chia271_x_dec"`
	}
	vectors.JSON(t, "dkg/edge_encodings.json", &file)
	points := map[string][]byte{}
	for name, text := range map[string]string{"infinity": file.Infinity, "x = 4": file.X4} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		points[name] = b
	}
	x, ok := new(big.Int).SetString(file.Chia, 10)
	require.True(t, ok)
	points["Chia issue 271"] = x.FillBytes(make([]byte, pointSize))
	points["Chia issue 271"][0] |= 0x80
	for name, b := range points {
		require.Len(t, b, pointSize, name)
	}
	return points
}

func flip(b []byte) { b[len(b)-1] ^= 1 }

// anotherPoint is a point whose scalar nobody uses.
func anotherPoint(t testing.TB) []byte {
	sk, err := bls.GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	k, err := bls.PublicKeyOf(sk.Bytes())
	require.NoError(t, err)
	b := k.Bytes()
	return b[:]
}

var (
	infinityPoint = append([]byte{0xc0}, make([]byte, pointSize-1)...)
	notOnCurve    = append([]byte{0x80}, append(make([]byte, pointSize-2), 1)...)
	lowOrder      = append([]byte{0x80}, append(make([]byte, pointSize-2), 4)...) // x = 4, not in the subgroup
	notCanonical  = append([]byte{0x9f}, slices.Repeat([]byte{0xff}, pointSize-1)...)
)

func setPoint(k *dealtKey, i int, b []byte) {
	k.points = slices.Clone(k.points)
	copy(k.points[i*pointSize:], b)
}

// sealFor puts a chosen share for a receiver into the adversary's Deal.
func sealFor(a *attack, d *deal, v, j int, share []byte) {
	p := a.party()
	points, err := p.sharedPoints(p.params.Operators, p.hellos)
	require.NoError(a.w.t, err)
	h, err := newDeriver()
	require.NoError(a.w.t, err)
	defer h.destroy()
	key := make([]byte, 32)
	p.padKey(h, key, points[j].Bytes(), d.ssid, v, p.helloOf(p.hellos, a.id), p.helloOf(p.hellos, p.params.Operators[j].ID))
	sealed, err := secret.SealOnce(share, key)
	require.NoError(a.w.t, err)
	d.keys[v].sealed = slices.Clone(d.keys[v].sealed)
	copy(d.keys[v].sealed[j*sealedSize:], sealed)
}

// twice sends the message as it is to one half and changed to the other.
func twice(change func(a *attack, raw []byte) []byte) func(*attack, keyshare.Index, []byte) [][]byte {
	var other []byte
	var of *net
	return func(a *attack, to keyshare.Index, raw []byte) [][]byte {
		if of != a.w {
			of, other = a.w, change(a, raw)
		}
		if to >= 33 {
			return [][]byte{other}
		}
		return [][]byte{raw}
	}
}

func changeBody(f func(a *attack, b []byte) []byte) func(*attack, []byte) []byte {
	return func(a *attack, raw []byte) []byte {
		m, err := parseMessage(raw)
		require.NoError(a.w.t, err)
		return a.resign(m.round, f(a, slices.Clone(m.body))).raw
	}
}

// helloOffsets in the body.
const offNonce = pointSize + proofSize

func adversaries(t testing.TB) []adversary {
	list := []adversary{
		{name: "honest", succeeds: true},

		// Hello, field by field.
		{name: "hello: key at infinity", hello: func(_ *attack, h *hello) { copy(h.key[:], infinityPoint) }, want: CodePoint},
		{name: "hello: key off the curve", hello: func(_ *attack, h *hello) { copy(h.key[:], notOnCurve) }, want: CodePoint},
		{name: "hello: key outside the subgroup", hello: func(_ *attack, h *hello) { copy(h.key[:], lowOrder) }, want: CodePoint},
		{name: "hello: key not canonical", hello: func(_ *attack, h *hello) { copy(h.key[:], notCanonical) }, want: CodePoint},
		{name: "hello: key without its secret", hello: func(_ *attack, h *hello) { copy(h.key[:], anotherPoint(t)) }, want: CodeProof},
		{name: "hello: another's key and proof", hello: func(a *attack, h *hello) {
			if a.w.nodes[11].party == nil {
				a.w.start(11)
			}
			other, _ := parseHello(a.w.nodes[11].party.own(RoundHello).body)
			h.key, h.proof = other.key, other.proof
		}, want: CodeProof},
		{name: "hello: proof's point", hello: func(_ *attack, h *hello) { copy(h.proof[:], notOnCurve) }, want: CodePoint},
		{name: "hello: proof's response", hello: func(_ *attack, h *hello) { flip(h.proof[:]) }, want: CodeProof},
		{name: "hello: proof's response zero", hello: func(_ *attack, h *hello) { clear(h.proof[pointSize:]) }, want: CodeProof},
		{name: "hello: another nonce", hello: func(_ *attack, h *hello) { flip(h.nonce[:]) }, succeeds: true},
		{name: "hello: another commitment", hello: func(_ *attack, h *hello) { flip(h.commit[:]) }, want: CodeOpening},
		{name: "hello: no sealed seed", hello: func(_ *attack, h *hello) { h.wrap = nil }, succeeds: true},
		{name: "hello: useless sealed seed", hello: func(_ *attack, h *hello) { flip(h.wrap) }, succeeds: true},
		{name: "hello: short sealed seed", hello: func(_ *attack, h *hello) { h.wrap = h.wrap[1:] }, want: CodeEncoding},
		{name: "hello: cut off", round: RoundHello, body: func(b []byte) []byte { return b[:len(b)-1] }, want: CodeEncoding},
		{name: "hello: more bytes", round: RoundHello, body: func(b []byte) []byte { return append(b, 0) }, want: CodeEncoding},
		{name: "hello: empty", round: RoundHello, body: func([]byte) []byte { return nil }, want: CodeEncoding},
		{name: "hello: two", round: RoundHello, raw: twice(changeBody(func(_ *attack, b []byte) []byte { b[offNonce] ^= 1; return b })), want: CodeEquivocation},

		// Deal, field by field.
		{name: "deal: other session", deal: func(_ *attack, d *deal) { flip(d.ssid[:]) }},
		{name: "deal: salt", deal: func(_ *attack, d *deal) { flip(d.salt[:]) }, want: CodeOpening},
		{name: "deal: a commitment that was not announced", deal: func(_ *attack, d *deal) { setPoint(&d.keys[1], 1, anotherPoint(t)) }, want: CodeOpening},
		{name: "deal: one commitment fewer", deal: func(_ *attack, d *deal) { d.keys[0].points = d.keys[0].points[pointSize:] }, want: CodeCount},
		{name: "deal: one commitment more", deal: func(_ *attack, d *deal) {
			d.keys[1].points = append(slices.Clone(d.keys[1].points), anotherPoint(t)...)
		}, want: CodeCount},
		{name: "deal: no commitments", deal: func(_ *attack, d *deal) { d.keys[0].points = nil }, want: CodeCount},
		{name: "deal: commitments at another's degree, announced", points: func(_ *attack, keys []dealtKey) {
			keys[0].points = append(slices.Clone(keys[0].points), anotherPoint(t)...)
		}, want: CodeCount},
		{name: "deal: constant at infinity", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[1], 0, infinityPoint) }, want: CodeZero},
		{name: "deal: coefficient at infinity", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[1], 1, infinityPoint) }, want: CodePoint},
		{name: "deal: point off the curve", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 2, notOnCurve) }, want: CodePoint},
		{name: "deal: point outside the subgroup", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 2, lowOrder) }, want: CodePoint},
		{name: "deal: constant outside the subgroup", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 0, lowOrder) }, want: CodePoint},
		{name: "deal: point not canonical", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 1, notCanonical) }, want: CodePoint},
		{name: "deal: constant without its secret", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 0, fixedPoint(t)) }, want: CodeProof},
		{name: "deal: coefficient of another polynomial", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[1], 2, fixedPoint(t)) }, want: CodeShare},
		{name: "deal: proof's point", deal: func(_ *attack, d *deal) { copy(d.keys[1].proof, lowOrder) }, want: CodePoint},
		{name: "deal: proof's response", deal: func(_ *attack, d *deal) { flip(d.keys[1].proof) }, want: CodeProof},
		{name: "deal: proof of another key", deal: func(_ *attack, d *deal) { d.keys[1].proof = d.keys[0].proof }, want: CodeProof},
		{name: "deal: proof of an earlier session", deal: func(a *attack, d *deal) { proveAgain(a, d, [32]byte{1}, a.id) }, want: CodeProof},
		{name: "deal: proof in another's name", deal: func(a *attack, d *deal) { proveAgain(a, d, d.ssid, 11) }, want: CodeProof},
		{name: "deal: a ciphertext", deal: func(_ *attack, d *deal) { d.keys[0].sealed[3*sealedSize+5] ^= 1 }, want: CodeSealed},
		{name: "deal: ciphertexts swapped", deal: func(_ *attack, d *deal) {
			s := d.keys[0].sealed
			copy(s, slices.Concat(s[2*sealedSize:3*sealedSize], s[sealedSize:2*sealedSize], s[:sealedSize], s[3*sealedSize:]))
		}, want: CodeSealed},
		{name: "deal: ciphertext of another key", deal: func(_ *attack, d *deal) { copy(d.keys[0].sealed, d.keys[1].sealed) }, want: CodeSealed},
		{name: "deal: share of zero", deal: func(a *attack, d *deal) { sealFor(a, d, 1, 0, make([]byte, 32)) }, want: CodeSealed},
		{name: "deal: share above the order", deal: func(a *attack, d *deal) { sealFor(a, d, 1, 0, slices.Repeat([]byte{0xff}, 32)) }, want: CodeSealed},
		{name: "deal: wrong share", deal: func(a *attack, d *deal) { sealFor(a, d, 1, 2, append(make([]byte, 31), 7)) }, want: CodeShare},
		{name: "deal: a share of another receiver", deal: func(a *attack, d *deal) {
			f := polynomialOf(t, a.party())
			share, err := f.Evaluate(33)
			require.NoError(t, err)
			sealFor(a, d, 0, 3, share.Bytes())
		}, want: CodeShare},
		{name: "deal: one key fewer", deal: func(_ *attack, d *deal) { d.keys = d.keys[:1] }, want: CodeEncoding},
		{name: "deal: one share fewer", deal: func(_ *attack, d *deal) { d.keys[1].sealed = d.keys[1].sealed[sealedSize:] }, want: CodeEncoding},
		{name: "deal: cut off", round: RoundDeal, body: func(b []byte) []byte { return b[:len(b)-1] }, want: CodeEncoding},
		{name: "deal: cut off in the counts", round: RoundDeal, body: func(b []byte) []byte { return b[:69] }, want: CodeEncoding},
		{name: "deal: more bytes", round: RoundDeal, body: func(b []byte) []byte { return append(b, 0) }, want: CodeEncoding},
		{name: "deal: two", round: RoundDeal, raw: twice(changeBody(func(_ *attack, b []byte) []byte {
			b[len(b)-3*sealedSize] ^= 1 // of the share to itself
			return b
		})), want: CodeEquivocation},
		{name: "deal: none", round: RoundDeal, raw: func(*attack, keyshare.Index, []byte) [][]byte { return nil }},

		// Confirm, field by field.
		{name: "confirm: other session", conf: func(_ *attack, c *confirm) { flip(c.ssid[:]) }},
		{name: "confirm: other dealings", conf: func(_ *attack, c *confirm) { flip(c.deals[2][:]) }},
		{name: "confirm: other roots", conf: func(_ *attack, c *confirm) { flip(c.roots[:]) }, want: CodeRoots},
		{name: "confirm: other result", conf: func(_ *attack, c *confirm) { flip(c.result[:]) }, want: CodeConfirm},
		{name: "confirm: partial is no point", conf: func(_ *attack, c *confirm) { clear(c.keys[1].partials[0][:]) }, want: CodePartial},
		{name: "confirm: partial at infinity", conf: func(_ *attack, c *confirm) {
			c.keys[0].partials[2] = [keyshare.SignatureSize]byte{0xc0}
		}, want: CodePartial},
		{name: "confirm: partial by another share", conf: func(a *attack, c *confirm) {
			c.keys[0].partials[0] = signedBy(a, 11, a.party().view.confirmRoot(0))
		}, want: CodePartial},
		{name: "confirm: partial of an earlier session", conf: func(a *attack, c *confirm) {
			c.keys[1].partials[0] = signedBy(a, a.id, keyshare.Root{1})
		}, want: CodePartial},
		{name: "confirm: partials swapped", conf: func(_ *attack, c *confirm) {
			p := c.keys[1].partials
			p[1], p[2] = p[2], p[1]
		}, want: CodePartial},
		{name: "confirm: partial of another key", conf: func(_ *attack, c *confirm) { c.keys[0].partials[0] = c.keys[1].partials[0] }, want: CodePartial},
		{name: "confirm: a partial fewer", conf: func(_ *attack, c *confirm) { c.keys[1].partials = c.keys[1].partials[:2] }, want: CodePartial},
		{name: "confirm: a partial more", conf: func(_ *attack, c *confirm) {
			c.keys[1].partials = append(c.keys[1].partials, c.keys[1].partials[0])
		}, want: CodePartial},
		{name: "confirm: no partials", conf: func(_ *attack, c *confirm) { c.keys[1].partials = nil }, want: CodeEncoding},
		{name: "confirm: useless sealed share", conf: func(_ *attack, c *confirm) { flip(c.keys[1].sealed) }, succeeds: true},
		{name: "confirm: sealed share above the modulus", conf: func(_ *attack, c *confirm) {
			c.keys[1].sealed = slices.Repeat([]byte{0xff}, keyshare.SealedSize)
		}, want: CodeEncoding},
		{name: "confirm: short sealed share", conf: func(_ *attack, c *confirm) { c.keys[1].sealed = c.keys[1].sealed[1:] }, want: CodeEncoding},
		{name: "confirm: one key fewer", conf: func(_ *attack, c *confirm) { c.keys = c.keys[:1] }, want: CodeEncoding},
		{name: "confirm: one dealing fewer", conf: func(_ *attack, c *confirm) { c.deals = c.deals[1:] }, want: CodeEncoding},
		{name: "confirm: more bytes", round: RoundConfirm, body: func(b []byte) []byte { return append(b, 0) }, want: CodeEncoding},
		{name: "confirm: two that differ in the sealed share", round: RoundConfirm, raw: twice(changeBody(func(_ *attack, b []byte) []byte { flip(b); return b })), succeeds: true},
		{name: "confirm: two of which one is bad", round: RoundConfirm, raw: twice(changeBody(func(_ *attack, b []byte) []byte {
			clear(b[len(b)-4-keyshare.SealedSize-keyshare.SignatureSize:][:8])
			return b
		})), want: CodePartial},
		{name: "confirm: none", round: RoundConfirm, raw: func(*attack, keyshare.Index, []byte) [][]byte { return nil }},

		// Around the body.
		{name: "signature", round: RoundDeal, raw: func(_ *attack, _ keyshare.Index, raw []byte) [][]byte {
			raw = slices.Clone(raw)
			flip(raw)
			return [][]byte{raw}
		}},
		{name: "version", round: RoundDeal, raw: func(_ *attack, _ keyshare.Index, raw []byte) [][]byte {
			raw = slices.Clone(raw)
			raw[1] = 2
			return [][]byte{raw}
		}},
		{name: "sender", round: RoundDeal, raw: func(_ *attack, _ keyshare.Index, raw []byte) [][]byte {
			raw = slices.Clone(raw)
			raw[42] ^= 1
			return [][]byte{raw}
		}},
		{name: "junk first", round: RoundDeal, raw: func(_ *attack, _ keyshare.Index, raw []byte) [][]byte {
			forged := slices.Clone(raw)
			forged[60] ^= 1
			return [][]byte{forged, nil, {0}, raw[:50], raw}
		}, succeeds: true},
		{name: "ack: of another certificate", round: RoundAck, body: func(b []byte) []byte { flip(b); return b }},
		{name: "ack: cut off", round: RoundAck, body: func(b []byte) []byte { return b[1:] }},
		{name: "ack: more bytes", round: RoundAck, body: func(b []byte) []byte { return append(b, 0) }},
		{name: "ack: none", round: RoundAck, raw: func(*attack, keyshare.Index, []byte) [][]byte { return nil }},
	}
	for name, b := range edgePoints(t) {
		list = append(list, adversary{name: "deal: vector " + name, points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 1, b) }, want: CodePoint})
	}
	return list
}

// proveAgain replaces the proof of key 0 by one for a session and a dealer, with the right
// secret.
func proveAgain(a *attack, d *deal, ssid [32]byte, dealer keyshare.Index) {
	p := a.party()
	require.NoError(a.w.t, polynomialOf(a.w.t, p).UseConstant(func(c []byte) error {
		nonce, err := bls.GenerateScalar()
		require.NoError(a.w.t, err)
		proof, err := bls.Prove(c, nonce.Bytes(), p.knowledge(ssid, dealer, 0, d.keys[0].points[:pointSize]))
		b := proofBytes(proof)
		d.keys[0].proof = b[:]
		return err
	}))
}

// signedBy signs with an operator's new share of the key with number 0, or of the one with
// number 1 if that is the adversary's.
func signedBy(a *attack, id keyshare.Index, root keyshare.Root) [keyshare.SignatureSize]byte {
	v := 0
	if id == a.id {
		v = 1
	}
	view := a.party().view
	pk, _ := view.groups[v].Member(id)
	key := a.w.nodes[id].custody[pk]
	if key == nil { // it has not come so far: any other will do
		var err error
		key, err = keyshare.Generate()
		require.NoError(a.w.t, err)
	}
	sigs, err := key.SignRoots(a.w.t.Context(), root)
	require.NoError(a.w.t, err)
	return sigs[0].Bytes()
}

var thePoint []byte

// fixedPoint is the same in both rounds.
func fixedPoint(t testing.TB) []byte {
	if thePoint == nil {
		thePoint = anotherPoint(t)
	}
	return thePoint
}
