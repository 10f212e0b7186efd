package plugin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

var errDisk = errors.New("the disk is gone")

// storage is Vault's storage with faults. As from Vault, what it returns is the reader's own: he may wipe it.
type storage struct {
	logical.Storage
	mu   sync.Mutex
	puts int
	hold func(*logical.StorageEntry) bool               // keeps an entry from being stored, and the process that wrote it crashes
	put  func(n int, path string) (before, after error) // n counts from 1
	get  func(path string)                              // called before
}

func (s *storage) Put(ctx context.Context, e *logical.StorageEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.hold != nil && s.hold(e) {
		return errDisk
	}
	var before, after error
	if s.put != nil {
		before, after = s.put(s.puts, e.Key)
	}
	if before != nil {
		return before
	}
	copied := *e
	copied.Value = bytes.Clone(e.Value)
	return errors.Join(s.Storage.Put(ctx, &copied), after)
}

func (s *storage) Get(ctx context.Context, path string) (*logical.StorageEntry, error) {
	if s.get != nil {
		s.get(path)
	}
	e, err := s.Storage.Get(ctx, path)
	if e == nil || err != nil {
		return nil, err
	}
	copied := *e
	copied.Value = bytes.Clone(e.Value)
	return &copied, nil
}

// engine is the engine in this process, over a storage that the test holds.
type engine struct {
	*backend
	storage *storage
}

func newEngine(t *testing.T) *engine {
	e := &engine{storage: &storage{Storage: &logical.InmemStorage{}}}
	e.restart(t)
	_, err := e.do(logical.UpdateOperation, "config", map[string]any{"networks": "*", "raw_signing": true})
	require.NoError(t, err)
	return e
}

// restart is a new process over the same storage.
func (e *engine) restart(t *testing.T) {
	if e.backend != nil {
		e.Cleanup(context.Background())
	}
	b, err := Factory(t.Context(), &logical.BackendConfig{StorageView: e.storage, System: &logical.StaticSystemView{}})
	require.NoError(t, err)
	e.backend = b.(*backend)
	t.Cleanup(func() { b.Cleanup(context.Background()) })
}

func (e *engine) do(op logical.Operation, path string, data map[string]any) (map[string]any, error) {
	resp, err := e.HandleRequest(context.Background(), &logical.Request{Operation: op, Path: path, Data: data, Storage: e.storage})
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, nil
	}
	return resp.Data, resp.Error()
}

func (e *engine) create(t *testing.T, name string) string {
	t.Helper()
	k, err := e.do(logical.UpdateOperation, "keys/"+name, nil)
	require.NoError(t, err)
	return k["public_key"].(string)
}

func attestation(t *testing.T, source, target uint64, root byte) map[string]any {
	text, err := signer.EncodeDuty(signer.Attestation{
		Slot: 32 * target, BeaconBlockRoot: keyshare.Root{root},
		Source: signer.Checkpoint{Epoch: source}, Target: signer.Checkpoint{Epoch: target},
	})
	require.NoError(t, err)
	return map[string]any{"network": "hoodi", "duties": []any{rawJSON(text)}}
}

// rawJSON is JSON text that Marshal takes as it is.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// vote returns the signature, or the code of the fault.
func (e *engine) vote(t *testing.T, name string, source, target uint64, root byte) (signature, code string, err error) {
	t.Helper()
	got, err := e.do(logical.UpdateOperation, "attestation/"+name, attestation(t, source, target, root))
	if err != nil {
		return "", "", err
	}
	result := got["results"].([]any)[0].(map[string]any)
	if fault, ok := result["fault"].(map[string]any); ok {
		return "", fault["code"].(string), nil
	}
	return result["signature"].(string), "", nil
}

// TestForgets looks at which open keys remain.
func TestForgets(t *testing.T) {
	e := newEngine(t)
	e.create(t, "a")
	e.create(t, "b")
	opened := func() (names []string) {
		for name := range e.ring.keys {
			names = append(names, name)
		}
		return names
	}
	require.ElementsMatch(t, []string{"a", "b"}, opened())
	held := e.ring.keys["a"]
	e.InvalidateKey(context.Background(), namePrefix+"a")
	require.Equal(t, []string{"b"}, opened())
	_, err := held.secret.SignRoots(t.Context(), keyshare.Root{})
	require.Error(t, err, "the secret is wiped")
	_, _, err = e.vote(t, "a", 1, 2, 1)
	require.NoError(t, err, "it is read again")

	e.InvalidateKey(context.Background(), dataKeyPrefix+"x")
	require.Empty(t, opened())
	require.Empty(t, e.ring.data)
	_, _, err = e.vote(t, "b", 1, 2, 1)
	require.NoError(t, err)

	_, err = e.do(logical.DeleteOperation, "keys/b", nil)
	require.NoError(t, err)
	require.Empty(t, opened())

	// Another node deletes a key and changes the configuration.
	_, _, err = e.vote(t, "a", 2, 3, 1)
	require.NoError(t, err)
	require.NoError(t, e.storage.Delete(t.Context(), namePrefix+"a"))
	require.NoError(t, e.storage.Delete(t.Context(), configPath))
	e.InvalidateKey(context.Background(), keyPrefix+"a/x")
	e.InvalidateKey(context.Background(), configPath)
	_, err = e.do(logical.UpdateOperation, "sign/a", map[string]any{"roots": []string{keyshare.Root{}.String()}})
	require.ErrorContains(t, err, "raw_signing is off")

	e.create(t, "c")
	held = e.ring.keys["c"]
	e.Cleanup(t.Context())
	require.Empty(t, opened())
	_, err = held.secret.SignRoots(t.Context(), keyshare.Root{})
	require.Error(t, err)
}

// TestDamage alters what is stored.
func TestDamage(t *testing.T) {
	e := newEngine(t)
	e.create(t, "a")
	e.create(t, "b")
	entry := func(path string) *logical.StorageEntry {
		got, err := e.storage.Get(t.Context(), path)
		require.NoError(t, err)
		require.NotNil(t, got)
		return got
	}
	works := func() error {
		e.restart(t)
		_, _, err := e.vote(t, "a", 1, 2, 1)
		return err
	}
	isDamaged := func(why string) {
		t.Helper()
		err := works()
		require.ErrorContains(t, err, errCorrupt.Error(), why)
		require.Equal(t, http.StatusUnprocessableEntity, err.(logical.HTTPCodedError).Code())
	}
	require.NoError(t, works())
	path := func(prefix string) string {
		paths, err := logical.CollectKeysWithPrefix(t.Context(), e.storage, prefix)
		require.NoError(t, err)
		require.Len(t, paths, 1)
		return paths[0]
	}
	put := func(path, value string) {
		require.NoError(t, e.storage.Put(t.Context(), &logical.StorageEntry{Key: path, Value: []byte(value)}))
	}
	atA, atB := path(keyPrefix+"a/"), path(keyPrefix+"b/")
	a, b := string(entry(atA).Value), string(entry(atB).Value)
	put(atA, b)
	isDamaged("another key's record")
	sealed := func(record string) string { return regexp.MustCompile(`"sealed":"[^"]*"`).FindString(record) }
	put(atA, strings.Replace(a, sealed(a), sealed(b), 1))
	isDamaged("another key's secret")
	put(atA, "{")
	isDamaged("")
	got, err := e.do(logical.UpdateOperation, "keys", map[string]any{"requests": []any{map[string]any{"name": "a"}, map[string]any{"name": "b"}}})
	require.NoError(t, err)
	require.Equal(t, wire.Corrupt, got["results"].([]any)[0].(map[string]any)["fault"].(map[string]any)["code"])
	require.Equal(t, "b", got["results"].([]any)[1].(map[string]any)["name"])
	list, err := e.do(logical.ListOperation, "keys/", nil)
	require.NoError(t, err, "the others can be listed")
	require.Equal(t, []any{"a", "b"}, list["keys"])
	require.Equal(t, map[string]any{"name": "a", "public_key": ""}, list["key_info"].(map[string]any)["a"])
	require.NotEmpty(t, list["key_info"].(map[string]any)["b"].(map[string]any)["public_key"])
	put(atA, a)
	require.NoError(t, works())

	atData := path(dataKeyPrefix)
	data := string(entry(atData).Value)
	require.NoError(t, e.storage.Delete(t.Context(), atData))
	isDamaged("no other data key is taken")
	put(atData, string(make([]byte, 32)))
	isDamaged("")
	put(atData, data)
	require.NoError(t, works())

	put(path(historyPrefix), "damaged")
	isDamaged("")
}

// TestPanic is about the guard around every path. The log says where it was, and not with what.
func TestPanic(t *testing.T) {
	e := newEngine(t)
	var log bytes.Buffer
	b, err := Factory(t.Context(), &logical.BackendConfig{
		StorageView: e.storage, System: &logical.StaticSystemView{}, Logger: hclog.New(&hclog.LoggerOptions{Output: &log}),
	})
	require.NoError(t, err)
	e.backend = b.(*backend)
	e.storage.put = func(int, string) (before, after error) { panic("secret of the key") }
	_, err = e.do(logical.UpdateOperation, "keys/k", nil)
	require.EqualError(t, err, "dvkeys: internal fault")
	require.Contains(t, log.String(), "[ERROR] a request panicked")
	require.Contains(t, log.String(), "(*backend).newRecord:")
	require.NotContains(t, log.String(), "secret of the key")
}

// TestCancelled asks with a context that has ended.
func TestCancelled(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, Path: "sign/k", Storage: e.storage, Data: map[string]any{"roots": []string{keyshare.Root{}.String()}},
	})
	var coded logical.HTTPCodedError
	require.ErrorAs(t, err, &coded)
	require.Equal(t, 503, coded.Code())
}

// TestLateWrites lets what a crashed process was writing arrive after another one has taken its place and has done the
// same in its own way: neither the name's key nor what was recorded is undone.
func TestLateWrites(t *testing.T) {
	e := newEngine(t)
	e.create(t, "other") // makes the data key
	var late []*logical.StorageEntry
	holdBack := func(prefixes ...string) {
		late = nil
		e.storage.hold = func(entry *logical.StorageEntry) bool {
			held := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(entry.Key, p) })
			if held {
				late = append(late, entry)
			}
			return held
		}
	}
	arrive := func() {
		e.storage.hold = nil
		require.NotEmpty(t, late)
		for _, entry := range late {
			require.NoError(t, e.storage.Put(t.Context(), entry))
		}
	}
	for _, at := range []string{publicPrefix, keyPrefix} {
		name := "k" + strings.TrimSuffix(at, "/")
		holdBack(at)
		_, err := e.do(logical.UpdateOperation, "keys/"+name, nil)
		require.Error(t, err)
		e.storage.hold = nil
		e.restart(t)
		pk := e.create(t, name)
		arrive()
		require.Equal(t, pk, e.create(t, name))
		e.restart(t)
		require.Equal(t, pk, e.create(t, name))
		list, err := e.do(logical.ListOperation, "keys/", nil)
		require.NoError(t, err)
		require.Contains(t, list["keys"], name)
		_, err = e.do(logical.DeleteOperation, "keys/"+name, nil)
		require.NoError(t, err)
		require.NotEqual(t, pk, e.create(t, name))
	}

	e.create(t, "v")
	_, _, err := e.vote(t, "v", 1, 10, 1)
	require.NoError(t, err)
	holdBack(historyPrefix)
	_, _, err = e.vote(t, "v", 1, 11, 1)
	require.Error(t, err)
	e.storage.hold = nil
	e.restart(t)
	signature, _, err := e.vote(t, "v", 1, 12, 1)
	require.NoError(t, err)
	require.NotEmpty(t, signature)
	arrive()
	for _, target := range []uint64{10, 11, 12} {
		_, code, err := e.vote(t, "v", 1, target, 2)
		require.NoError(t, err)
		require.Equal(t, wire.Slashable, code, "target %d", target)
	}
	_, _, err = e.vote(t, "v", 12, 13, 1)
	require.NoError(t, err)
	entries, err := logical.CollectKeysWithPrefix(t.Context(), e.storage, historyPrefix)
	require.NoError(t, err)
	require.Len(t, entries, 1, "one process writes, and one entry is left")
}

// TestLeftImport crashes when an import has stored the secret and not yet the name. A key that is made under that name is
// not the one that somebody has outside.
func TestLeftImport(t *testing.T) {
	e := newEngine(t)
	outside, err := keyshare.Generate()
	require.NoError(t, err)
	defer outside.Destroy()
	e.storage.put = func(_ int, path string) (before, after error) {
		if strings.HasPrefix(path, namePrefix) {
			return errDisk, nil
		}
		return nil, nil
	}
	_, err = e.do(logical.UpdateOperation, "import", e.importing(t, "k", outside))
	require.ErrorIs(t, err, errDisk)
	e.storage.put = nil
	e.restart(t)
	require.NotEqual(t, outside.PublicKey().String(), e.create(t, "k"))
	_, err = e.do(logical.UpdateOperation, "import", e.importing(t, "again", outside))
	require.NoError(t, err, "what the crash has left keeps nobody from importing it")
}

// importing is the request that imports a secret.
func (e *engine) importing(t *testing.T, name string, k *keyshare.SecretKey) map[string]any {
	w, err := e.do(logical.UpdateOperation, "import/wrapping", nil)
	require.NoError(t, err)
	der, err := base64.StdEncoding.DecodeString(w["public_key"].(string))
	require.NoError(t, err)
	to, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	var wrapped []byte
	require.NoError(t, k.Use(func(plain []byte) error {
		wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, to.(*rsa.PublicKey), plain, wire.ImportLabel(name, k.PublicKey().Bytes()))
		return err
	}))
	return map[string]any{"name": name, "public_key": k.PublicKey().String(), "wrapping_id": w["id"], "wrapped": wrapped}
}

// TestOpenedAtOnce has many requests open a key at the same time: one copy of its secret stays, and goes when the engine
// forgets it. A copy that was read before something was forgotten is for one use.
func TestOpenedAtOnce(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	e.create(t, "other")
	r, err := readRecord(t.Context(), e.storage, "k")
	require.NoError(t, err)
	open := func() *openKey {
		k, err := e.openRecord(t.Context(), e.storage, r)
		require.NoError(t, err)
		return k
	}
	destroyed := func(k *openKey) bool {
		_, err := k.secret.SignRoots(t.Context(), keyshare.Root{})
		return errors.Is(err, secret.ErrDestroyed)
	}
	e.restart(t)
	_, generation := e.ring.get("k")
	first, second := open(), open()
	require.Same(t, first, e.ring.add(first, generation))
	require.Same(t, first, e.ring.add(second, generation))
	require.True(t, destroyed(second), "the second copy is wiped")
	require.False(t, destroyed(first))

	late := open()
	e.InvalidateKey(context.Background(), namePrefix+"other")
	require.True(t, e.ring.add(late, generation).once)
	require.False(t, destroyed(late))
	e.Cleanup(context.Background())
	require.True(t, destroyed(first))

	// And in a request: the key is invalidated between its reading and its use.
	e.restart(t)
	var used *openKey
	e.storage.get = func(path string) {
		if strings.HasPrefix(path, keyPrefix) {
			e.InvalidateKey(context.Background(), namePrefix+"other")
		}
	}
	require.NoError(t, e.use(t.Context(), e.storage, "k", "", func(k *openKey) error { used = k; return nil }))
	require.True(t, destroyed(used), "a key that is not kept is wiped after its use")
}

// TestPanicInBatch panics where a batch is worked on.
func TestPanicInBatch(t *testing.T) {
	e := newEngine(t)
	e.create(t, "a")
	e.create(t, "b")
	_, err := e.do(logical.UpdateOperation, "sign/a", map[string]any{"roots": []string{keyshare.Root{}.String()}})
	require.NoError(t, err)
	e.restart(t)
	e.storage.get = func(path string) {
		if strings.HasPrefix(path, keyPrefix+"b") || strings.HasPrefix(path, historyPrefix) {
			panic("secret of the key")
		}
	}
	raw := func(name string) any {
		return map[string]any{"name": name, "roots": []string{keyshare.Root{}.String()}}
	}
	got, err := e.do(logical.UpdateOperation, "sign", map[string]any{"requests": []any{raw("a"), raw("b")}})
	require.NoError(t, err)
	results := got["results"].([]any)
	require.NotEmpty(t, results[0].(map[string]any)["signatures"])
	require.Equal(t, "dvkeys: internal fault", results[1].(map[string]any)["fault"].(map[string]any)["text"])
	_, _, err = e.vote(t, "b", 1, 2, 1)
	require.EqualError(t, err, "dvkeys: internal fault")
	require.EqualError(t, e.chunks(t.Context(), 10, 1, func(int, int) error { panic("secret of the key") }), "dvkeys: internal fault")
}

// TestConfiguredAtOnce changes single fields at the same time, while others are judged by them: no change undoes another.
func TestConfiguredAtOnce(t *testing.T) {
	e := newEngine(t)
	change := map[string]any{
		"withdrawal_addresses": "0x00000000219ab540356cbb839cbe05303d7705fa", "fee_recipients": "0x00000000219ab540356cbb839cbe05303d7705fa",
		"operator_keys": "*", "sealing": true, "raw_signing": false, "networks": "hoodi",
	}
	var done sync.WaitGroup
	for field, value := range change {
		done.Go(func() {
			_, err := e.do(logical.UpdateOperation, "config", map[string]any{field: value})
			if err != nil {
				t.Error(err)
			}
		})
		done.Go(func() {
			c, err := e.configuration(t.Context(), e.storage)
			if err != nil || permits(c.WithdrawalAddresses, "0x") {
				t.Error(err)
			}
		})
	}
	done.Wait()
	c, err := e.configuration(t.Context(), e.storage)
	require.NoError(t, err)
	address := []string{"0x00000000219ab540356cBB839Cbe05303d7705Fa"}
	require.Equal(t, &config{
		Networks: []string{"hoodi"}, WithdrawalAddresses: address, FeeRecipients: address, OperatorKeys: []string{"*"}, Sealing: true,
	}, c)
}
