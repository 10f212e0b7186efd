package dkg

import (
	"encoding/binary"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// point decodes a point for arithmetic.
func point(t testing.TB, b []byte) *blst.P1 {
	p := new(blst.P1Affine).Uncompress(b)
	require.NotNil(t, p)
	out := new(blst.P1)
	out.FromAffine(p)
	return out
}

func times(p *blst.P1, x uint64) *blst.P1 {
	le := make([]byte, 32)
	binary.LittleEndian.PutUint64(le, x)
	q := *p
	return q.Mult(new(blst.Scalar).FromLEndian(le))
}

// without leaves checks out.
func without(list []dealCheck, absent ...dealCheck) []dealCheck {
	return slices.DeleteFunc(slices.Clone(list), func(c dealCheck) bool {
		return slices.ContainsFunc(absent, func(a dealCheck) bool {
			return reflect.ValueOf(a).Pointer() == reflect.ValueOf(c).Pointer()
		})
	})
}

// With 3 of 4 operators to sign, operators 3 and 4 fix the whole key if dealers need
// not know what they deal: 4 waits for the others' commitments and chooses its own so
// that the sum is a key whose secret it knows. It can give the honest two, who are
// fewer than the threshold, shares that fit. The proof of knowledge prevents that, and
// so does the announcement of the commitments.
func TestRogueKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		absent []dealCheck
		want   Code // 0: the attack succeeds
	}{
		{"neither proof nor announcement", []dealCheck{checkKnowledge, checkOpening}, 0},
		{"announcement only", []dealCheck{checkKnowledge}, CodeOpening},
		{"proof only", []dealCheck{checkOpening}, CodeProof},
		{"the protocol", nil, CodeOpening},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := generateParams(t, 4, 3, 1)
			for i := range p.Operators {
				p.Operators[i].ID = keyshare.Index(i + 1)
			}
			w := newNet(t, p, 1)
			w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
				if m, _ := parseMessage(raw); from == 4 && m.round == RoundDeal {
					return nil // until it has seen the others'
				}
				return [][]byte{raw}
			}
			for _, id := range w.order {
				w.start(id)
				w.nodes[id].party.checks = without(dealChecks, c.absent...)
			}
			seed := cloneSeed(t, w.nodes[4].party.seed)
			w.drain()
			w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
				if from == 3 {
					return nil // it colludes and does not mind that its share is none
				}
				return [][]byte{raw}
			}
			w.nodes[4].party.seed = seed // which it would have lost when it confirmed

			x, err := bls.GenerateScalar()
			require.NoError(t, err)
			chosen, err := bls.PublicKeyOf(x.Bytes())
			require.NoError(t, err)
			w.send(4, rogueDeal(t, w.nodes[4].party, chosen))
			w.drain()
			for _, id := range []keyshare.Index{1, 2} {
				honest := w.nodes[id].party
				if c.want != 0 {
					require.Equal(t, c.want, honest.Abort().Code)
					require.Equal(t, []keyshare.Index{4}, honest.Abort().Faulty)
					continue
				}
				require.Nil(t, honest.Abort())
				require.NotNil(t, honest.own(RoundConfirm), "it has a share that fits and confirms")
				got := honest.view.groups[0].PublicKey().Bytes()
				require.Equal(t, chosen.Bytes(), got, "of a key that the colluders know")
			}
		})
	}
}

// rogueDeal makes the dealing of operator 4 that sets the sum to the chosen key.
func rogueDeal(t testing.TB, p *Party, chosen bls.PublicKey) []byte {
	b := chosen.Bytes()
	a0 := point(t, b[:])
	for _, o := range p.dealers[:3] {
		d, code := parseDeal(p.slots[slot{RoundDeal, o.ID}].body, p.params)
		require.Zero(t, code)
		a0.SubAssign(point(t, d.keys[0].points[:pointSize]))
	}
	// Choose f(1) = v1 and f(2) = v2 and solve for A1 and A2 in the exponent:
	// 2·A2 = v2 - 2·v1 + A0 and A1 = v1 - A0 - A2.
	var v [2]*secret.Buffer
	var vG [2]*blst.P1
	for i := range v {
		var err error
		v[i], err = bls.GenerateScalar()
		require.NoError(t, err)
		k, err := bls.PublicKeyOf(v[i].Bytes())
		require.NoError(t, err)
		kb := k.Bytes()
		vG[i] = point(t, kb[:])
	}
	twoA2 := *vG[1]
	twoA2.SubAssign(times(vG[0], 2)).AddAssign(a0)
	half := new(blst.Scalar).FromBEndian(halfOfOne())
	a2 := twoA2.Mult(half)
	a1 := *vG[0]
	a1.SubAssign(a0).SubAssign(a2)

	own, _ := parseDeal(p.own(RoundDeal).body, p.params)
	own.keys[0].points = slices.Concat(a0.Compress(), a1.Compress(), a2.Compress())
	points, err := p.sharedPoints(p.params.Operators, p.hellos)
	require.NoError(t, err)
	h, err := newDeriver()
	require.NoError(t, err)
	sealed := slices.Clone(own.keys[0].sealed)
	for j := range 2 {
		key := make([]byte, 32)
		p.padKey(h, key, points[j].Bytes(), own.ssid, 0, p.hellos[3], p.hellos[j])
		s, err := secret.SealOnce(v[j].Bytes(), key)
		require.NoError(t, err)
		copy(sealed[j*sealedSize:], s)
	}
	own.keys[0].sealed = sealed
	m, err := sign(RoundDeal, p.id, p.me, p.config.Identity, own.bytes())
	require.NoError(t, err)
	return m.raw
}

// halfOfOne is (r+1)/2, the inverse of 2.
func halfOfOne() []byte {
	r, _ := new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)
	half := r.Add(r, big.NewInt(1))
	return half.Rsh(half, 1).FillBytes(make([]byte, 32))
}
