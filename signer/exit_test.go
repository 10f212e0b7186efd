package signer_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// Each vector's exit signed again, and its file read and written.
func TestSignExit(t *testing.T) {
	var list []struct {
		Network   string             `json:"network"`
		PublicKey keyshare.PublicKey `json:"pubkey"`
		Signed    json.RawMessage    `json:"signed"`
	}
	vectors.JSON(t, "exit/derived_voluntary_exits.json", &list)
	keys := vectorKeys(t)
	signed := 0
	for _, v := range list {
		n := network(t, v.Network)
		e, err := signer.ParseExit(v.Signed, nil)
		require.NoError(t, err)
		require.NoError(t, e.Verify(n, v.PublicKey))
		require.ErrorContains(t, e.Verify(signer.Gnosis, v.PublicKey), "does not verify")
		again, err := json.Marshal(e)
		require.NoError(t, err)
		require.JSONEq(t, string(v.Signed), string(again))
		if k := keys[v.PublicKey]; k != nil {
			mine, err := signer.SignExit(context.Background(), n, k, e.Exit)
			require.NoError(t, err)
			require.Equal(t, e, mine)
			signed++
		}
	}
	require.NotZero(t, signed)

	var doc struct {
		Exit json.RawMessage `json:"exit"`
	}
	vectors.JSON(t, "exit/depositcli_docs_exit_example.json", &doc)
	e, err := signer.ParseExit(doc.Exit, nil)
	require.NoError(t, err)
	require.Equal(t, signer.VoluntaryExit{ValidatorIndex: 1804776}, e.Exit)
}

func TestSignExitRefuses(t *testing.T) {
	k := testKey(t, 1)
	swapped := &lyingKey{Key: k, lie: func([]keyshare.Signature) ([]keyshare.Signature, error) {
		return testKey(t, 2).SignRoots(context.Background(), keyshare.Root{})
	}}
	_, err := signer.SignExit(context.Background(), signer.Hoodi, swapped, signer.VoluntaryExit{})
	require.ErrorContains(t, err, "signer: exit: the signature does not verify under the public key "+k.PublicKey().String())
	_, err = signer.SignExit(context.Background(), nil, k, signer.VoluntaryExit{})
	require.ErrorContains(t, err, "the network is missing")
	_, err = signer.SignExit(context.Background(), signer.Hoodi, nil, signer.VoluntaryExit{})
	require.ErrorContains(t, err, "the key is missing")
	require.Error(t, new(signer.SignedExit).Verify(signer.Hoodi, k.PublicKey()))
	_, err = json.Marshal(signer.SignedExit{})
	require.ErrorContains(t, err, "the signature is missing")
}

// Members sign an exit each for itself, through their guards; a threshold of partial
// signatures is the validator's.
func TestCombineExit(t *testing.T) {
	key, group, members := cluster(t, 3, 4)
	exit := signer.VoluntaryExit{Epoch: 5, ValidatorIndex: 77}
	partials := map[keyshare.Index]keyshare.Signature{}
	for id, m := range members {
		g, err := signer.NewGuard(signer.Mainnet, group.PublicKey(), m.share, history(t, signer.Mainnet), &signer.GuardOptions{AllowExits: true})
		require.NoError(t, err)
		r := sign(t, g, exit)[0]
		require.NoError(t, r.Err)
		partials[id] = r.Signature
	}
	combined, err := signer.CombineExit(signer.Mainnet, group, exit, partials)
	require.NoError(t, err)
	whole, err := signer.SignExit(context.Background(), signer.Mainnet, key, exit)
	require.NoError(t, err)
	require.Equal(t, whole, combined)

	ids := group.Members()
	partials[ids[0]], partials[ids[1]] = partials[ids[1]], partials[ids[0]]
	_, err = signer.CombineExit(signer.Mainnet, group, exit, partials)
	var failed *keyshare.CombineError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, ids[:2], failed.Bad)
	_, err = signer.CombineExit(signer.Mainnet, nil, exit, partials)
	require.ErrorContains(t, err, "the group is missing")
}

func TestEncryptedExit(t *testing.T) {
	k := testKey(t, 1)
	e, err := signer.SignExit(context.Background(), signer.Hoodi, k, signer.VoluntaryExit{ValidatorIndex: 9})
	require.NoError(t, err)
	dir := t.TempDir()
	paths, err := signer.WriteExits(dir, []*signer.SignedExit{e}, []byte("correct horse"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	require.Regexp(t, `^signed_exit_transaction-9-[0-9]+\.json$`, filepath.Base(paths[0]))
	info, err := os.Stat(paths[0])
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o400), info.Mode())
	file, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.NotContains(t, string(file), e.Signature.String()[2:])
	requireEjector(t, file)

	got, err := signer.ParseExit(file, []byte("correct horse"))
	require.NoError(t, err)
	require.Equal(t, e, got)
	_, err = signer.ParseExit(file, []byte("wrong horse"))
	require.ErrorIs(t, err, signer.ErrPassword)
	_, err = signer.ParseExit([]byte(strings.Replace(string(file), `"version":4`, `"version":3`, 1)), nil)
	require.EqualError(t, err, "signer: exit: the keystore has version 3, 4 expected")

	eighth := &signer.SignedExit{Exit: signer.VoluntaryExit{ValidatorIndex: 8}, Signature: e.Signature}
	for want, exits := range map[string][]*signer.SignedExit{
		"signer: exits[1]: is missing":                        {eighth, nil},
		"signer: exits[1]: the signature is missing":          {eighth, {}},
		"signer: exits[2]: is of validator 8, as is exits[0]": {eighth, e, eighth},
	} {
		paths, err := signer.WriteExits(dir, exits, nil)
		require.EqualError(t, err, want)
		require.Empty(t, paths)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing was written")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "folder"), nil, 0o600))
	paths, err = signer.WriteExits(filepath.Join(dir, "folder"), []*signer.SignedExit{e}, nil)
	require.Error(t, err)
	require.Empty(t, paths)
	_, err = signer.WriteExits(filepath.Join(dir, "absent"), []*signer.SignedExit{e}, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// requireEjector holds a file against what Lido's validator ejector demands of an
// encrypted exit: each of these fields, of these types, and PBKDF2.
func requireEjector(t *testing.T, file []byte) {
	t.Helper()
	var keystore map[string]any
	require.NoError(t, json.Unmarshal(file, &keystore))
	crypto := keystore["crypto"].(map[string]any)
	part := func(name string) (function any, params map[string]any, message any) {
		p := crypto[name].(map[string]any)
		return p["function"], p["params"].(map[string]any), p["message"]
	}
	require.Equal(t, 4.0, keystore["version"])
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, keystore["uuid"])
	require.Equal(t, "", keystore["path"])
	require.Equal(t, "", keystore["pubkey"])
	require.IsType(t, "", keystore["description"])

	function, params, message := part("kdf")
	require.Equal(t, "pbkdf2", function)
	require.Equal(t, 32.0, params["dklen"])
	require.Equal(t, 262144.0, params["c"])
	require.Equal(t, "hmac-sha256", params["prf"])
	require.IsType(t, "", params["salt"])
	require.Equal(t, "", message)
	function, params, message = part("checksum")
	require.Equal(t, "sha256", function)
	require.Empty(t, params)
	require.IsType(t, "", message)
	function, params, message = part("cipher")
	require.Equal(t, "aes-128-ctr", function)
	require.IsType(t, "", params["iv"])
	require.IsType(t, "", message)
}

func TestParseExitRefuses(t *testing.T) {
	e, err := signer.SignExit(context.Background(), signer.Hoodi, testKey(t, 1), signer.VoluntaryExit{Epoch: 3, ValidatorIndex: 9})
	require.NoError(t, err)
	b, err := json.Marshal(e)
	require.NoError(t, err)
	good := string(b)
	for _, c := range []struct{ old, new, want string }{
		{`"3"`, `3`, "epoch: is not a string"},
		{`"3"`, `"03"`, `epoch: is "03"`},
		{`"3"`, `"-3"`, `epoch: is "-3"`},
		{`"9"`, `"18446744073709551616"`, `validator_index: is "18446744073709551616"`},
		{`"epoch":"3",`, ``, "message: epoch is missing"},
		{`"epoch"`, `"Epoch"`, "message: epoch is missing"},
		{`"epoch":"3"`, `"epoch":"3","epoch":"4"`, `"epoch" twice`},
		{`"epoch":"3"`, `"epoch":"3","x":1`, "has 3 members, 2 expected"},
		{`"signature"`, `"sig"`, "signature is missing"},
		{e.Signature.String(), "0xc0" + strings.Repeat("00", 95), "signature: keyshare: not a BLS signature"},
		{`"` + e.Signature.String() + `"`, "1", "signature: is not a string"},
		{good, "[]", "is not a JSON object"},
		{good, good + "x", "is not one JSON value"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		_, err := signer.ParseExit([]byte(bad), nil)
		require.ErrorContains(t, err, c.want, bad)
	}
}

func FuzzParseExit(f *testing.F) {
	e, err := signer.SignExit(context.Background(), signer.Hoodi, testKey(f, 1), signer.VoluntaryExit{Epoch: 3, ValidatorIndex: 9})
	require.NoError(f, err)
	b, err := json.Marshal(e)
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, file []byte) {
		if strings.Contains(string(file), "crypto") {
			return // deriving keys takes too long
		}
		e, err := signer.ParseExit(file, nil)
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		require.NoError(t, err)
		second, err := signer.ParseExit(again, nil)
		require.NoError(t, err)
		require.Equal(t, e, second)
	})
}

// The bytes as the two standards print them.
func TestExecutionRequests(t *testing.T) {
	a, b := testKey(t, 1).PublicKey(), testKey(t, 2).PublicKey()
	require.Equal(t, "0x00000961Ef480Eb55e80D19ad83579A64c007002", signer.WithdrawalRequests.String())
	require.Equal(t, "0x0000BBdDc7CE488642fb579F8B00f3a590007251", signer.ConsolidationRequests.String())

	data, err := signer.ExitRequest(a)
	require.NoError(t, err)
	require.Equal(t, unhex(t, a.String()+"0000000000000000"), data)
	data, err = signer.WithdrawalRequest(a, 1_500_000_000)
	require.NoError(t, err)
	require.Equal(t, unhex(t, a.String()+"0000000059682f00"), data)
	data, err = signer.ConsolidationRequest(a, b)
	require.NoError(t, err)
	require.Equal(t, unhex(t, a.String()+b.String()[2:]), data)
	data, err = signer.CompoundingRequest(a)
	require.NoError(t, err)
	require.Equal(t, unhex(t, a.String()+a.String()[2:]), data)

	var none keyshare.PublicKey
	for want, f := range map[string]func() ([]byte, error){
		"the amount is 0": func() ([]byte, error) { return signer.WithdrawalRequest(a, 0) },
		"signer: withdrawal request: the public key is missing":  func() ([]byte, error) { return signer.WithdrawalRequest(none, 1) },
		"signer: exit request: the public key is missing":        func() ([]byte, error) { return signer.ExitRequest(none) },
		"both validators are the same":                           func() ([]byte, error) { return signer.ConsolidationRequest(a, a) },
		"signer: consolidation request: a public key is missing": func() ([]byte, error) { return signer.ConsolidationRequest(none, none) },
		"signer: compounding request: a public key is missing":   func() ([]byte, error) { return signer.CompoundingRequest(none) },
	} {
		data, err := f()
		require.ErrorContains(t, err, want)
		require.Nil(t, data)
	}
}
