package ssv_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

func FuzzParseOperatorKey(f *testing.F) {
	k := &rsaPool[0]().PublicKey
	text, err := ssv.FormatOperatorKey(k)
	require.NoError(f, err)
	onChain, err := ssv.EncodeOperatorKey(k)
	require.NoError(f, err)
	plain, err := base64.StdEncoding.DecodeString(text)
	require.NoError(f, err)
	f.Add([]byte(text))
	f.Add(onChain)
	f.Add(plain)
	f.Add(onChain[:96])
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ssv.ParseOperatorKey(b)
		if err != nil {
			return
		}
		text, err := ssv.FormatOperatorKey(k)
		require.NoError(t, err)
		require.Len(t, text, ssv.OperatorKeyLen)
		onChain, err := ssv.EncodeOperatorKey(k)
		require.NoError(t, err)
		if b[0] == 0 {
			require.Len(t, b, 64+(len(bytes.TrimRight(b[64:], "\x00"))+31)/32*32)
		}
		for _, form := range [][]byte{[]byte(text), onChain} {
			again, err := ssv.ParseOperatorKey(form)
			require.NoError(t, err)
			require.True(t, k.Equal(again))
		}
	})
}

func FuzzParseSharesData(f *testing.F) {
	for _, n := range []int{4, 7} {
		f.Add(fixture(f, n).item.Payload.SharesData, n)
	}
	f.Add(make([]byte, 96), 0)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		ids := make([]keyshare.Index, min(max(n, 0), 20))
		s, err := ssv.ParseSharesData(b, ids)
		if err != nil {
			return
		}
		again, err := s.Bytes()
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

func FuzzParseFile(f *testing.F) {
	file := &ssv.File{Items: []ssv.Item{fixture(f, 4).item}}
	b, err := file.Bytes()
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":"v1.1.0","createdAt":"2024-10-21T09:56:54.354903Z","shares":null}`))
	f.Add([]byte(`{"version":"v1.0.0","data":{},"payload":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := ssv.ParseFile(b)
		if err != nil {
			return
		}
		_ = ssv.Verify(file, nil)
		file.Version = ssv.V120
		written, err := file.Bytes()
		if len(file.Items) == 0 {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		read, err := ssv.ParseFile(written)
		require.NoError(t, err)
		for i, it := range file.Items {
			require.Equal(t, it.Data.PublicKey, read.Items[i].Data.PublicKey)
			require.Equal(t, it.Payload.SharesData, read.Items[i].Payload.SharesData)
		}
		if file.CreatedAt.IsZero() {
			return // then the time is that of writing
		}
		again, err := read.Bytes()
		require.NoError(t, err)
		require.Equal(t, written, again)
	})
}

func FuzzReadOperators(f *testing.F) {
	text, err := ssv.FormatOperatorKey(&rsaPool[0]().PublicKey)
	require.NoError(f, err)
	f.Add([]byte(`[{"id":1,"operatorKey":"` + text + `"}]`))
	f.Add([]byte(`[{"id":1,"public_key":"` + text + `","ip":"https://a:1"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		operators, err := ssv.ReadOperators(b)
		if err != nil {
			require.Nil(t, operators)
			return
		}
		require.NotEmpty(t, operators)
		for i, o := range operators {
			require.NoError(t, o.Check())
			require.LessOrEqual(t, o.ID, keyshare.Index(ssv.MaxOperatorID))
			require.True(t, i == 0 || operators[i-1].ID < o.ID)
		}
	})
}
