package bench

import (
	"errors"
	"slices"
	"testing"

	gnark "github.com/consensys/gnark-crypto/ecc/bls12-381"
	herumi "github.com/herumi/bls-eth-go-binary/bls"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/keyshare"
)

// BenchmarkVerify is the verification of decoded signatures by each library, beside blst.
func BenchmarkVerify(b *testing.B) {
	for _, by := range []string{"herumi", "blst", "gnark", "dvkeys"} {
		for _, one := range []bool{false, true} {
			for _, batch := range batches() {
				if batch > 1 && by != "dvkeys" {
					continue // one after the other, as in a batch of one
				}
				for _, n := range cores() {
					row(b, func(b *testing.B) { raceVerifying(b, by, one, batch, n) }, "by", by, "roots", kind(one), "batch", batch, "cores", n)
				}
			}
		}
	}
}

// signed is a signature as each library has it decoded.
type signed struct {
	root   keyshare.Root
	dvkeys keyshare.Signed
	blst   struct {
		key *blst.P1Affine
		sig *blst.P2Affine
	}
	herumi struct {
		key *herumi.PublicKey
		sig *herumi.Sign
	}
	gnark struct {
		key gnark.G1Affine
		sig gnark.G2Affine
	}
}

var errInvalid = errors.New("the signature does not verify")

// sign makes a signature for blst and this library, and for the peers if asked.
func sign(all keys, key int, root keyshare.Root, peers bool) (s signed, err error) {
	s.root = root
	s.blst.key = new(blst.P1Affine).From(all.blst[key])
	s.blst.sig = new(blst.P2Affine).Sign(all.blst[key], root[:], dst)
	keyBytes, sigBytes := s.blst.key.Compress(), s.blst.sig.Compress()
	sig, err := keyshare.ParseSignature(sigBytes)
	s.dvkeys = keyshare.Signed{PublicKey: all.guarded[key].PublicKey(), Root: root, Signature: sig}
	if err != nil || !peers {
		return s, err
	}
	s.herumi.key, s.herumi.sig = new(herumi.PublicKey), new(herumi.Sign)
	_, keyErr := s.gnark.key.SetBytes(keyBytes)
	_, sigErr := s.gnark.sig.SetBytes(sigBytes)
	return s, errors.Join(keyErr, sigErr, s.herumi.key.Deserialize(keyBytes), s.herumi.sig.Deserialize(sigBytes))
}

// verifiers verify one signature after the other, hashing each root.
var verifiers = map[string]func(signed) bool{
	"blst":   func(s signed) bool { return verifyBLST(s.blst.key, s.root, s.blst.sig) },
	"herumi": func(s signed) bool { return s.herumi.sig.VerifyByte(s.herumi.key, slices.Clone(s.root[:])) },
	"gnark": func(s signed) bool {
		h, err := gnark.HashToG2(s.root[:], dst)
		if err != nil {
			return false
		}
		ok, err := gnark.PairingCheck([]gnark.G1Affine{s.gnark.key, gnarkMinusG1}, []gnark.G2Affine{h, s.gnark.sig})
		return err == nil && ok
	},
	"dvkeys": func(s signed) bool { return s.dvkeys.PublicKey.Verify(s.root, s.dvkeys.Signature) },
}

var gnarkMinusG1 = func() (p gnark.G1Affine) {
	_, _, g, _ := gnark.Generators()
	p.Neg(&g)
	return p
}()

// verifyBLST verifies on one core. P2Affine.Verify takes two where there are two.
func verifyBLST(key *blst.P1Affine, root keyshare.Root, sig *blst.P2Affine) bool {
	product := blst.PairingCtx(true, dst)
	if blst.PairingAggregatePkInG1(product, key, false, sig, false, root[:]) != 0 {
		return false
	}
	blst.PairingCommit(product)
	return blst.PairingFinalVerify(product)
}

func raceVerifying(b *testing.B, by string, one bool, batch, workers int) {
	all := sharedKeys(b)
	ops := max(1, 16/batch)
	pools := make([][]signed, workers) // what each worker verifies in a round
	verify := func(ok func([]signed) bool) func(int) error {
		at := make([]int, workers)
		return func(w int) error {
			first := at[w] % ops * batch
			at[w]++
			if !ok(pools[w][first : first+batch]) {
				return errInvalid
			}
			return nil
		}
	}
	each := func(ok func(signed) bool) func([]signed) bool {
		return func(list []signed) bool {
			for _, s := range list {
				if !ok(s) {
					return false
				}
			}
			return true
		}
	}
	own := each(verifiers[by])
	if batch > 1 {
		own = func(list []signed) bool {
			claims := make([]keyshare.Signed, len(list))
			for i, s := range list {
				claims[i] = s.dvkeys
			}
			return keyshare.VerifyBatch(claims)
		}
	}
	lanes := []race.Lane{{Op: verify(own)}}
	if by != "blst" {
		lanes = append(lanes, race.Lane{Name: "blst", Op: verify(each(verifiers["blst"]))})
	}
	lanes = append(lanes, race.Lane{Name: "limit", Op: verify(verifyLimit)})
	race.Race{
		Unit: "verifications/s", Count: batch, Workers: workers, Ops: ops, Rounds: rounds(batch), Lanes: lanes,
		Prepare: func() (err error) {
			for w := range pools {
				pools[w] = make([]signed, ops*batch)
				root := newRoot()
				for i := range pools[w] {
					if !one {
						root = newRoot()
					}
					if pools[w][i], err = sign(all, i%len(all.blst), root, batch == 1); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}.Run(b)
}

// verifyLimit runs what a verification can not do without: one hash and one Miller loop for each distinct root, one more
// Miller loop and one final exponentiation, and in a batch two sums with weights of 128 bits.
func verifyLimit(list []signed) bool {
	hashes := map[keyshare.Root]*blst.P2Affine{}
	for _, s := range list {
		if hashes[s.root] == nil {
			hashes[s.root] = blst.HashToG2(s.root[:], dst).ToAffine()
		}
	}
	sig := list[0].blst.sig
	sums := map[keyshare.Root]*blst.P1Affine{list[0].root: list[0].blst.key}
	if len(list) > 1 {
		sig, sums = weighted(list)
	}
	product := blst.PairingCtx(true, dst)
	for root, key := range sums {
		blst.PairingRawAggregate(product, hashes[root], key)
	}
	blst.PairingRawAggregate(product, sig, blstMinusG1)
	blst.PairingCommit(product)
	return blst.PairingFinalVerify(product)
}

var blstMinusG1 = new(blst.P1).SubAssign(blst.P1Generator()).ToAffine()

// weighted sums signatures, and the keys of each root, with weights of 128 bits.
func weighted(list []signed) (*blst.P2Affine, map[keyshare.Root]*blst.P1Affine) {
	weights := make([]byte, 16*len(list))
	for i := range weights {
		weights[i] = byte(i*i>>3 + i + 1)
	}
	sigs, keys, of := make([]*blst.P2Affine, len(list)), map[keyshare.Root][]*blst.P1Affine{}, map[keyshare.Root][]byte{}
	for i, s := range list {
		sigs[i] = s.blst.sig
		keys[s.root] = append(keys[s.root], s.blst.key)
		of[s.root] = append(of[s.root], weights[16*i:16*i+16]...)
	}
	sums := make(map[keyshare.Root]*blst.P1Affine, len(keys))
	for root, list := range keys {
		sums[root] = blst.P1AffinesMult(list, of[root], 128).ToAffine()
	}
	return blst.P2AffinesMult(sigs, weights, 128).ToAffine(), sums
}

// TestVerifiersRefuse holds that no way to verify, the limit included, takes a wrong signature.
func TestVerifiersRefuse(t *testing.T) {
	all, err := theKeys()
	if err != nil {
		t.Fatal(err)
	}
	var list []signed
	for i := range 4 {
		s, err := sign(all, i, keyshare.Root{byte(i / 2)}, true)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	wrong := list[0]
	wrong.blst.sig, wrong.herumi.sig, wrong.gnark.sig, wrong.dvkeys.Signature = list[1].blst.sig, list[1].herumi.sig, list[1].gnark.sig, list[1].dvkeys.Signature
	for name, ok := range verifiers {
		if !ok(list[0]) || ok(wrong) {
			t.Errorf("%s: of a right and a wrong signature it says %v and %v", name, ok(list[0]), ok(wrong))
		}
	}
	if !verifyLimit(list[:1]) || !verifyLimit(list) || verifyLimit([]signed{wrong}) || verifyLimit(append([]signed{wrong}, list...)) {
		t.Error("the limit does not tell right from wrong")
	}
}
