package checks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
	"github.com/stretchr/testify/require"
)

// A secretValue is a value that holds secrets, and the bytes that nothing may print.
type secretValue struct {
	name    string
	value   any
	secrets [][]byte
}

// excused are types that hold a secret and of which no value can be had here, each with the reason why that is safe.
var excused = map[string]string{}

// TestNoSecretPrints prints a value of every type that holds a secret in every way, and looks for the secret.
func TestNoSecretPrints(t *testing.T) {
	visited := map[string]bool{}
	for _, s := range secretValues(t) {
		require.NotEmpty(t, s.secrets, s.name)
		for _, b := range s.secrets {
			require.GreaterOrEqual(t, len(b), 16, s.name)
		}
		v := newVisitor(s.secrets, ownType)
		v.look(s.name, reflect.ValueOf(&s.value).Elem())
		for _, fault := range v.faults {
			t.Error(fault)
		}
		for name := range v.visited {
			visited[name] = true
		}
	}
	for _, fault := range missing(holders(t), visited, excused) {
		t.Error(fault)
	}
}

// ownType reports whether a type is of this module, or is the one foreign type that is a secret.
func ownType(t reflect.Type) bool {
	return strings.HasPrefix(t.PkgPath()+"/", module+"/")
}

// secretValues makes a value of every type that holds a secret.
func secretValues(t *testing.T) []secretValue {
	t.Helper()
	return slices.Concat(guardedValues(t), keyValues(t))
}

// scalar returns a fixed 32-byte secret that is a valid BLS12-381 scalar.
func scalar(name string) []byte {
	b := sha256.Sum256([]byte(name))
	b[0] &= 0x3f
	return b[:]
}

// must returns a value that was made without an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func guardedValues(t *testing.T) []secretValue {
	b, long := scalar("guarded"), slices.Concat(scalar("a"), scalar("b"), scalar("c"))
	destroyed := must[*secret.Buffer](t)(secret.Copy(b))
	destroyed.Destroy()
	return []secretValue{
		{"secret.Buffer", must[*secret.Buffer](t)(secret.Copy(b)), [][]byte{b}},
		{"secret.Buffer of its own mapping", must[*secret.Buffer](t)(secret.Copy(long)), [][]byte{long}},
		{"secret.Buffer after Destroy", destroyed, [][]byte{b}},
		{"secret.Box", must[*secret.Box](t)(secret.Seal(b)), [][]byte{b}},
		{"secret.Key", must[*secret.Key](t)(secret.TakeKey(slices.Clone(b))), [][]byte{b}},
		{"bls.Polynomial", must[*bls.Polynomial](t)(bls.NewPolynomial(b, 3)), [][]byte{b}},
	}
}

func keyValues(t *testing.T) []secretValue {
	b := scalar("key")
	value := must[*shamir.Scalar](t)(shamir.ParseScalar(b))
	key := must[*keyshare.SecretKey](t)(keyshare.ParseSecretKey(b))
	parts, commitment, err := shamir.Split(value, 2, []shamir.Index{3, 1, 1 << 40})
	require.NoError(t, err)
	_, shares, err := keyshare.Split(key, 3, []keyshare.Index{4, 1, 2, 1 << 33})
	require.NoError(t, err)
	operator := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	sealed := must[keyshare.Sealed](t)(shares[0].Seal(keyshare.Operator{ID: 4, PublicKey: &operator.PublicKey}))

	values := []secretValue{
		{"shamir.Scalar", value, [][]byte{b}},
		{"shamir.Commitment", commitment, [][]byte{b}},
		{"keyshare.SecretKey", key, [][]byte{b}},
		{"keyshare.Key", keyshare.Key(key), [][]byte{b}},
		{"keyshare.Sealed", sealed, [][]byte{bytesOf(t, shares[0])}},
	}
	for _, p := range parts {
		values = append(values, secretValue{"shamir.Share", p, [][]byte{b, bytesOf(t, p.Value)}})
	}
	for _, s := range shares {
		values = append(values, secretValue{"keyshare.Share", s, [][]byte{b, bytesOf(t, s)}})
	}
	return values
}

// bytesOf copies the secret of a value that gives access to it.
func bytesOf(t *testing.T, s interface {
	Use(func([]byte) error) error
}) []byte {
	t.Helper()
	var b []byte
	require.NoError(t, s.Use(func(secret []byte) error {
		b = slices.Clone(secret)
		return nil
	}))
	return b
}
