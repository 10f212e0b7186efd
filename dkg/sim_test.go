package dkg

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// identity returns the n-th of a stock of RSA keys.
func identity(t testing.TB, n int) *rsa.PrivateKey {
	identities.Lock()
	defer identities.Unlock()
	for len(identities.keys) <= n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		identities.keys = append(identities.keys, k)
	}
	return identities.keys[n]
}

var identities struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

// operator is the participant with an id: identity number key.
func operator(t testing.TB, id keyshare.Index, key int) Operator {
	scheme := PSS
	if key%2 == 1 {
		scheme = PKCS1v15
	}
	return Operator{keyshare.Operator{ID: id, PublicKey: &identity(t, key).PublicKey}, scheme}
}

// generateParams are of a new ceremony for operators with ids 11, 22, ….
func generateParams(t testing.TB, n, threshold, keys int) *Params {
	p := &Params{Kind: Generate, Created: time.Unix(1_700_000_000, 0), Expires: time.Unix(4_000_000_000, 0), Keys: keys, Threshold: threshold, Context: []byte("test")}
	_, _ = rand.Read(p.Nonce[:])
	for i := range n {
		p.Operators = append(p.Operators, operator(t, keyshare.Index(11*(i+1)), i))
	}
	return p
}

// node is one participant of a simulation, with what outlives its crashes.
type node struct {
	config  Config
	party   *Party
	journal [][]byte
	custody map[keyshare.PublicKey]*keyshare.SecretKey
	put     func(*keyshare.Share) (keyshare.Key, error) // custody, if not in memory
	retry   bool                                        // once, what failed
	err     error
	dead    bool // takes no part any more
	sent    int  // bytes
}

// crash points of a node, at which a simulation may kill it.
const (
	beforeSave = iota
	afterSave
	afterKeep
	afterConfirm
)

// net is a network of nodes with a seeded scheduler.
type net struct {
	t     testing.TB
	rng   *mrand.Rand
	nodes map[keyshare.Index]*node
	order []keyshare.Index
	queue []packet
	sent  map[keyshare.Index][]packet // all that was ever sent to a node

	// mutate, if set, changes what a node sends to another: nil for nothing.
	mutate func(from, to keyshare.Index, raw []byte) [][]byte
	// crash, if set, says whether a node dies at a point and is restarted.
	crash func(id keyshare.Index, point int) bool
	// blocked, if set, holds a packet back for now.
	blocked func(from, to keyshare.Index) bool

	duplicate float64
	crashes   int
}

type packet struct {
	from, to keyshare.Index
	raw      []byte
}

func rootsFor(v int, k keyshare.PublicKey) ([]keyshare.Root, error) {
	return []keyshare.Root{tagHash("deposit", be32(v), pointOf(k)), tagHash("nonce", be32(v), pointOf(k))}, nil
}

// newNet sets up a network for a ceremony in which all participants are honest.
func newNet(t testing.TB, p *Params, seed uint64) *net {
	return newNetWith(t, p, seed, func(o Operator) rsaKey { return keyOf(t, o) })
}

// rsaKey is an operator's key, in memory or in a token.
type rsaKey interface {
	crypto.Signer
	crypto.Decrypter
}

func newNetWith(t testing.TB, p *Params, seed uint64, keyOf func(o Operator) rsaKey) *net {
	n := &net{t: t, rng: mrand.New(mrand.NewPCG(seed, 1)), nodes: map[keyshare.Index]*node{}, sent: map[keyshare.Index][]packet{}}
	people, err := p.participants()
	require.NoError(t, err)
	for _, o := range people {
		key := keyOf(o)
		n.order = append(n.order, o.ID)
		n.nodes[o.ID] = &node{
			config:  Config{Params: p, ID: o.ID, Identity: key, Decrypter: key, Roots: rootsFor, AnyThreshold: true},
			custody: map[keyshare.PublicKey]*keyshare.SecretKey{},
		}
	}
	return n
}

func keyOf(t testing.TB, o Operator) *rsa.PrivateKey {
	for i := range 300 {
		if k := identity(t, i); k.PublicKey.Equal(o.PublicKey) {
			return k
		}
	}
	t.Fatal("no such identity")
	return nil
}

var errCrash = fmt.Errorf("crash")

// keep is the node's custody.
func (n *node) keep(s *keyshare.Share) (keyshare.Key, error) {
	if n.put != nil {
		return n.put(s)
	}
	if k := n.custody[s.PublicKey()]; k != nil {
		return k, nil
	}
	var k *keyshare.SecretKey
	err := s.Use(func(b []byte) (err error) { k, err = keyshare.ParseSecretKey(b); return err })
	if err == nil {
		n.custody[s.PublicKey()] = k
	}
	return k, err
}

// start begins or restarts a node.
func (w *net) start(id keyshare.Index) {
	n := w.nodes[id]
	for {
		p, err := New(n.config, n.journal)
		if err != nil {
			n.err, n.dead = err, true
			return
		}
		n.party = p
		w.queue = append(w.queue, w.sent[id]...) // the transport still has it
		if w.step(id) {
			return
		}
	}
}

// step feeds a node and does what it says. It reports false if the node crashed.
func (w *net) step(id keyshare.Index, raw ...[]byte) bool {
	n := w.nodes[id]
	if n.dead {
		return true
	}
	crash := func(point int) bool {
		if w.crash != nil && w.crash(id, point) {
			w.crashes++
			n.party.Close()
			return true
		}
		return false
	}
	out, err := n.party.Step(raw...)
	again := func(f func() (Output, error)) {
		if err == nil || !n.retry {
			return
		}
		before := out
		out, err = f()
		out.Save, out.Send = append(before.Save, out.Save...), append(before.Send, out.Send...)
	}
	again(func() (Output, error) { return n.party.Step() })
	for {
		if err != nil {
			n.err, n.dead = err, true
			return true
		}
		if crash(beforeSave) {
			return false
		}
		n.journal = append(n.journal, out.Save...)
		if crash(afterSave) {
			return false
		}
		for _, m := range out.Send {
			w.send(id, m)
		}
		if out.Keep == nil {
			return true
		}
		keys := make([]keyshare.Key, len(out.Keep))
		for v, s := range out.Keep {
			keys[v], err = n.keep(s)
			require.NoError(w.t, err)
		}
		if crash(afterKeep) {
			return false
		}
		out, err = n.party.Confirm(context.Background(), keys)
		again(func() (Output, error) {
			if n.party.own(RoundConfirm) != nil {
				return n.party.Step()
			}
			return n.party.Confirm(context.Background(), keys)
		})
		if err == nil && crash(afterConfirm) {
			return false
		}
	}
}

// send queues a message for all others.
func (w *net) send(from keyshare.Index, raw []byte) {
	w.nodes[from].sent += len(raw)
	for _, to := range w.order {
		if to == from {
			continue
		}
		all := [][]byte{raw}
		if w.mutate != nil {
			all = w.mutate(from, to, raw)
		}
		for _, m := range all {
			p := packet{from, to, slices.Clone(m)}
			w.queue, w.sent[to] = append(w.queue, p), append(w.sent[to], p)
		}
	}
}

// run delivers everything in a random order until nothing is left.
func (w *net) run() {
	for _, i := range w.rng.Perm(len(w.order)) {
		w.start(w.order[i])
	}
	w.drain()
}

func (w *net) drain() {
	for held := 0; len(w.queue) > held; {
		i := w.rng.IntN(len(w.queue))
		p := w.queue[i]
		last := len(w.queue) - 1
		w.queue[i] = w.queue[last]
		w.queue = w.queue[:last]
		if w.blocked != nil && w.blocked(p.from, p.to) {
			w.queue = append(w.queue, p)
			if held++; held > 4*len(w.queue) {
				return
			}
			continue
		}
		held = 0
		if w.rng.Float64() < w.duplicate {
			w.queue = append(w.queue, p)
		}
		if !w.step(p.to, p.raw) {
			w.start(p.to)
		}
	}
}

// outcomes returns the outcome of each node that has one.
func (w *net) outcomes() map[keyshare.Index]*Outcome {
	all := map[keyshare.Index]*Outcome{}
	for id, n := range w.nodes {
		if n.party != nil && n.party.Outcome() != nil {
			all[id] = n.party.Outcome()
		}
	}
	return all
}

// requireSuccess holds that all nodes have the same outcome and a working key.
func (w *net) requireSuccess() *Outcome {
	var first *Outcome
	for _, id := range w.order {
		n := w.nodes[id]
		require.NoError(w.t, n.err, "operator %d", id)
		require.Nil(w.t, n.party.Abort(), "operator %d", id)
		o := n.party.Outcome()
		if o == nil {
			require.NoError(w.t, n.party.Timeout(nil), "operator %d", id)
		}
		if first == nil {
			first = o
		}
		requireSame(w.t, first, o)
		require.Empty(w.t, n.party.Unacknowledged())
	}
	return first
}

func requireSame(t testing.TB, a, b *Outcome) {
	require.Equal(t, a.certificateHash, b.certificateHash)
	requireSameKeys(t, a, b)
}

// requireSameKeys compares all that is agreed on: not the form in which an operator
// that is not honest published its own share.
func requireSameKeys(t testing.TB, a, b *Outcome) {
	require.Equal(t, a.Signatures, b.Signatures)
	for v := range a.Lineages {
		require.Equal(t, a.Lineages[v].Hash(), b.Lineages[v].Hash())
	}
}

// requireKeys holds that custody signs for the outcome's keys.
func (w *net) requireKeys(o *Outcome) {
	for v, g := range o.Groups() {
		root := keyshare.Root{1, byte(v)}
		partials := map[keyshare.Index]keyshare.Signature{}
		for _, id := range g.Members() {
			pk, _ := g.Member(id)
			sigs, err := w.nodes[id].custody[pk].SignRoots(context.Background(), root)
			require.NoError(w.t, err)
			partials[id] = sigs[0]
			if len(partials) == g.Threshold() {
				break
			}
		}
		sig, err := g.Combine(root, partials)
		require.NoError(w.t, err)
		require.True(w.t, g.PublicKey().Verify(root, sig))
	}
}

// requireRecovers holds that an operator finds its shares in transcript and certificate.
func (w *net) requireRecovers(id keyshare.Index, o *Outcome) {
	got, shares, err := Recover(w.nodes[id].config, o.Transcript, o.Certificate)
	require.NoError(w.t, err)
	requireSame(w.t, o, got)
	require.Len(w.t, shares, len(o.Lineages))
	for v, s := range shares {
		want, _ := o.Lineages[v].Group.Member(id)
		require.Equal(w.t, want, s.PublicKey())
		require.Equal(w.t, id, s.Index())
		s.Destroy()
	}
}

func TestGenerate(t *testing.T) {
	for _, c := range []struct{ n, t, m int }{{4, 3, 1}, {4, 3, 3}, {2, 2, 1}, {7, 5, 2}} {
		p := generateParams(t, c.n, c.t, c.m)
		w := newNet(t, p, 1)
		w.run()
		o := w.requireSuccess()
		w.requireKeys(o)
		require.Len(t, o.Lineages, c.m)
		for v, g := range o.Groups() {
			require.Equal(t, c.t, g.Threshold())
			require.Equal(t, p.members(), g.Members())
			roots, _ := rootsFor(v, g.PublicKey())
			require.Equal(t, roots, o.Roots[v])
			for i, root := range roots {
				require.True(t, g.PublicKey().Verify(root, o.Signatures[v][i]))
			}
			for i, sealed := range o.Sealed[v] {
				share, err := keyshare.Open(sealed, p.Operators[i].ID, crypto.Decrypter(identity(t, i)), g)
				require.NoError(t, err)
				require.Equal(t, sealed.PublicKey, share.PublicKey())
				share.Destroy()
			}
		}
		again, err := Verify(p, nil, o.Transcript, o.Certificate)
		require.NoError(t, err)
		requireSame(t, o, again)
		for _, id := range w.order {
			w.requireRecovers(id, o)
		}
	}
}
