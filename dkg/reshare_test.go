package dkg

import (
	"encoding/json"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// custody has everybody's secrets, over all ceremonies of a chain.
type custody map[keyshare.PublicKey]*keyshare.SecretKey

// follow sets up the ceremony that comes after an outcome.
func follow(t testing.TB, kind Kind, last *Outcome, dealers, receivers []Operator, threshold int) *Params {
	p := &Params{Kind: kind, Created: time.Unix(1_700_000_000, 0), Expires: time.Unix(4_000_000_000, 0), Keys: len(last.Lineages),
		Threshold: threshold, Operators: receivers, Dealers: dealers}
	p.Nonce[0] = byte(len(dealers))
	for _, l := range last.Lineages {
		p.Parents = append(p.Parents, l.Hash())
	}
	require.NoError(t, p.Check())
	return p
}

// reshareNet gives each node its lineages, and dealers their old shares.
func reshareNet(t testing.TB, p *Params, last *Outcome, secrets custody, seed uint64) *net {
	w := newNet(t, p, seed)
	for _, id := range w.order {
		n := w.nodes[id]
		n.custody = secrets
		n.config.Lineages = last.Lineages
		if _, deals := position(p.Dealers, id); !deals {
			continue
		}
		for _, l := range last.Lineages {
			pk, _ := l.Group.Member(id)
			n.config.Old = append(n.config.Old, secrets[pk])
		}
	}
	return w
}

func generated(t testing.TB, n, threshold, keys int) (*Outcome, custody) {
	w := newNet(t, generateParams(t, n, threshold, keys), 1)
	secrets := custody{}
	for _, n := range w.nodes {
		n.custody = secrets
	}
	w.run()
	return w.requireSuccess(), secrets
}

func operators(t testing.TB, ids ...keyshare.Index) []Operator {
	var list []Operator
	for _, id := range ids {
		list = append(list, operator(t, id, int(id)/11-1))
	}
	return list
}

func TestReshare(t *testing.T) {
	last, secrets := generated(t, 4, 3, 2)
	for _, c := range []struct {
		name               string
		dealers, receivers []keyshare.Index
		threshold          int
	}{
		{"to others", []keyshare.Index{11, 22, 44}, []keyshare.Index{55, 66, 77, 88}, 3},
		{"to more", []keyshare.Index{11, 22, 33, 44}, []keyshare.Index{11, 22, 33, 44, 55, 66, 77}, 5},
		{"some stay", []keyshare.Index{22, 33, 44}, []keyshare.Index{33, 44, 55, 66}, 3},
		{"a lower threshold", []keyshare.Index{11, 22, 33}, []keyshare.Index{11, 55}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := follow(t, Reshare, last, operators(t, c.dealers...), operators(t, c.receivers...), c.threshold)
			w := reshareNet(t, p, last, secrets, 5)
			w.run()
			o := w.requireSuccess()
			w.requireKeys(o)
			for v, l := range o.Lineages {
				require.Equal(t, last.Lineages[v].Group.PublicKey(), l.Group.PublicKey())
				require.Equal(t, uint64(1), l.Generation)
				require.Equal(t, last.Lineages[v].Hash(), [32]byte(l.Parent))
				require.Equal(t, c.receivers, l.Group.Members())
				require.Equal(t, c.threshold, l.Group.Threshold())
			}
			for _, id := range c.receivers {
				w.requireRecovers(id, o)
			}
			// Shares of two generations do not combine.
			old, fresh := last.Lineages[0].Group, o.Lineages[0].Group
			_, err := fresh.Combine(keyshare.Root{}, mixed(t, secrets, old, fresh))
			require.Error(t, err)
		})
	}
}

// mixed signs with one member of the new group who uses its share, and others who use
// old shares.
func mixed(t testing.TB, secrets custody, old, fresh *keyshare.Group) map[keyshare.Index]keyshare.Signature {
	partials := map[keyshare.Index]keyshare.Signature{}
	for i, id := range fresh.Members() {
		pk, _ := fresh.Member(id)
		if i > 0 {
			pk, _ = old.Member(old.Members()[i%len(old.Members())])
		}
		sigs, err := secrets[pk].SignRoots(t.Context(), keyshare.Root{})
		require.NoError(t, err)
		partials[id] = sigs[0]
	}
	return partials
}

func TestRefresh(t *testing.T) {
	last, secrets := generated(t, 4, 3, 1)
	all := last.Params.Operators
	w := reshareNet(t, follow(t, Refresh, last, all, all, 3), last, secrets, 2)
	w.run()
	o := w.requireSuccess()
	require.Equal(t, last.Lineages[0].Group.PublicKey(), o.Lineages[0].Group.PublicKey())
	for _, id := range last.Params.members() {
		a, _ := last.Lineages[0].Group.Member(id)
		b, _ := o.Lineages[0].Group.Member(id)
		require.NotEqual(t, a, b)
	}
}

// A key keeps its public key over many reshares between random sets.
func TestChainedReshares(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 8
	}
	rng := mrand.New(mrand.NewPCG(1, 2))
	last, secrets := generated(t, 4, 3, 1)
	want := last.Lineages[0].Group.PublicKey()
	for g := range rounds {
		old := last.Lineages[0].Group
		n := 2 + rng.IntN(5)
		threshold := 2 + rng.IntN(n-1)
		dealers := choose(rng, old.Members(), old.Threshold()+rng.IntN(len(old.Members())-old.Threshold()+1))
		receivers := choose(rng, []keyshare.Index{11, 22, 33, 44, 55, 66, 77, 88, 99}, n)
		w := reshareNet(t, follow(t, Reshare, last, operators(t, dealers...), operators(t, receivers...), threshold), last, secrets, uint64(g))
		w.run()
		last = w.requireSuccess()
		require.Equal(t, want, last.Lineages[0].Group.PublicKey())
		require.Equal(t, uint64(g+1), last.Lineages[0].Generation)
	}
}

func choose(rng *mrand.Rand, from []keyshare.Index, n int) []keyshare.Index {
	list := slices.Clone(from)
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:n]
	slices.Sort(list)
	return list
}

// A dealer that does not deal its old share is blamed.
func TestReshareAdversaries(t *testing.T) {
	last, secrets := generated(t, 4, 3, 1)
	for _, adv := range []adversary{
		{name: "honest", succeeds: true},
		{name: "another constant", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 0, fixedPoint(t)) }, want: CodeProof},
		{name: "one commitment more", deal: func(_ *attack, d *deal) {
			d.keys[0].points = append(slices.Clone(d.keys[0].points), fixedPoint(t)...)
		}, want: CodeCount},
		{name: "another coefficient", points: func(_ *attack, keys []dealtKey) { setPoint(&keys[0], 1, fixedPoint(t)) }, want: CodeShare},
		{name: "a wrong share", deal: func(a *attack, d *deal) { sealFor(a, d, 0, 3, append(make([]byte, 31), 7)) }, want: CodeShare},
		{name: "a ciphertext", deal: func(_ *attack, d *deal) { d.keys[0].sealed[2*sealedSize] ^= 1 }, want: CodeSealed},
	} {
		t.Run(adv.name, func(t *testing.T) {
			p := follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 22, 55, 66, 77), 3)
			w := reshareNet(t, p, last, secrets, 5)
			a := &attack{adversary: &adv, w: w, id: 22, sent: map[Round][]byte{}}
			w.mutate = a.mutate
			w.run()
			codes := w.oracle(22)
			if adv.succeeds {
				require.Len(t, w.outcomes(), len(w.order))
				return
			}
			require.Positive(t, codes[adv.want], "%v", codes)
			require.Len(t, codes, 1)
		})
	}
	// Who only deals confirms no keys, and who only receives announces no dealing.
	for _, c := range []struct {
		adversary
		id keyshare.Index
	}{
		{adversary{name: "a dealer's keys", conf: func(a *attack, c *confirm) {
			c.keys = []confirmedKey{{partials: make([][keyshare.SignatureSize]byte, 1), sealed: make([]byte, keyshare.SealedSize)}}
		}, want: CodeEncoding}, 11},
		{adversary{name: "a receiver's announcement", hello: func(_ *attack, h *hello) { h.commit[5] = 1 }, want: CodeEncoding}, 55},
		{adversary{name: "a receiver without keys", conf: func(_ *attack, c *confirm) { c.keys = nil }, want: CodeEncoding}, 55},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := reshareNet(t, follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 22, 55, 66, 77), 3), last, secrets, 5)
			a := &attack{adversary: &c.adversary, w: w, id: c.id, sent: map[Round][]byte{}}
			w.mutate = a.mutate
			w.run()
			codes := w.oracle(c.id)
			require.Positive(t, codes[c.want], "%v", codes)
			require.Len(t, codes, 1)
		})
	}
	// A receiver that deals, although it is no dealer, is not heard.
	t.Run("a receiver's dealing", func(t *testing.T) {
		w := reshareNet(t, follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 22, 55, 66, 77), 3), last, secrets, 5)
		w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
			m, err := parseMessage(raw)
			require.NoError(t, err)
			if p := w.nodes[55].party; from == 55 && m.round == RoundConfirm {
				own, err := sign(RoundDeal, p.id, p.me, p.config.Identity, w.nodes[11].party.own(RoundDeal).body)
				require.NoError(t, err)
				return [][]byte{own.raw, raw}
			}
			return [][]byte{raw}
		}
		w.run()
		require.Empty(t, w.oracle(55))
		require.Len(t, w.outcomes(), len(w.order))
	})
	// A dealer that has another secret, and knows it, is found by the record of the old keys.
	t.Run("another secret", func(t *testing.T) {
		p := follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 22, 55, 66, 77), 3)
		w := reshareNet(t, p, last, secrets, 5)
		other, err := keyshare.Generate()
		require.NoError(t, err)
		w.nodes[22].config.Old = []keyshare.Secret{impostor{other, secrets[memberKey(last, 22)]}}
		w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
			if m, _ := parseMessage(raw); from == 22 && m.round == RoundComplaint {
				return nil
			}
			return [][]byte{raw}
		}
		w.run()
		require.Equal(t, map[Code]int{CodeOldShare: 5}, w.oracle(22))
	})
}

// impostor says that it is one secret and is another.
type impostor struct{ is, says *keyshare.SecretKey }

func (i impostor) PublicKey() keyshare.PublicKey         { return i.says.PublicKey() }
func (i impostor) Use(f func(secret []byte) error) error { return i.is.Use(f) }

func memberKey(o *Outcome, id keyshare.Index) keyshare.PublicKey {
	k, _ := o.Lineages[0].Group.Member(id)
	return k
}

func TestReshareRefusals(t *testing.T) {
	last, secrets := generated(t, 4, 3, 1)
	good := func() *net {
		return reshareNet(t, follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 55, 66), 2), last, secrets, 1)
	}
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"no lineage", func(c *Config) { c.Lineages = nil }, "0 lineages for 1 parents"},
		{"a missing lineage", func(c *Config) { c.Lineages = []*Lineage{nil} }, "lineage of key 0 is missing"},
		{"another generation", func(c *Config) {
			l := *last.Lineages[0]
			l.Generation++
			c.Lineages = []*Lineage{&l}
		}, "the params name another generation than our record"},
		{"no old share", func(c *Config) { c.Old = nil }, "0 old shares for 1 keys"},
		{"another's old share", func(c *Config) { c.Old = []keyshare.Secret{secrets[memberKey(last, 22)]} }, "the old share is not that of generation 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good().nodes[11].config
			c.change(&config)
			_, err := New(config, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("a receiver with an old share", func(t *testing.T) {
		config := good().nodes[55].config
		config.Old = []keyshare.Secret{secrets[memberKey(last, 22)]}
		_, err := New(config, nil)
		require.ErrorContains(t, err, "does not deal")
	})
	t.Run("too few dealers", func(t *testing.T) {
		w := newNet(t, follow(t, Reshare, last, operators(t, 11, 22), operators(t, 55, 66), 2), 1)
		w.nodes[55].config.Lineages = last.Lineages
		_, err := New(w.nodes[55].config, nil)
		require.ErrorContains(t, err, "2 dealers, but the old threshold is 3")
	})
	t.Run("a dealer without a share", func(t *testing.T) {
		w := newNet(t, follow(t, Reshare, last, operators(t, 11, 22, 99), operators(t, 55, 66), 2), 1)
		w.nodes[55].config.Lineages = last.Lineages
		_, err := New(w.nodes[55].config, nil)
		require.ErrorContains(t, err, "dealer 99 has no share of it")
	})
	t.Run("a refresh that is a reshare", func(t *testing.T) {
		w := newNet(t, follow(t, Refresh, last, operators(t, 11, 22, 33), operators(t, 11, 22, 33, 55), 3), 1)
		w.nodes[55].config.Lineages = last.Lineages
		_, err := New(w.nodes[55].config, nil)
		require.ErrorContains(t, err, "a refresh keeps members and threshold")
	})
}

func TestLineageJSON(t *testing.T) {
	last, _ := generated(t, 4, 3, 1)
	l := last.Lineages[0]
	b, err := json.Marshal(l)
	require.NoError(t, err)
	var back Lineage
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, l.Hash(), back.Hash())
	require.ErrorContains(t, json.Unmarshal([]byte(`{"generation":1}`), &back), "the group is missing")
	require.Error(t, json.Unmarshal([]byte(`{"x":1}`), &back))
}
