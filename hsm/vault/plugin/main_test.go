package plugin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// mount is the engine at a path of its own.
type mount struct {
	*vaulttest.Server
	path, token string
	patient     bool // call waits until a server is there that answers
}

var mounts struct {
	sync.Mutex
	n int
}

// open mounts the engine in a server, unconfigured.
func open(t *testing.T, s *vaulttest.Server) *mount {
	mounts.Lock()
	defer mounts.Unlock()
	mounts.n++
	m := &mount{Server: s, path: fmt.Sprintf("dvkeys%d", mounts.n), token: s.Token}
	s.Mount(t, m.path)
	t.Cleanup(func() { m.clean(t, *outside(t)...) })
	return m
}

var outsides sync.Map // by test, the secrets that it has made itself

func outside(t *testing.T) *[][]byte {
	list, _ := outsides.LoadOrStore(t, new([][]byte))
	return list.(*[][]byte)
}

// start starts a server with the engine, which permits everything.
func start(t *testing.T, o *vaulttest.Options) *mount {
	t.Helper()
	if o == nil {
		o = &vaulttest.Options{}
	}
	o.Plugin, o.RawLog = true, true
	m := open(t, vaulttest.Start(t, o))
	m.permit(t)
	return m
}

func (m *mount) permit(t *testing.T) {
	t.Helper()
	m.ok(t, "PUT", "config", map[string]any{
		"networks": "*", "withdrawal_addresses": "*", "fee_recipients": "*", "operator_keys": "*", "raw_signing": true, "sealing": true,
	}, nil)
}

// with is the mount for another token.
func (m *mount) with(token string) *mount {
	return &mount{Server: m.Server, path: m.path, token: token}
}

func (m *mount) call(method, path string, body, out any) error {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := m.CallAs(m.token, method, m.path+"/"+path, body, out)
		status := vaulttest.Status(err)
		if err == nil || !m.patient || status != 0 && status < 500 || time.Now().After(end) {
			return err
		}
	}
}

func (m *mount) ok(t *testing.T, method, path string, body, out any) {
	t.Helper()
	require.NoError(t, m.call(method, path, body, out), "%s %s", method, path)
}

// refused requires a status and a part of the text.
func (m *mount) refused(t *testing.T, status int, text, method, path string, body any) {
	t.Helper()
	err := m.call(method, path, body, nil)
	require.Equal(t, status, vaulttest.Status(err), "%s %s: %v", method, path, err)
	require.ErrorContains(t, err, text, "%s %s", method, path)
}

func (m *mount) create(t *testing.T, name string) keyshare.PublicKey {
	t.Helper()
	var k wire.Key
	m.ok(t, "PUT", "keys/"+name, nil, &k)
	require.Equal(t, name, k.Name)
	return publicKey(t, k.PublicKey)
}

func publicKey(t *testing.T, text string) (pk keyshare.PublicKey) {
	t.Helper()
	require.NoError(t, pk.UnmarshalText([]byte(text)))
	return pk
}

func signature(t *testing.T, text string) (s keyshare.Signature) {
	t.Helper()
	require.NoError(t, s.UnmarshalText([]byte(text)))
	return s
}

// duties asks for signatures and returns one result a duty.
func (m *mount) duties(kind, name string, duties ...signer.Duty) ([]wire.Result, error) {
	want := wire.Duties{Network: "hoodi"}
	for _, d := range duties {
		text, err := signer.EncodeDuty(d)
		if err != nil {
			return nil, err
		}
		want.Duties = append(want.Duties, text)
	}
	var got wire.Results
	err := m.call("PUT", kind+"/"+name, want, &got)
	return got.Results, err
}

// signs requires a signature of one duty that verifies.
func (m *mount) signs(t *testing.T, kind, name string, pk keyshare.PublicKey, d signer.Duty) {
	t.Helper()
	got, err := m.duties(kind, name, d)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Nil(t, got[0].Fault, "%+v", got[0].Fault)
	root, err := signer.SigningRoot(signer.Hoodi, d)
	require.NoError(t, err)
	require.True(t, pk.Verify(root, signature(t, got[0].Signature)), "%s", kind)
}

// faults requires that one duty is refused.
func (m *mount) faults(t *testing.T, code, text, kind, name string, d signer.Duty) {
	t.Helper()
	got, err := m.duties(kind, name, d)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.NotNil(t, got[0].Fault)
	require.Empty(t, got[0].Signature)
	require.Equal(t, code, got[0].Fault.Code, got[0].Fault.Text)
	require.Contains(t, got[0].Fault.Text, text)
}

var operatorKeys = sync.OnceValue(func() (keys []*rsa.PrivateKey) {
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

func operator(t *testing.T, id uint64, k *rsa.PrivateKey) (o wire.Operator, digest string) {
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	require.NoError(t, err)
	sum := sha256.Sum256(der)
	return wire.Operator{ID: id, PublicKey: der}, hex.EncodeToString(sum[:])
}

// secretOf returns a key whose secret the test knows.
func secretOf(t *testing.T) (k *keyshare.SecretKey, plain []byte) {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	t.Cleanup(k.Destroy)
	require.NoError(t, k.Use(func(b []byte) error { plain = append([]byte(nil), b...); return nil }))
	*outside(t) = append(*outside(t), plain)
	return k, plain
}

// importing wraps a secret for an import.
func (m *mount) importing(t *testing.T, name string, k keyshare.Secret) wire.Import {
	t.Helper()
	var w wire.WrappingKey
	m.ok(t, "PUT", "import/wrapping", nil, &w)
	parsed, err := x509.ParsePKIXPublicKey(w.PublicKey)
	require.NoError(t, err)
	want := wire.Import{Name: name, PublicKey: k.PublicKey().String(), WrappingID: w.ID}
	require.NoError(t, k.Use(func(plain []byte) error {
		want.Wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed.(*rsa.PublicKey), plain, wire.ImportLabel(name, k.PublicKey().Bytes()))
		return err
	}))
	return want
}

func (m *mount) imports(t *testing.T, name string, k *keyshare.SecretKey) {
	t.Helper()
	var got wire.Key
	m.ok(t, "PUT", "import", m.importing(t, name, k), &got)
	require.Equal(t, k.PublicKey().String(), got.PublicKey)
}

func vote(source, target uint64, root byte) signer.Attestation {
	return signer.Attestation{
		Slot: 32 * target, BeaconBlockRoot: keyshare.Root{root},
		Source: signer.Checkpoint{Epoch: source}, Target: signer.Checkpoint{Epoch: target},
	}
}

// liar is a secret that says it has another public key.
type liar struct {
	keyshare.Secret
	pk keyshare.PublicKey
}

func (l liar) PublicKey() keyshare.PublicKey { return l.pk }

func publicPEM(t *testing.T, k *rsa.PrivateKey) []byte {
	o, _ := operator(t, 1, k)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: o.PublicKey})
}

func dutyTexts(t *testing.T, duties ...signer.Duty) (texts []json.RawMessage) {
	for _, d := range duties {
		text, err := signer.EncodeDuty(d)
		require.NoError(t, err)
		texts = append(texts, text)
	}
	return texts
}
