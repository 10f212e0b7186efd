package plugin

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/signer"
)

// FuzzRequests asks every path for anything: nothing panics, and no answer has the secret of the key that is there.
func FuzzRequests(f *testing.F) {
	kinds := signer.DutyKinds()
	slices.Sort(kinds)
	var paths []string
	for _, path := range append(kinds, "sign", "split", "seal", "history") {
		paths = append(paths, path, path+"/k")
	}
	paths = append(paths, "keys/k", "keys/other", "import", "config", "stats", "keys/")
	operations := []logical.Operation{logical.UpdateOperation, logical.ReadOperation, logical.ListOperation}

	const root = `"0x0101010101010101010101010101010101010101010101010101010101010101"`
	for i, path := range paths {
		for _, body := range []string{
			`{}`, `{"roots":[` + root + `]}`, `{"requests":[{"name":"k","roots":[` + root + `]},{"name":"none","roots":[1]}]}`,
			`{"network":"hoodi","duties":[{"type":"` + strings.TrimSuffix(path, "/k") + `","epoch":"1","validator_index":"2"}]}`,
			`{"network":"hoodi","requests":[{"name":"k","duties":[{"type":"randao","epoch":"1"}]}]}`,
			`{"requests":[{"name":"m","label":"a"},{"name":"m"},{"name":"k"}]}`,
			`{"threshold":2,"operators":[{"id":"1","public_key":"AAAA"},{"id":"2","public_key":"AAAA"}],"requests":[{"name":"k"}]}`,
			`{"threshold":2,"operators":[{"id":"1","public_key":"AAAA"},{"id":"2","public_key":"AAAA"}]}`,
			`{"operator":{"id":"1","public_key":"AAAA"}}`, `{"network":"hoodi","interchange":"{}"}`,
			`{"name":"i","public_key":"0x","wrapping_id":"x","wrapped":"AAAA","validator":"0x"}`, `{"label":"a"}`, `{"networks":"*","raw_signing":true}`,
		} {
			f.Add(i, 0, body)
		}
		f.Add(i, 1, `{}`)
	}
	e := &engine{storage: &storage{Storage: &logical.InmemStorage{}}}
	b, err := Factory(context.Background(), &logical.BackendConfig{StorageView: e.storage, System: &logical.StaticSystemView{}})
	require.NoError(f, err)
	e.backend = b.(*backend)
	permit := map[string]any{"networks": "*", "raw_signing": true, "sealing": true, "operator_keys": "*", "withdrawal_addresses": "*", "fee_recipients": "*"}
	_, err = e.do(logical.UpdateOperation, "config", permit)
	require.NoError(f, err)
	_, err = e.do(logical.UpdateOperation, "keys/k", nil)
	require.NoError(f, err)
	k, err := e.open(context.Background(), e.storage, "k")
	require.NoError(f, err)
	var plain []byte
	require.NoError(f, k.secret.Use(func(b []byte) error { plain = bytes.Clone(b); return nil }))

	f.Fuzz(func(t *testing.T, path, operation int, body string) {
		data := map[string]any{}
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber() // as Vault does
		if path < 0 || operation < 0 || d.Decode(&data) != nil {
			return
		}
		_, err := e.do(logical.UpdateOperation, "config", permit) // which the last request may have changed
		require.NoError(t, err)
		got, fault := e.do(operations[operation%len(operations)], paths[path%len(paths)], data)
		text, err := json.Marshal([]any{got, fmt.Sprint(fault)})
		require.NoError(t, err)
		require.NotContains(t, string(text), "internal fault")
		for _, form := range []string{hex.EncodeToString(plain), base64.StdEncoding.EncodeToString(plain)} {
			require.NotContains(t, string(text), form)
		}
	})
}
