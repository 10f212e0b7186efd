package dvkeys

import (
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
