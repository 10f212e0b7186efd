//go:build cgo

package bls

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/vectors"
)

// unhex decodes hex digits with or without 0x.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	require.NoError(t, err)
	return b
}

// suite runs the cases of one folder of the official vectors, one JSON file each.
type suite struct {
	folder string
	cases  int
	run    func(t *testing.T, input, output json.RawMessage)
}

// The vectors of ethereum/bls12-381-tests v0.1.1, by folder.
var suites = []suite{
	{"sign", 10, testSign},
	{"verify", 29, testVerify},
	{"deserialization_G1", 13, testDeserializeG1},
	{"deserialization_G2", 15, testDeserializeG2},
	{"aggregate", 6, testAggregate},
	{"fast_aggregate_verify", 12, testFastAggregateVerify},
	{"aggregate_verify", 5, testAggregateVerify},
	{"batch_verify", 2, testBatchVerify},
	{"hash_to_G2", 4, nil},
}

func TestOfficialVectors(t *testing.T) {
	known := map[string]bool{}
	for _, s := range suites {
		known[s.folder] = true
		files := vectors.Files(t, "bls/"+s.folder+"/*.json")
		require.Len(t, files, s.cases, s.folder)
		if s.run == nil {
			t.Logf("%s: its %d cases are not run: they hash with the domain separation tag of RFC 9380's own examples, "+
				"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_, and this package hashes with Ethereum's only", s.folder, s.cases)
			continue
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			t.Run(s.folder+"/"+name, func(t *testing.T) {
				content, err := os.ReadFile(file)
				require.NoError(t, err)
				var v struct{ Input, Output json.RawMessage }
				require.NoError(t, json.Unmarshal(content, &v))
				s.run(t, v.Input, v.Output)
			})
		}
	}
	entries, err := os.ReadDir(filepath.Join(vectors.Dir(t), "bls"))
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, known[e.Name()] || !e.IsDir(), "no test reads the folder %s", e.Name())
	}
}

func decode[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

func testSign(t *testing.T, input, output json.RawMessage) {
	in := decode[struct{ Privkey, Message string }](t, input)
	sk := unhex(t, in.Privkey)
	root := [32]byte(unhex(t, in.Message))
	sigs, err := Sign(sk, HashRoot(root))
	want := decode[*string](t, output)
	if want == nil { // the zero key
		require.ErrorIs(t, err, ErrScalar)
		require.Nil(t, sigs)
		return
	}
	require.NoError(t, err)
	b := sigs[0].Bytes()
	require.Equal(t, unhex(t, *want), b[:])
	key, err := PublicKeyOf(sk)
	require.NoError(t, err)
	require.True(t, Verify(key, HashRoot(root), sigs[0]))
	require.True(t, VerifyIndependent(key, root, sigs[0]))
}

func testVerify(t *testing.T, input, output json.RawMessage) {
	in := decode[struct{ Pubkey, Message, Signature string }](t, input)
	root := [32]byte(unhex(t, in.Message))
	key, keyErr := ParsePublicKey(unhex(t, in.Pubkey))
	sig, sigErr := ParseSignature(unhex(t, in.Signature))
	if !decode[bool](t, output) && (keyErr != nil || sigErr != nil) {
		// What does not parse is the zero value, which verifies nothing.
		require.False(t, Verify(key, HashRoot(root), sig))
		require.False(t, VerifyIndependent(key, root, sig))
		return
	}
	require.NoError(t, keyErr)
	require.NoError(t, sigErr)
	require.Equal(t, decode[bool](t, output), Verify(key, HashRoot(root), sig))
	require.Equal(t, decode[bool](t, output), VerifyIndependent(key, root, sig))
}

// infinite reports whether a compressed point is the one valid form of infinity, which the vectors decode and this
// package refuses.
func infinite(b []byte) bool {
	return len(b) > 0 && b[0] == 0xc0 && strings.Trim(string(b[1:]), "\x00") == ""
}

func testDeserializeG1(t *testing.T, input, output json.RawMessage) {
	in := decode[struct{ Pubkey string }](t, input)
	b := unhex(t, in.Pubkey)
	key, err := ParsePublicKey(b)
	if !decode[bool](t, output) || infinite(b) {
		require.Error(t, err)
		require.True(t, key.IsZero())
		require.NotContains(t, err.Error(), hex.EncodeToString(b[:8]))
		return
	}
	require.NoError(t, err)
	got := key.Bytes()
	require.Equal(t, b, got[:])
}

func testDeserializeG2(t *testing.T, input, output json.RawMessage) {
	in := decode[struct{ Signature string }](t, input)
	b := unhex(t, in.Signature)
	sig, err := ParseSignature(b)
	if !decode[bool](t, output) || infinite(b) {
		require.Error(t, err)
		require.True(t, sig.IsZero())
		require.NotContains(t, err.Error(), hex.EncodeToString(b[:8]))
		return
	}
	require.NoError(t, err)
	got := sig.Bytes()
	require.Equal(t, b, got[:])
}

// one is the weight 1 of each of n points, as sumG1 and sumG2 read weights.
func one(n int) []byte {
	w := make([]byte, n*weightBits/8)
	for i := range n {
		w[i*weightBits/8] = 1
	}
	return w
}

// aggregate adds signatures; nothing in the library does, except by weights.
func aggregate(sigs []Signature) Signature {
	points := make([]blst.P2Affine, len(sigs))
	for i, s := range sigs {
		points[i] = s.p
	}
	return Signature{sumG2(points, one(len(points)))}
}

func testAggregate(t *testing.T, input, output json.RawMessage) {
	want := decode[*string](t, output)
	texts := decode[[]string](t, input)
	if want == nil {
		require.Empty(t, texts, "the only case without a result is that of no signatures")
		return
	}
	var sigs []Signature
	for _, text := range texts {
		sig, err := ParseSignature(unhex(t, text))
		if infinite(unhex(t, text)) {
			require.ErrorIs(t, err, ErrSignature) // so such a sum does not arise
			require.Equal(t, text, *want)
			return
		}
		require.NoError(t, err)
		sigs = append(sigs, sig)
	}
	b := aggregate(sigs).Bytes()
	require.Equal(t, unhex(t, *want), b[:])
}

// parseAll decodes public keys, and reports false if one is refused or there is none.
func parseAll(t *testing.T, texts []string) (keys []blst.P1Affine, ok bool) {
	for _, text := range texts {
		k, err := ParsePublicKey(unhex(t, text))
		if err != nil {
			return nil, false
		}
		keys = append(keys, k.p)
	}
	return keys, len(keys) > 0
}

func testFastAggregateVerify(t *testing.T, input, output json.RawMessage) {
	in := decode[struct {
		Pubkeys            []string
		Message, Signature string
	}](t, input)
	root := [32]byte(unhex(t, in.Message))
	keys, ok := parseAll(t, in.Pubkeys)
	sig, err := ParseSignature(unhex(t, in.Signature))
	if !ok || err != nil {
		require.False(t, decode[bool](t, output))
		return
	}
	whole := PublicKey{sumG1(keys, one(len(keys)))}
	require.Equal(t, decode[bool](t, output), Verify(whole, HashRoot(root), sig))
	require.Equal(t, decode[bool](t, output), VerifyIndependent(whole, root, sig))
}

func testAggregateVerify(t *testing.T, input, output json.RawMessage) {
	in := decode[struct {
		Pubkeys, Messages []string
		Signature         string
	}](t, input)
	keys, ok := parseAll(t, in.Pubkeys)
	sig, err := ParseSignature(unhex(t, in.Signature))
	if !ok || err != nil {
		require.False(t, decode[bool](t, output))
		return
	}
	var hashes []*Hash
	for _, m := range in.Messages {
		hashes = append(hashes, HashRoot([32]byte(unhex(t, m))))
	}
	require.Equal(t, decode[bool](t, output), pairingsEqual(keys, hashes, &sig.p))
}

func testBatchVerify(t *testing.T, input, output json.RawMessage) {
	in := decode[struct{ Pubkeys, Messages, Signatures []string }](t, input)
	var claims []Signed
	singly, independently := true, true
	for i := range in.Pubkeys {
		key, err := ParsePublicKey(unhex(t, in.Pubkeys[i]))
		require.NoError(t, err)
		sig, err := ParseSignature(unhex(t, in.Signatures[i]))
		require.NoError(t, err)
		root := [32]byte(unhex(t, in.Messages[i]))
		claims = append(claims, Signed{key, HashRoot(root), sig})
		singly = singly && Verify(key, HashRoot(root), sig)
		independently = independently && VerifyIndependent(key, root, sig)
	}
	require.Equal(t, decode[bool](t, output), VerifyBatch(claims))
	require.Equal(t, decode[bool](t, output), verifyIndependent(claims))
	require.Equal(t, decode[bool](t, output), singly)
	require.Equal(t, decode[bool](t, output), independently)
}
