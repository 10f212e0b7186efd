package plugin_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func testSplit(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	want := wire.Split{PublicKey: pk.String(), Threshold: 3}
	ids := []uint64{3, 1 << 60, 7, 90}
	for i, k := range operatorKeys() {
		o, _ := operator(t, ids[i], k)
		want.Operators = append(want.Operators, o)
	}
	var got wire.Splitted
	m.ok(t, "PUT", "split/k", want, &got)
	var group keyshare.Group
	require.NoError(t, json.Unmarshal([]byte(got.Group), &group))
	require.Equal(t, pk, group.PublicKey())
	require.Equal(t, 3, group.Threshold())
	require.Len(t, got.Sealed, 4)
	root, partials := keyshare.Root{1}, map[keyshare.Index]keyshare.Signature{}
	for i, s := range got.Sealed[:3] {
		require.Equal(t, ids[i], s.ID)
		sealed := keyshare.Sealed{ID: keyshare.Index(s.ID), PublicKey: publicKey(t, s.PublicKey), Ciphertext: s.Ciphertext}
		share, err := keyshare.Open(sealed, sealed.ID, operatorKeys()[i], &group)
		require.NoError(t, err)
		sigs, err := share.SignRoots(t.Context(), root)
		require.NoError(t, err)
		partials[share.Index()] = sigs[0]
		share.Destroy()
	}
	signature, err := group.Combine(root, partials)
	require.NoError(t, err)
	require.True(t, pk.Verify(root, signature))

	bad := func(status int, text string, change func(w *wire.Split)) {
		t.Helper()
		w := want
		w.Operators = append([]wire.Operator(nil), want.Operators...)
		change(&w)
		m.refused(t, status, text, "PUT", "split/k", w)
	}
	bad(400, "threshold 1, expected 2 to 4", func(w *wire.Split) { w.Threshold = 1 })
	bad(400, "threshold 5, expected 2 to 4", func(w *wire.Split) { w.Threshold = 5 })
	bad(400, "id 3 stands twice", func(w *wire.Split) { w.Operators[1].ID = 3 })
	bad(400, "have the same RSA key", func(w *wire.Split) { w.Operators[1].PublicKey = w.Operators[0].PublicKey })
	bad(400, "id 0", func(w *wire.Split) { w.Operators[1].ID = 0 })
	bad(400, "not in the PKIX form", func(w *wire.Split) { w.Operators[1].PublicKey = []byte("key") })
	bad(404, "was asked for", func(w *wire.Split) { w.PublicKey = m.create(t, "other").String() })
	bad(400, "at most 1000", func(w *wire.Split) { w.Operators = make([]wire.Operator, 1001) })
	m.refused(t, 404, "", "PUT", "split/none", want)

	_, digest := operator(t, 1, operatorKeys()[0])
	m.ok(t, "PUT", "config", map[string]any{"operator_keys": digest}, nil)
	m.refused(t, 403, "is not among operator_keys", "PUT", "split/k", want)
}

func testSplitMany(t *testing.T, m *mount) {
	want := wire.SplitMany{Threshold: 2}
	for i, k := range operatorKeys()[:3] {
		o, _ := operator(t, uint64(i+1), k)
		want.Operators = append(want.Operators, o)
	}
	keys := make([]keyshare.PublicKey, 20)
	for i := range keys {
		name := fmt.Sprintf("k%d", i)
		keys[i] = m.create(t, name)
		want.Requests = append(want.Requests, wire.SplitKey{Name: name, PublicKey: keys[i].String()})
	}
	want.Requests = append(want.Requests, wire.SplitKey{Name: "none"}, wire.SplitKey{Name: "k0", PublicKey: keys[1].String()}, wire.SplitKey{Name: "../config"})
	var got wire.SplittedMany
	m.ok(t, "PUT", "split", want, &got)
	require.Len(t, got.Results, len(want.Requests))
	for i, pk := range keys {
		var group keyshare.Group
		require.Nil(t, got.Results[i].Fault)
		require.NoError(t, json.Unmarshal([]byte(got.Results[i].Group), &group))
		require.Equal(t, pk, group.PublicKey())
		for j, s := range got.Results[i].Sealed {
			sealed := keyshare.Sealed{ID: keyshare.Index(s.ID), PublicKey: publicKey(t, s.PublicKey), Ciphertext: s.Ciphertext}
			share, err := keyshare.Open(sealed, keyshare.Index(j+1), operatorKeys()[j], &group)
			require.NoError(t, err)
			share.Destroy()
		}
	}
	for i, code := range []string{wire.NotFound, wire.NotFound, wire.Invalid} {
		require.Equal(t, code, got.Results[len(keys)+i].Fault.Code)
		require.Empty(t, got.Results[len(keys)+i].Sealed)
	}

	bad := func(status int, text string, change func(w *wire.SplitMany)) {
		t.Helper()
		w := want
		change(&w)
		m.refused(t, status, text, "PUT", "split", w)
	}
	bad(400, "threshold 4, expected 2 to 3", func(w *wire.SplitMany) { w.Threshold = 4 })
	bad(400, "threshold 2, expected 2 to 0", func(w *wire.SplitMany) { w.Operators = nil })
	bad(400, "there are 0 requests for 3 operators, 1 to 333 expected", func(w *wire.SplitMany) { w.Requests = nil })
	bad(400, "there are 334 requests", func(w *wire.SplitMany) { w.Requests = make([]wire.SplitKey, 334) })
	_, digest := operator(t, 1, operatorKeys()[0])
	m.ok(t, "PUT", "config", map[string]any{"operator_keys": digest}, nil)
	m.refused(t, 403, "is not among operator_keys", "PUT", "split", want)
}

// testShares imports the shares of a validator, of which two sign its deposit.
func testShares(t *testing.T, m *mount) {
	whole, _ := secretOf(t)
	group, shares, err := keyshare.Split(whole, 2, []keyshare.Index{5, 6})
	require.NoError(t, err)
	d := signer.Deposit{PublicKey: group.PublicKey(), WithdrawalCredentials: signer.ExecutionCredentials(keyshare.Address{1}), Amount: 32e9}
	root, err := signer.SigningRoot(signer.Hoodi, d)
	require.NoError(t, err)
	partials := map[keyshare.Index]keyshare.Signature{}
	for _, share := range shares {
		name := fmt.Sprintf("share-%d", share.Index())
		want := m.importing(t, name, share)
		want.Validator = group.PublicKey().String()
		var k wire.Key
		m.ok(t, "PUT", "import", want, &k)
		require.Equal(t, wire.Key{Name: name, PublicKey: share.PublicKey().String(), Validator: group.PublicKey().String()}, k)
		got, err := m.duties("deposit", name, d)
		require.NoError(t, err)
		require.Nil(t, got[0].Fault, "%+v", got[0].Fault)
		partials[share.Index()] = signature(t, got[0].Signature)
		require.True(t, share.PublicKey().Verify(root, partials[share.Index()]))

		other := d
		other.PublicKey = m.create(t, "other")
		m.faults(t, wire.Invalid, "is a share of "+group.PublicKey().String(), "deposit", name, other)
		m.faults(t, wire.Invalid, "is a share of", "credential-change", name, signer.BLSToExecutionChange{From: other.PublicKey, To: keyshare.Address{1}})
		m.signs(t, "credential-change", name, share.PublicKey(), signer.BLSToExecutionChange{From: group.PublicKey(), To: keyshare.Address{1}})
	}
	combined, err := group.Combine(root, partials)
	require.NoError(t, err)
	require.True(t, group.PublicKey().Verify(root, combined))
	bad := m.importing(t, "bad", whole)
	bad.Validator = "0x00"
	m.refused(t, 400, "validator", "PUT", "import", bad)
}

func testSeal(t *testing.T, m *mount) {
	whole, _ := secretOf(t)
	group, shares, err := keyshare.Split(whole, 2, []keyshare.Index{5, 6})
	require.NoError(t, err)
	var share *keyshare.SecretKey
	require.NoError(t, shares[1].Use(func(b []byte) error { share, err = keyshare.ParseSecretKey(b); return err }))
	defer share.Destroy()
	m.imports(t, "share", share)
	to, digest := operator(t, 6, operatorKeys()[0])
	var got wire.Sealed
	m.ok(t, "PUT", "seal/share", wire.Seal{Operator: to}, &got)
	opened, err := keyshare.Open(keyshare.Sealed{ID: 6, PublicKey: publicKey(t, got.PublicKey), Ciphertext: got.Ciphertext}, 6, operatorKeys()[0], group)
	require.NoError(t, err)
	require.Equal(t, share.PublicKey(), opened.PublicKey())
	m.refused(t, 404, "", "PUT", "seal/none", wire.Seal{Operator: to})
	m.ok(t, "PUT", "config", map[string]any{"operator_keys": digest}, nil)
	other, _ := operator(t, 6, operatorKeys()[1])
	m.refused(t, 403, "operator_keys", "PUT", "seal/share", wire.Seal{Operator: other})
	m.ok(t, "PUT", "config", map[string]any{"sealing": false}, nil)
	m.refused(t, 403, "sealing is off", "PUT", "seal/share", wire.Seal{Operator: to})
}
