package checks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
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
var excused = map[string]string{
	module + "/internal/secret.process": "one global value, passed to nothing; it holds the key behind two pointers",
	module + "/keystore.node":           "lives for one derivation, inside one function; embeds secret.Redacted",
	module + "/keystore.opened":         "an opened keystore.File on its way through a channel; File is tried",
	module + "/dkg.deriver":             "lives for one derivation, inside one function; prints as its parts, which are tried",
	module + "/dkg.runner":              "lives inside Run and is passed to nothing",
	module + "/examples/onboard.seed":   "of a program, and embeds keystore.Seed, which is tried",
	module + "/hsm/pkcs11.Native":       "its secrets are in the token; it holds a pkcs11.Token without keys, which is tried",
	module + "/hsm/pkcs11.nativeKey":    "its secret is in the token; it holds a pkcs11.Native",

	// These need a Vault server, against which hsm/hsmtest prints them.
	module + "/hsm/vault.Transit":       "is what hsmtest prints with a known key",
	module + "/hsm/vault.transitSealer": "is in a vault.Transit",
	module + "/hsm/vault.appRole":       "keeps a secret_id in a secret.Box; TestAppRole prints it",
}

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

// ownType reports whether a type is of this module.
func ownType(t reflect.Type) bool {
	return strings.HasPrefix(t.PkgPath()+"/", module+"/")
}

// secretValues makes a value of every type that holds a secret.
func secretValues(t *testing.T) []secretValue {
	t.Helper()
	return slices.Concat(guardedValues(t), keyValues(t), keystoreValues(t), backendValues(t), ceremonyValues(t), tokenValues(t))
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
	mac := must[*kdf.MAC](t)(kdf.NewMAC(sha256.New))
	mac.SetKey(b)
	mac.Write(long)
	hashed := sha256.Sum256(b)
	return []secretValue{
		{"secret.Buffer", must[*secret.Buffer](t)(secret.Copy(b)), [][]byte{b}},
		{"secret.Buffer of its own mapping", must[*secret.Buffer](t)(secret.Copy(long)), [][]byte{long}},
		{"secret.Buffer after Destroy", destroyed, [][]byte{b}},
		{"secret.Box", must[*secret.Box](t)(secret.Seal(b)), [][]byte{b}},
		{"secret.Key", must[*secret.Key](t)(secret.TakeKey(slices.Clone(b))), [][]byte{b}},
		{"bls.Polynomial", must[*bls.Polynomial](t)(bls.NewPolynomial(b, 3)), [][]byte{b}},
		{"kdf.MAC", mac, [][]byte{b, hashed[:]}},
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

// A sentence of 24 words and its entropy, from the test vectors of BIP-39. The words themselves may stand in other text
// by chance, so that the sentence is looked for in Japanese.
const (
	sentence = "void come effort suffer camp survey warrior heavy shoot primary clutch crush " +
		"open amazing screen patrol group space point ten exist slush involve unfold"
	entropy = "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f"
)

func keystoreValues(t *testing.T) []secretValue {
	english := must[*keystore.Mnemonic](t)(keystore.ParseMnemonic([]byte(sentence)))
	japanese := must[*keystore.Mnemonic](t)(keystore.NewMnemonic(24, keystore.Japanese))
	b := scalar("keystore")
	key := must[*keyshare.SecretKey](t)(keyshare.ParseSecretKey(b))
	password := []byte("kQ7#vR2!xZ9@mW4$tB6%")
	sealed := must[*keystore.Keystore](t)(keystore.Encrypt(key, password, &keystore.Options{PBKDF2: true}))
	seed := slices.Concat(scalar("seed"), scalar("of 64 bytes"))
	return []secretValue{
		{"keystore.Mnemonic", english, [][]byte{must[[]byte](t)(hex.DecodeString(entropy))}},
		{"keystore.Mnemonic in Japanese", japanese, [][]byte{bytesOf(t, japanese)}},
		{"keystore.Seed", must[*keystore.Seed](t)(keystore.NewSeed(seed)), [][]byte{seed}},
		{"keystore.Keystore", sealed, [][]byte{b, password}},
		{"keystore.File", keystore.File{Path: "path", Keystore: sealed, Key: key}, [][]byte{b, password}},
		{"keystore.Entry", keystore.Entry{Key: key}, [][]byte{b}},
	}
}

func backendValues(t *testing.T) []secretValue {
	passphrase := []byte("kQ7#vR2!xZ9@mW4$tB6%")
	path := filepath.Join(t.TempDir(), "keys.db")
	ask := func() ([]byte, error) { return slices.Clone(passphrase), nil }
	backend := must[*software.Backend](t)(software.Open(path, ask, nil))
	t.Cleanup(func() { require.NoError(t, backend.Close()) })
	b := scalar("custody")
	key := must[hsm.Key](t)(backend.Import(t.Context(), "label", must[*keyshare.SecretKey](t)(keyshare.ParseSecretKey(b))))
	_, err := key.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	return []secretValue{
		{"software.Backend", backend, [][]byte{b, passphrase}},
		{"hsm.Backend", hsm.Backend(backend), [][]byte{b, passphrase}},
		{"hsm.Key", key, [][]byte{b, passphrase}},
	}
}

// ceremonyValues stops a party of a key generation when it has its share.
func ceremonyValues(t *testing.T) []secretValue {
	params := &dkg.Params{Kind: dkg.Generate, Created: time.Unix(1, 0), Expires: time.Unix(2, 0), Keys: 1, Threshold: 2}
	var identities []*rsa.PrivateKey
	for id := range 2 {
		k := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
		identities = append(identities, k)
		params.Operators = append(params.Operators, dkg.Operator{Operator: keyshare.Operator{ID: keyshare.Index(id + 1), PublicKey: &k.PublicKey}, Scheme: dkg.PSS})
	}
	var parties []*dkg.Party
	var configs []dkg.Config
	var waiting [2][][]byte
	for id, k := range identities {
		c := dkg.Config{Params: params, ID: keyshare.Index(id + 1), Identity: k, Decrypter: k}
		configs = append(configs, c)
		parties = append(parties, must[*dkg.Party](t)(dkg.New(c, nil)))
		t.Cleanup(parties[id].Close)
		waiting[1-id] = append(waiting[1-id], must[dkg.Output](t)(parties[id].Step()).Send...)
	}
	for range 10 {
		for id, p := range parties {
			in := waiting[id]
			waiting[id] = nil
			out := must[dkg.Output](t)(p.Step(in...))
			waiting[1-id] = append(waiting[1-id], out.Send...)
			if out.Keep == nil {
				continue
			}
			secrets := [][]byte{bytesOf(t, out.Keep[0]), identities[id].D.Bytes()}
			early := must[*dkg.Party](t)(dkg.New(configs[id], nil)) // with fewer messages to print
			t.Cleanup(early.Close)
			must[dkg.Output](t)(early.Step())
			return []secretValue{{"dkg.Party", early, secrets}, {"dkg.Output", out, secrets}, {"dkg.Config", configs[id], secrets}}
		}
	}
	t.Fatal("the ceremony gave no share")
	return nil
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
