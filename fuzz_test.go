package dvkeys

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseTransactions holds that what is read is written as the same bytes again.
func FuzzParseTransactions(f *testing.F) {
	f.Add([]byte(`{"network":"hoodi","chain_id":1,"owner":"0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494","cluster":{"validator_count":0,"network_fee_index":0,"index":0,"active":true,"balance":"0"},"transactions":[{"kind":"deposit","to":"0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494","value":"1","data":"0x","validators":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := parseTransactions(b)
		if err != nil {
			return
		}
		once, err := read.Bytes()
		require.NoError(t, err)
		again, err := parseTransactions(once)
		require.NoError(t, err)
		twice, err := again.Bytes()
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

// FuzzPending holds that no record names a file outside the folder.
func FuzzPending(f *testing.F) {
	f.Add([]byte(`{"files":[{"name":"transactions.json","content":"e30="}]}`))
	f.Add([]byte(`{"files":[{"name":"../x","content":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePending(b)
		if err != nil {
			return
		}
		for _, file := range p.Files {
			require.Equal(t, "folder", filepath.Dir(filepath.Join("folder", file.Name)))
		}
	})
}

// FuzzParseCluster holds that the state of a cluster is read as it was written.
func FuzzParseCluster(f *testing.F) {
	f.Add([]byte(`{"validator_count":3,"network_fee_index":1,"index":2,"active":true,"balance":"5"}`))
	f.Add([]byte(`{"balance":"+5"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := ParseCluster(b)
		if err != nil {
			return
		}
		written, err := json.Marshal(clusterOf(*read))
		require.NoError(t, err)
		again, err := ParseCluster(written)
		require.NoError(t, err)
		require.Equal(t, read, again)
	})
}
