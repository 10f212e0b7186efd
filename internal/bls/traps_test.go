//go:build cgo

package bls

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/vectors"
)

// pair is a random key's public key and its signature of a root.
func pair(t testing.TB, root [32]byte) (PublicKey, Signature) {
	t.Helper()
	sk, err := GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	key, err := PublicKeyOf(sk.Bytes())
	require.NoError(t, err)
	sigs, err := Sign(sk.Bytes(), HashRoot(root))
	require.NoError(t, err)
	return key, sigs[0]
}

// record is what bytes from outside often lie in: beside strings and pointers. herumi's library passes slices to C in a
// way that panics for such memory.
type record struct {
	name   string
	next   *record
	secret [ScalarSize]byte
	key    [PublicKeySize]byte
	sig    [SignatureSize]byte
	root   [32]byte
	wide   [48]byte
	tags   map[string]string
	public PublicKey
	parsed Signature
}

func TestBytesBesidePointers(t *testing.T) {
	r := &record{name: "validator", next: &record{name: "next"}, tags: map[string]string{"a": "b"}}
	r.root[3], r.wide[7] = 1, 9
	sk, err := GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	copy(r.secret[:], sk.Bytes())

	require.NoError(t, CheckScalar(r.secret[:]))
	r.public, err = PublicKeyOf(r.secret[:])
	require.NoError(t, err)
	r.key = r.public.Bytes()
	sigs, err := Sign(r.secret[:], HashRoot(r.root))
	require.NoError(t, err)
	r.parsed = sigs[0]
	r.sig = r.parsed.Bytes()
	key, err := ParsePublicKey(r.key[:])
	require.NoError(t, err)
	sig, err := ParseSignature(r.sig[:])
	require.NoError(t, err)
	require.True(t, Verify(r.public, HashRoot(r.root), r.parsed))
	require.True(t, VerifyIndependent(r.public, r.root, r.parsed))
	require.True(t, VerifyIndependent(key, r.root, sig))
	require.True(t, VerifyBatch([]Signed{{r.public, HashRoot(r.root), r.parsed}}))
	require.True(t, VerifyBatchIndependent([]SignedRoot{{r.public, r.root, r.parsed}}))
	w, err := NewWeights([]uint64{7})
	require.NoError(t, err)
	got, err := w.CombineWire([][]byte{r.sig[:]})
	require.NoError(t, err)
	require.Equal(t, r.parsed, got)
	whole, err := w.CombineSecret([][]byte{r.secret[:]})
	require.NoError(t, err)
	defer whole.Destroy()
	require.Equal(t, r.secret[:], whole.Bytes())
	f, err := NewPolynomial(r.secret[:], 2)
	require.NoError(t, err)
	f.Destroy()
	require.NoError(t, ReduceWide(r.secret[:], r.wide[:]))
}

// edges are encodings that everything must refuse.
type edges struct {
	G1Infinity string `json:"g1_infinity"`
	G1OffX     string `json:"g1_not_in_subgroup_chia271_x_dec"`
	G1OffY     string `json:"g1_not_in_subgroup_chia271_y_dec"`
	G1OffX4    string `json:"g1_on_curve_not_in_subgroup_x4"`
	ScalarR    string `json:"scalar_eq_r"`
	ScalarZero string `json:"scalar_zero"`
}

// fieldPrime is p of BLS12-381.
var fieldPrime, _ = new(big.Int).SetString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)

// outside returns points of the curve outside the subgroup, compressed.
func (e edges) outside(t *testing.T) map[string][]byte {
	t.Helper()
	x, ok := new(big.Int).SetString(e.G1OffX, 10)
	require.True(t, ok)
	y, ok := new(big.Int).SetString(e.G1OffY, 10)
	require.True(t, ok)
	b := x.FillBytes(make([]byte, PublicKeySize))
	b[0] |= 0x80
	if new(big.Int).Lsh(y, 1).Cmp(fieldPrime) > 0 {
		b[0] |= 0x20
	}
	return map[string][]byte{"chia": b, "x=4": unhex(t, e.G1OffX4)}
}

func readEdges(t *testing.T) (e edges) {
	vectors.JSON(t, "dkg/edge_encodings.json", &e)
	return e
}

func TestEdgeEncodings(t *testing.T) {
	e := readEdges(t)
	_, err := ParsePublicKey(unhex(t, e.G1Infinity))
	require.ErrorIs(t, err, ErrPublicKey)
	for name, b := range e.outside(t) {
		require.NotNil(t, new(blst.P1Affine).Uncompress(b), "%s is on the curve", name)
		_, err := ParsePublicKey(b)
		require.ErrorIs(t, err, ErrPublicKey, name)
	}
	for name, text := range map[string]string{"r": e.ScalarR, "zero": e.ScalarZero} {
		b := unhex(t, text)
		require.ErrorIs(t, CheckScalar(b), ErrScalar, name)
		_, err := PublicKeyOf(b)
		require.ErrorIs(t, err, ErrScalar, name)
		sigs, err := Sign(b, HashRoot([32]byte{}))
		require.ErrorIs(t, err, ErrScalar, name)
		require.Nil(t, sigs)
		_, err = NewPolynomial(b, 2)
		require.ErrorIs(t, err, ErrScalar, name)
		w, err := NewWeights([]uint64{1})
		require.NoError(t, err)
		_, err = w.CombineSecret([][]byte{b})
		require.ErrorIs(t, err, ErrScalar, name)
	}
}

// Another package may turn herumi's subgroup checks off for the whole process. The sum of a key and a point of another
// order then verifies what the key signed, so it must be refused all the same.
func TestNobodySwitchesSubgroupChecksOff(t *testing.T) {
	require.NoError(t, startHerumi())
	herumi.VerifyPublicKeyOrder(false)
	herumi.VerifySignatureOrder(false)
	defer herumi.VerifyPublicKeyOrder(true)
	defer herumi.VerifySignatureOrder(true)

	root := [32]byte{5}
	key, sig := pair(t, root)

	// r times a point outside the subgroup is a point whose order is prime to r.
	chia := new(blst.P1Affine).Uncompress(readEdges(t).outside(t)["chia"])
	small := sum[blst.P1](newPlan([]*big.Int{order}), []*blst.P1Affine{chia}, affineG1).ToAffine()
	require.NotEqual(t, blst.P1Affine{}, *small)
	require.False(t, small.InG1())
	var moved blst.P1
	moved.FromAffine(&key.p)
	moved.AddAssign(small)
	off := PublicKey{*moved.ToAffine()}
	wire := off.p.Compress()

	var theirs herumi.PublicKey
	require.NoError(t, theirs.Deserialize(append([]byte(nil), wire...)), "with the check off herumi takes the key")
	var s herumi.Sign
	require.NoError(t, s.DeserializeUncompressed(sig.p.Serialize()))
	require.True(t, s.VerifyByte(&theirs, root[:]), "and verifies with it: the test would notice")

	_, err := ParsePublicKey(wire)
	require.ErrorIs(t, err, ErrPublicKey)
	require.False(t, VerifyIndependent(off, root, sig))
	require.False(t, VerifyBatchIndependent([]SignedRoot{{off, root, sig}}))
	require.True(t, VerifyIndependent(key, root, sig))
	for name, b := range readEdges(t).outside(t) {
		_, err := ParsePublicKey(b)
		require.ErrorIs(t, err, ErrPublicKey, name)
		k := PublicKey{*new(blst.P1Affine).Uncompress(b)}
		require.False(t, VerifyIndependent(k, root, sig), name)
	}

	stray := offSubgroupG2(t)
	_, err = ParseSignature(stray.p.Compress())
	require.ErrorIs(t, err, ErrSignature)
	require.NoError(t, s.Deserialize(stray.p.Compress()), "with the check off herumi takes the signature")
	require.False(t, VerifyIndependent(key, root, stray))
	require.False(t, VerifyBatchIndependent([]SignedRoot{{key, root, stray}}))
}

// Another package may change how herumi's library hashes, encodes or multiplies. Its known-answer test notices, and what it
// then says of a good signature is no.
func TestHerumiKnownAnswer(t *testing.T) {
	sk := make([]byte, ScalarSize)
	for i := range sk {
		sk[i] = byte(i + 1)
	}
	root := [32]byte(sk)
	slices.Reverse(root[:])
	key, err := PublicKeyOf(sk)
	require.NoError(t, err)
	sigs, err := Sign(sk, HashRoot(root))
	require.NoError(t, err)
	keyBytes, sigBytes := key.Bytes(), sigs[0].Bytes()
	require.Equal(t, knownKey, hex.EncodeToString(keyBytes[:]))
	require.Equal(t, knownSignature, hex.EncodeToString(sigBytes[:]))

	require.NoError(t, startHerumi())
	require.NoError(t, askHerumi())
	for name, change := range map[string]func(){
		"tag of the basic ciphersuite": func() { require.NoError(t, herumi.SetDstG2(string(basicTag))) },
		"another generator": func() {
			var g herumi.PublicKey
			herumi.GetGeneratorOfPublicKey(&g)
			g.Add(&g)
			require.NoError(t, herumi.SetGeneratorOfPublicKey(&g))
		},
		"another encoding": func() { herumi.SetETHserialization(false) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() { require.NoError(t, herumi.Init(herumi.BLS12_381)) }()
			change()
			require.ErrorContains(t, askHerumi(), "another package of the process has changed its settings")
			require.False(t, VerifyIndependent(key, root, sigs[0]))
			ours := name == "another generator" // a batch is verified with our own
			require.Equal(t, ours, VerifyBatchIndependent([]SignedRoot{{key, root, sigs[0]}, {key, root, sigs[0]}}))
		})
		require.NoError(t, askHerumi(), "%s: not undone", name)
	}
}

// Much of herumi's library must not be called: its batch verification passes forgeries, decoders mask what they read, setters
// change the process. What ships names these things of it, and writes the points that it hands over itself.
func TestHerumiIsAskedLittle(t *testing.T) {
	may := []string{
		"herumi.BLS12_381", "herumi.Init",
		"herumi.Fr", "herumi.G1", "herumi.G2", "herumi.GT", "herumi.CastToPublicKey", "herumi.CastToSign", "herumi.CastFromSign",
		"herumi.G1Add", "herumi.G1Mul", "herumi.G2MulVec", "herumi.HashAndMapToSignature", "herumi.MillerLoopVec", "herumi.FinalExp",
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\bherumi\.\w+`).FindAllString(string(source), -1) {
			require.Contains(t, may, name, file)
			used[name] = true
		}
	}
	require.Len(t, used, len(may))
}

// offSubgroupG2 finds a point of the curve of G2 outside the subgroup.
func offSubgroupG2(t testing.TB) Signature {
	t.Helper()
	for x := byte(1); x < 100; x++ {
		b := make([]byte, SignatureSize)
		b[0], b[SignatureSize-1] = 0x80, x
		if p := new(blst.P2Affine).Uncompress(b); p != nil && !p.InG2() {
			return Signature{*p}
		}
	}
	t.Fatal("no such point")
	return Signature{}
}

func TestCombineWireRefusesPointsOutsideTheSubgroup(t *testing.T) {
	root := [32]byte{6}
	key, sig := pair(t, root)
	stray := offSubgroupG2(t)
	good, bad := sig.Bytes(), stray.Bytes()

	w, err := NewWeights([]uint64{1})
	require.NoError(t, err)
	_, err = w.CombineWire([][]byte{bad[:]})
	require.ErrorIs(t, err, ErrSignature)

	var sum blst.P2
	sum.FromAffine(&sig.p)
	sum.AddAssign(&stray.p)
	both := Signature{*sum.ToAffine()}.Bytes()
	_, err = w.CombineWire([][]byte{both[:]})
	require.ErrorIs(t, err, ErrSignature)

	// Strays that cancel out leave the right sum, and nothing else passes: 2·(s+T) - (s+2T) = s.
	w, err = NewWeights([]uint64{1, 2})
	require.NoError(t, err)
	sum.AddAssign(&stray.p)
	twice := Signature{*sum.ToAffine()}.Bytes()
	got, err := w.CombineWire([][]byte{both[:], twice[:]})
	require.NoError(t, err)
	require.Equal(t, sig, got)
	require.True(t, Verify(key, HashRoot(root), got))
	for _, partials := range [][][]byte{{both[:], good[:]}, {good[:], both[:]}, {good[:], bad[:]}, {twice[:], both[:]}} {
		_, err = w.CombineWire(partials)
		require.ErrorIs(t, err, ErrSignature)
	}

	// 2·s - 2s is infinity.
	var double blst.P2
	double.FromAffine(&sig.p)
	double.AddAssign(&sig.p)
	d := Signature{*double.ToAffine()}.Bytes()
	_, err = w.CombineWire([][]byte{good[:], d[:]})
	require.ErrorIs(t, err, ErrSignature)
	_, err = w.CombineSignatures([]Signature{sig, {*double.ToAffine()}})
	require.ErrorIs(t, err, ErrSignature)

	// A partial that is no point does not count as nothing.
	for _, none := range [][]byte{nil, make([]byte, SignatureSize), good[1:], append([]byte{0xc0}, make([]byte, SignatureSize-1)...)} {
		_, err = w.CombineWire([][]byte{good[:], none})
		require.Error(t, err)
		_, err = w.CombineWire([][]byte{none, good[:]})
		require.Error(t, err)
	}
}

func TestWrongLengths(t *testing.T) {
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0x1f
		}
		if n != ScalarSize {
			require.ErrorIs(t, CheckScalar(b), ErrScalar)
		}
		if n != PublicKeySize {
			_, err := ParsePublicKey(b)
			require.EqualError(t, err, fmt.Sprintf("bls: public key has %d bytes, expected 48", n))
		}
		if n != SignatureSize {
			_, err := ParseSignature(b)
			require.EqualError(t, err, fmt.Sprintf("bls: signature has %d bytes, expected 96", n))
		}
		if n != 48 {
			require.Error(t, ReduceWide(make([]byte, 32), b))
		}
	}
	require.Error(t, ReduceWide(make([]byte, 31), make([]byte, 48)))
}

// No error holds bytes of what it refuses.
func TestErrorsHoldNoInput(t *testing.T) {
	sk := unhex(t, "ffedcba9876543210fedcba9876543210fedcba9876543210fedcba987654321")
	w, err := NewWeights([]uint64{3})
	require.NoError(t, err)
	_, e1 := PublicKeyOf(sk)
	_, e2 := Sign(sk)
	_, e3 := NewPolynomial(sk, 3)
	_, e4 := w.CombineSecret([][]byte{sk})
	_, e5 := w.CombineSecret([][]byte{sk, sk})
	_, e6 := ParsePublicKey(append(sk, sk[:16]...))
	_, e7 := ParseSignature(append(append(sk, sk...), sk...))
	_, e8 := PublicKeyOf(sk[:31])
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, CheckScalar(sk), ReduceWide(sk, sk)} {
		require.Error(t, err, i)
		for _, piece := range []string{hex.EncodeToString(sk[:4]), hex.EncodeToString(sk[28:]), fmt.Sprint(sk[:3])} {
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), piece)
		}
	}
}

// Every call that takes a secret refuses what is none, in whichever place it stands.
func TestNoSecretAnywhere(t *testing.T) {
	sk, err := GenerateScalar()
	require.NoError(t, err)
	defer sk.Destroy()
	good := sk.Bytes()
	base, err := PublicKeyOf(good)
	require.NoError(t, err)
	challenge := func(...PublicKey) (c [64]byte) { c[63] = 1; return c }
	for name, bad := range map[string][]byte{
		"zero": make([]byte, 32), "r": order.FillBytes(make([]byte, 32)), "short": good[:31], "none": nil,
	} {
		for call, err := range map[string]error{
			"SumSecrets":        second(SumSecrets([][]byte{good, bad})),
			"SharedPoint":       second(SharedPoint(bad, base)),
			"Prove, secret":     second(Prove(bad, good, challenge)),
			"Prove, nonce":      second(Prove(good, bad, challenge)),
			"ProveEqual, key":   second(ProveEqual(bad, good, base, challenge)),
			"ProveEqual, nonce": second(ProveEqual(good, bad, base, challenge)),
			"DerivePolynomial":  second(DerivePolynomial(2, func(k int, out []byte) error { clear(out); copy(out, bad); return nil })),
		} {
			if call == "DerivePolynomial" && name == "short" {
				continue // it is given room for 32 bytes
			}
			require.ErrorIs(t, err, ErrScalar, "%s: %s", call, name)
		}
	}
	require.ErrorIs(t, second(SharedPoint(good, PublicKey{})), ErrPublicKey)
	require.ErrorIs(t, second(ProveEqual(good, good, PublicKey{}, challenge)), ErrPublicKey)
	require.EqualError(t, second(SumSecrets(nil)), "bls: sum of no scalars")
	require.EqualError(t, second(DerivePolynomial(0, nil)), "bls: polynomial with 0 terms, expected at least 1")
}

func second[T any](_ T, err error) error { return err }

func TestScalarRange(t *testing.T) {
	b := make([]byte, ScalarSize)
	top := new(big.Int).Sub(order, big.NewInt(1))
	for _, c := range []struct {
		value *big.Int
		ok    bool
	}{
		{big.NewInt(0), false}, {big.NewInt(1), true}, {big.NewInt(2), true}, {top, true}, {order, false},
		{new(big.Int).Add(order, big.NewInt(1)), false}, {new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)), false},
	} {
		c.value.FillBytes(b)
		if c.ok {
			require.NoError(t, CheckScalar(b), c.value)
		} else {
			require.ErrorIs(t, CheckScalar(b), ErrScalar, c.value)
		}
	}
	for range 200 {
		s, err := GenerateScalar()
		require.NoError(t, err)
		require.Negative(t, new(big.Int).SetBytes(s.Bytes()).Cmp(order))
		s.Destroy()
	}
}
