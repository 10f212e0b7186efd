package bench

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"testing"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkCombine turns a threshold of partial signatures, as they arrive, into a verified signature of a new root.
func BenchmarkCombine(b *testing.B) {
	for _, size := range []struct{ threshold, members int }{{3, 4}, {5, 7}, {7, 10}, {9, 13}, {67, 100}} {
		for _, ids := range []struct {
			name string
			of   func(n int) []keyshare.Index
		}{{"consecutive", consecutive}, {"ssv", likeSSV}} {
			row(b, func(b *testing.B) { raceCombining(b, size.threshold, ids.of(size.members)) },
				"members", fmt.Sprintf("%d-of-%d", size.threshold, size.members), "ids", ids.name)
		}
	}
}

func consecutive(n int) (ids []keyshare.Index) {
	for i := range n {
		ids = append(ids, keyshare.Index(i+1))
	}
	return ids
}

// likeSSV returns n ids as those of operators are, who are numbered on the chain as they register: spread over 1 to 1400.
func likeSSV(n int) (ids []keyshare.Index) {
	for i := range n {
		ids = append(ids, keyshare.Index(5+1372*i/max(n-1, 1)+i*i%3))
	}
	return ids
}

// arrival is what has come for one root: partial signatures by member, 96 bytes each.
type arrival struct {
	root  keyshare.Root
	wire  map[keyshare.Index][]byte
	whole *blst.P2Affine // the group's signature
	want  []byte
}

func raceCombining(b *testing.B, threshold int, members []keyshare.Index) {
	c := newCluster(b, threshold, members)
	var arrived arrival
	round := 0
	combine := func(f func(arrival) ([]byte, error)) func(int) error {
		return func(int) error {
			got, err := f(arrived)
			if err == nil && !bytes.Equal(got, arrived.want) {
				err = errors.New("the wrong signature")
			}
			return err
		}
	}
	race.Race{
		Unit: "combines/s", Count: 1, Workers: 1, Ops: 1, // short turns, which are seldom interrupted
		Prepare: func() error {
			arrived = c.arrive(newRoot(), threshold, round) // of a few subsets, so that coefficients are cached as they would be
			round++
			return nil
		},
		Lanes: []race.Lane{
			{Op: combine(c.dvkeys)},
			{Name: "herumi", Op: combine(c.herumi)},
			{Name: "blst", Op: combine(c.blst)},
			{Name: "verify-each", Op: combine(c.verifyEach)},
			{Name: "verification", Op: combine(c.verification)},
			{Name: "limit", Op: combine(c.limit)},
		},
	}.Run(b)
}

// cluster is a group with its secrets, and its public side as the raw libraries have it decoded.
type cluster struct {
	group   *keyshare.Group
	members []keyshare.Index
	secret  *blst.SecretKey
	shares  map[keyshare.Index]*blst.SecretKey

	public     *blst.P1Affine
	publics    map[keyshare.Index]*blst.P1Affine
	polynomial []blst.P1 // its coefficients times the generator
	scalars    map[string][]*blst.Scalar

	herumiPublic  *herumi.PublicKey
	herumiPublics map[keyshare.Index]*herumi.PublicKey
	herumiIDs     map[keyshare.Index]herumi.ID
}

func newCluster(b *testing.B, threshold int, members []keyshare.Index) *cluster {
	b.Helper()
	must(b, initHerumi())
	key, err := keyshare.Generate()
	must(b, err)
	group, shares, err := keyshare.Split(key, threshold, members)
	must(b, err)
	c := &cluster{
		group: group, members: members, shares: map[keyshare.Index]*blst.SecretKey{}, publics: map[keyshare.Index]*blst.P1Affine{}, scalars: map[string][]*blst.Scalar{},
		herumiPublics: map[keyshare.Index]*herumi.PublicKey{}, herumiIDs: map[keyshare.Index]herumi.ID{},
	}
	c.secret, _, err = raw(key)
	must(b, err)
	c.public, c.herumiPublic = decoded(b, group.PublicKey())
	for _, s := range shares {
		id := s.Index()
		c.shares[id], _, err = raw(s)
		must(b, err)
		c.publics[id], c.herumiPublics[id] = decoded(b, s.PublicKey())
		var h herumi.ID
		must(b, h.SetDecString(strconv.FormatUint(uint64(id), 10)))
		c.herumiIDs[id] = h
	}
	for term := range slices.Chunk(group.Commitment().Bytes(), keyshare.PublicKeySize) {
		var point blst.P1
		point.FromAffine(new(blst.P1Affine).Uncompress(term))
		c.polynomial = append(c.polynomial, point)
	}
	if len(c.polynomial) != threshold || !c.evaluate(members[0]).ToAffine().Equals(c.publics[members[0]]) {
		b.Fatal("the public polynomial is read wrongly")
	}
	return c
}

func decoded(b *testing.B, k keyshare.PublicKey) (*blst.P1Affine, *herumi.PublicKey) {
	b.Helper()
	wire := k.Bytes()
	h := new(herumi.PublicKey)
	must(b, h.Deserialize(slices.Clone(wire[:])))
	return new(blst.P1Affine).Uncompress(wire[:]), h
}

// arrive signs a root with a threshold of members, who change with the turn.
func (c *cluster) arrive(root keyshare.Root, threshold, turn int) arrival {
	a := arrival{root: root, wire: map[keyshare.Index][]byte{}, whole: new(blst.P2Affine).Sign(c.secret, root[:], dst)}
	a.want = a.whole.Compress()
	for k := range threshold {
		id := c.members[(k+turn%4)%len(c.members)]
		a.wire[id] = new(blst.P2Affine).Sign(c.shares[id], root[:], dst).Compress()
	}
	return a
}

func (c *cluster) dvkeys(a arrival) ([]byte, error) {
	sig, err := c.group.CombineBytes(a.root, a.wire)
	whole := sig.Bytes()
	return whole[:], err
}

// herumi goes the usual way: decode with the subgroup check and verify each, recover, verify the result.
func (c *cluster) herumi(a arrival) ([]byte, error) {
	var ids []herumi.ID
	var sigs []herumi.Sign
	msg := slices.Clone(a.root[:]) // memory without Go pointers, as cgo wants it
	for id, wire := range a.wire {
		var s herumi.Sign
		if err := s.Deserialize(wire); err != nil {
			return nil, err
		}
		if !s.VerifyByte(c.herumiPublics[id], msg) {
			return nil, errInvalid
		}
		ids, sigs = append(ids, c.herumiIDs[id]), append(sigs, s)
	}
	var whole herumi.Sign
	if err := whole.Recover(sigs, ids); err != nil {
		return nil, err
	}
	if !whole.VerifyByte(c.herumiPublic, msg) {
		return nil, errInvalid
	}
	return whole.Serialize(), nil
}

// blst goes the same way. It has no recovery and is given the coefficients.
func (c *cluster) blst(a arrival) ([]byte, error) {
	return c.eachVerified(a, func(id keyshare.Index) *blst.P1Affine { return c.publics[id] })
}

// verifyEach computes each member's public key first, as drand does.
func (c *cluster) verifyEach(a arrival) ([]byte, error) {
	return c.eachVerified(a, func(id keyshare.Index) *blst.P1Affine { return c.evaluate(id).ToAffine() })
}

func (c *cluster) eachVerified(a arrival, public func(keyshare.Index) *blst.P1Affine) ([]byte, error) {
	ids := slices.Sorted(maps.Keys(a.wire))
	var sigs []*blst.P2Affine
	for _, id := range ids {
		s := new(blst.P2Affine).Uncompress(a.wire[id])
		if s == nil || !s.SigValidate(true) || !verifyBLST(public(id), a.root, s) {
			return nil, errInvalid
		}
		sigs = append(sigs, s)
	}
	list := fmt.Sprint(ids)
	if c.scalars[list] == nil {
		for _, id := range ids {
			c.scalars[list] = append(c.scalars[list], lagrange(id, ids))
		}
	}
	whole := blst.P2AffinesMult(sigs, c.scalars[list], 255).ToAffine()
	if !verifyBLST(c.public, a.root, whole) {
		return nil, errInvalid
	}
	return whole.Compress(), nil
}

// evaluate returns the value of the public polynomial at an id, by Horner's rule.
func (c *cluster) evaluate(id keyshare.Index) *blst.P1 {
	x := scalar(new(big.Int).SetUint64(uint64(id)))
	value := c.polynomial[len(c.polynomial)-1]
	for i := len(c.polynomial) - 2; i >= 0; i-- {
		value = *value.MultAssign(x, 64).AddAssign(&c.polynomial[i])
	}
	return &value
}

// verification is one ordinary verification of a signature that is decoded.
func (c *cluster) verification(a arrival) ([]byte, error) {
	if !verifyBLST(c.public, a.root, a.whole) {
		return nil, errInvalid
	}
	return a.want, nil
}

// limit decodes all, checks the subgroup of one and verifies one.
func (c *cluster) limit(a arrival) ([]byte, error) {
	var last *blst.P2Affine
	for _, wire := range a.wire {
		if last = new(blst.P2Affine).Uncompress(wire); last == nil {
			return nil, errInvalid
		}
	}
	if !last.SigValidate(true) {
		return nil, errInvalid
	}
	return c.verification(a)
}

var order, _ = new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)

// lagrange returns the product of j/(j-id) over the other ids j.
func lagrange(id keyshare.Index, ids []keyshare.Index) *blst.Scalar {
	num, den := big.NewInt(1), big.NewInt(1)
	for _, j := range ids {
		if j != id {
			bj := new(big.Int).SetUint64(uint64(j))
			num.Mul(num, bj)
			den.Mul(den, bj.Sub(bj, new(big.Int).SetUint64(uint64(id))))
		}
	}
	num.Mul(num, den.ModInverse(den, order))
	return scalar(num.Mod(num, order))
}

func scalar(x *big.Int) *blst.Scalar {
	return new(blst.Scalar).FromBEndian(x.FillBytes(make([]byte, 32)))
}
