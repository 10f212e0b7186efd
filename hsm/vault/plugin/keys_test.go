package plugin_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// TestEngine runs the tests of single paths, each with a mount of its own in one server.
func TestEngine(t *testing.T) {
	s := vaulttest.Start(t, &vaulttest.Options{Plugin: true, RawLog: true})
	for name, test := range map[string]func(*testing.T, *mount){
		"keys": testKeys, "keys many": testKeysMany, "list": testList, "same name at once": testSameName, "deleted": testDeleted,
		"raw": testRaw, "raw many": testRawMany, "uncompressed": testUncompressed, "duties": testDuties, "slashing": testSlashing, "batch": testBatch, "duties many": testDutiesMany,
		"split": testSplit, "split many": testSplitMany, "seal": testSeal, "shares": testShares, "import": testImport, "import refused": testImportRefused,
		"history": testHistory, "configuration": testConfiguration, "new mount": testNewMount, "stats": testStats,
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, s)
			if name != "new mount" {
				m.permit(t)
			}
			test(t, m)
		})
	}
}

func testKeys(t *testing.T, m *mount) {
	pk := m.create(t, "a.b-c_1")
	require.Equal(t, pk, m.create(t, "a.b-c_1"), "a name is an idempotency key")
	require.NotEqual(t, pk, m.create(t, "other"))
	var k map[string]any
	m.ok(t, "GET", "keys/a.b-c_1", nil, &k)
	require.Equal(t, map[string]any{"name": "a.b-c_1", "public_key": pk.String()}, k, "only public data")
	m.ok(t, "GET", "keys/"+pk.String(), nil, &k)
	require.Equal(t, "a.b-c_1", k["name"])

	var labelled wire.Key
	m.ok(t, "PUT", "keys/labelled", wire.Create{Label: "a label / of any kind"}, &labelled)
	require.Equal(t, "a label / of any kind", labelled.Label)
	m.ok(t, "PUT", "keys/labelled", nil, &labelled)
	require.Equal(t, "a label / of any kind", labelled.Label)

	stranger, _ := secretOf(t)
	m.refused(t, 404, `no key "missing"`, "GET", "keys/missing", nil)
	m.refused(t, 404, "no key with the public key", "GET", "keys/"+stranger.PublicKey().String(), nil)
	m.refused(t, 400, "public_key", "GET", "keys/0x"+strings.Repeat("a", 96), nil)
	m.refused(t, 404, `no key "missing"`, "DELETE", "keys/missing", nil)
	m.refused(t, 400, "name is a public key", "PUT", "keys/"+pk.String(), nil)
	m.refused(t, 400, "129 bytes, at most 128", "PUT", "keys/"+strings.Repeat("a", 129), nil)
	m.refused(t, 400, "label has the byte 0x01", "PUT", "keys/new", wire.Create{Label: "\x01"})
	m.refused(t, 400, `unknown field "secret"`, "PUT", "keys/new", map[string]string{"secret": "1"})
	m.refused(t, 400, `unknown field "Label"`, "PUT", "keys/new", map[string]string{"Label": "1"})
	require.Error(t, m.call("PUT", "keys/a..b", nil, nil))
	for _, path := range []string{"keys/-a", "keys/a.", "keys/a%20b", "keys/a/b", "nothing"} {
		m.refused(t, 404, "", "PUT", path, nil)
	}
	m.refused(t, 404, `no key "new"`, "GET", "keys/new", nil)
}

func testKeysMany(t *testing.T, m *mount) {
	there := m.create(t, "there")
	want := wire.CreateMany{Requests: []wire.CreateKey{
		{Name: "a", Create: wire.Create{Label: "a label"}}, {Name: "there"}, {Name: "..", Create: wire.Create{Label: "x"}},
		{Name: "b", Create: wire.Create{Label: "\x01"}}, {Name: "a", Create: wire.Create{Label: "another label"}}, {Name: there.String()},
	}}
	for i := range 60 {
		want.Requests = append(want.Requests, wire.CreateKey{Name: fmt.Sprintf("k%d", i)})
	}
	var made, again wire.CreatedMany
	m.ok(t, "PUT", "keys", want, &made)
	require.Len(t, made.Results, len(want.Requests))
	require.Equal(t, "a label", made.Results[0].Label)
	require.Equal(t, there.String(), made.Results[1].PublicKey)
	require.Equal(t, made.Results[0], made.Results[4], "a name that stands twice")
	for i, text := range map[int]string{2: "name is not letters", 3: "label has the byte 0x01", 5: "name is a public key"} {
		require.Equal(t, wire.Invalid, made.Results[i].Fault.Code)
		require.Contains(t, made.Results[i].Fault.Text, text)
		require.Zero(t, made.Results[i].Key)
	}
	distinct := map[string]bool{}
	for i, r := range made.Results[6:] {
		name := fmt.Sprintf("k%d", i)
		require.Nil(t, r.Fault)
		require.Equal(t, name, r.Name)
		distinct[r.PublicKey] = true
	}
	require.Len(t, distinct, 60)
	m.signs(t, "attestation", "k59", publicKey(t, made.Results[6+59].PublicKey), vote(1, 2, 1))
	m.ok(t, "PUT", "keys", want, &again)
	require.Equal(t, made, again)
	m.refused(t, 404, `no key "b"`, "GET", "keys/b", nil)
	m.refused(t, 400, "there are 0 requests, 1 to 100", "PUT", "keys", nil)
	m.refused(t, 400, "there are 101 requests", "PUT", "keys", wire.CreateMany{Requests: make([]wire.CreateKey, 101)})
	m.refused(t, 400, `unknown field "secret"`, "PUT", "keys", map[string]any{"requests": []any{map[string]any{"name": "a", "secret": "1"}}})
}

func testList(t *testing.T, m *mount) {
	m.refused(t, 404, "", "LIST", "keys", nil)
	want := map[string]string{}
	for _, name := range []string{"d", "b", "a", "c"} {
		want[name] = m.create(t, name).String()
	}
	var l wire.List
	m.ok(t, "LIST", "keys", nil, &l)
	require.Equal(t, []string{"a", "b", "c", "d"}, l.Names)
	for name, pk := range want {
		require.Equal(t, wire.Key{Name: name, PublicKey: pk}, l.Info[name])
	}
	for query, names := range map[string][]string{"after=b": {"c", "d"}, "after=bb&limit=1": {"c"}, "limit=2": {"a", "b"}} {
		var l wire.List
		m.ok(t, "LIST", "keys?"+query, nil, &l)
		require.Equal(t, names, l.Names, query)
		require.Len(t, l.Info, len(names))
	}
	m.refused(t, 404, "", "LIST", "keys?after=d", nil)
}

func testSameName(t *testing.T, m *mount) {
	var all sync.Map
	var wait sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wait.Go(func() {
			var k wire.Key
			errs[i] = m.call("PUT", "keys/same", nil, &k)
			all.Store(k.PublicKey, true)
		})
	}
	wait.Wait()
	require.NoError(t, errors.Join(errs...))
	n := 0
	all.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n, "all callers get the same key")
}

func testDeleted(t *testing.T, m *mount) {
	for _, by := range []string{"name", "public key"} {
		pk := m.create(t, "k")
		m.signs(t, "attestation", "k", pk, vote(1, 2, 1))
		path := "keys/k"
		if by != "name" {
			path = "keys/" + pk.String()
		}
		m.ok(t, "DELETE", path, nil, nil)
		m.refused(t, 404, "", "GET", "keys/k", nil)
		m.refused(t, 404, "", "GET", "keys/"+pk.String(), nil)
		m.refused(t, 404, "", "LIST", "keys", nil)
		_, err := m.duties("attestation", "k", vote(2, 3, 1))
		require.Equal(t, 404, vaulttest.Status(err), "%v", err)
		m.refused(t, 404, "", "PUT", "sign/k", wire.Sign{Roots: []string{keyshare.Root{}.String()}})
		require.NotEqual(t, pk, m.create(t, "k"), "another key")
		m.ok(t, "DELETE", "keys/k", nil, nil)
	}
}
