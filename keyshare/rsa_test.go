package keyshare

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
)

// realOperators are operators of a public network: their keys, whose moduli are not all of 2048 bits.
func realOperators(t testing.TB) []Operator {
	t.Helper()
	var list []struct {
		ID          Index  `json:"id"`
		OperatorKey string `json:"operatorKey"`
	}
	vectors.JSON(t, "ssv/real-operators.json", &list)
	require.NotEmpty(t, list)
	var operators []Operator
	for _, o := range list {
		text, err := base64.StdEncoding.DecodeString(o.OperatorKey)
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		require.NotNil(t, block)
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		require.NoError(t, err)
		operators = append(operators, Operator{ID: o.ID, PublicKey: key.(*rsa.PublicKey)})
	}
	return operators
}

// checkPower compares rsaPower with big.Int.
func checkPower(t testing.TB, n, message *big.Int) {
	t.Helper()
	key := &rsa.PublicKey{N: n, E: rsaExponent}
	require.NoError(t, Operator{ID: 1, PublicKey: key}.Check())
	got, err := rsaPower(key, message.FillBytes(make([]byte, SealedSize)))
	require.NoError(t, err)
	want := new(big.Int).Exp(message, big.NewInt(rsaExponent), n)
	require.Equal(t, want.FillBytes(make([]byte, SealedSize)), got, "N = %x, message = %x", n, message)
}

// edgeMessages are the messages below n at the borders of the arithmetic.
func edgeMessages(n *big.Int) []*big.Int {
	out := []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2)}
	for d := int64(1); d <= 3; d++ {
		out = append(out, new(big.Int).Sub(n, big.NewInt(d)))
	}
	out = append(out, new(big.Int).Rsh(n, 1))
	for shift := uint(64); shift < 2048; shift += 448 { // words of ones, a bit on a word's border
		p := new(big.Int).Lsh(big.NewInt(1), shift)
		out = append(out, p, new(big.Int).Sub(p, big.NewInt(1)), new(big.Int).Sub(n, p))
	}
	var below []*big.Int
	for _, m := range out {
		if m.Sign() >= 0 && m.Cmp(n) < 0 {
			below = append(below, m)
		}
	}
	return below
}

func TestRSAPower(t *testing.T) {
	two := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	moduli := []*big.Int{
		new(big.Int).Sub(two(2048), big.NewInt(1)), // all ones
		new(big.Int).Add(two(2047), big.NewInt(1)),
		new(big.Int).Add(two(2040), big.NewInt(1)), // the smallest of 256 bytes
		new(big.Int).Add(new(big.Int).Sub(two(2048), two(64)), big.NewInt(1)),
		new(big.Int).Sub(two(2048), new(big.Int).Sub(two(1024), big.NewInt(1))),
	}
	for _, o := range realOperators(t) {
		moduli = append(moduli, o.PublicKey.N)
	}
	for bits := uint(2041); bits <= 2048; bits++ {
		for range 3 {
			n, err := rand.Int(rand.Reader, two(bits-1))
			require.NoError(t, err)
			n.Add(n, two(bits-1)).SetBit(n, 0, 1)
			require.EqualValues(t, bits, n.BitLen())
			moduli = append(moduli, n)
		}
	}
	short := false
	for _, n := range moduli {
		short = short || n.BitLen() == 2047
		messages := edgeMessages(n)
		require.Greater(t, len(messages), 10)
		for range 5 {
			m, err := rand.Int(rand.Reader, n)
			require.NoError(t, err)
			messages = append(messages, m)
		}
		for _, m := range messages {
			checkPower(t, n, m)
		}
	}
	require.True(t, short, "a real operator's modulus has 2047 bits")
}

func FuzzRSAPower(f *testing.F) {
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2048), big.NewInt(1))
	f.Add(n.Bytes(), []byte{1})
	f.Add(n.Bytes(), n.Bytes())
	f.Fuzz(func(t *testing.T, modulus, message []byte) {
		n := new(big.Int).SetBytes(modulus)
		n.SetBit(n, 0, 1)
		if n.BitLen() <= 2040 || n.BitLen() > 2048 {
			t.Skip("not a modulus of 256 bytes")
		}
		checkPower(t, n, new(big.Int).Mod(new(big.Int).SetBytes(message), n))
	})
}

func BenchmarkRSAPower(b *testing.B) {
	o := realOperators(b)[0]
	message := make([]byte, SealedSize)
	message[1] = 2
	for b.Loop() {
		_, err := rsaPower(o.PublicKey, message)
		require.NoError(b, err)
	}
}

func BenchmarkEncryptPKCS1v15(b *testing.B) {
	o := realOperators(b)[0]
	for b.Loop() {
		//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
		_, err := rsa.EncryptPKCS1v15(rand.Reader, o.PublicKey, make([]byte, plainSize)) //nolint:staticcheck // the network's format
		require.NoError(b, err)
	}
}
