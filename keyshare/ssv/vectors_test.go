package ssv_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// The files that ssv-keys 1.1.0 made of known keys.
var generated = []struct {
	file     string
	expected []string // one for each item, where there is one
	nonce    uint64
	items    int
}{
	{"cluster4-nonce0.keyshares.json", []string{"cluster4-nonce0.expected.json"}, 0, 1},
	{"cluster7-nonce1.keyshares.json", []string{"cluster7-nonce1.expected.json"}, 1, 1},
	{"bulk3-cluster4-nonce5.cli.keyshares.json", nil, 5, 3},
}

type vectorOperator struct {
	ID            keyshare.Index `json:"id"`
	OperatorKey   string         `json:"operatorKey"`
	PrivateKeyPEM string         `json:"privateKeyPem"`
}

// vectorOperators reads the 13 RSA pairs of the vectors.
func vectorOperators(tb testing.TB) ([]keyshare.Operator, map[keyshare.Index]*rsa.PrivateKey) {
	tb.Helper()
	var list []vectorOperator
	vectors.JSON(tb, "ssv/generated/operators.json", &list)
	require.Len(tb, list, 13)
	operators, keys := make([]keyshare.Operator, len(list)), make(map[keyshare.Index]*rsa.PrivateKey)
	for i, o := range list {
		public, err := ssv.ParseOperatorKey([]byte(o.OperatorKey))
		require.NoError(tb, err)
		block, _ := pem.Decode([]byte(o.PrivateKeyPEM))
		private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		require.NoError(tb, err)
		require.True(tb, private.PublicKey.Equal(public))
		operators[i], keys[o.ID] = keyshare.Operator{ID: o.ID, PublicKey: public}, private
	}
	return operators, keys
}

type expectation struct {
	Threshold  int    `json:"threshold"`
	PublicKey  string `json:"validatorPublicKey"`
	PrivateKey string `json:"validatorPrivateKey"`
	Shares     []struct {
		ID         keyshare.Index `json:"operatorId"`
		PrivateKey string         `json:"sharePrivateKey"`
		PublicKey  string         `json:"sharePublicKey"`
	} `json:"shares"`
}

func TestGeneratedFiles(t *testing.T) {
	operators, keys := vectorOperators(t)
	for _, v := range generated {
		t.Run(v.file, func(t *testing.T) {
			raw := vectors.Read(t, "ssv/generated/"+v.file)
			f, err := ssv.ParseFile(raw)
			require.NoError(t, err)
			require.Len(t, f.Items, v.items)
			require.Equal(t, ssv.V110, f.Version)
			owner, err := keyshare.ParseAddress("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494")
			require.NoError(t, err)
			var used []keyshare.Operator
			for _, o := range operators {
				for _, p := range f.Items[0].Data.Operators {
					if o.ID == p.ID {
						used = append(used, o)
					}
				}
			}
			o := &ssv.VerifyOptions{Owner: owner, Nonce: &v.nonce, Operators: used}
			require.NoError(t, ssv.Verify(f, o))

			again, err := f.Bytes()
			require.NoError(t, err)
			require.Equal(t, string(bytes.ReplaceAll(raw, []byte(strings.ToLower(owner.String())), []byte(owner.String()))), string(again))

			for i := range f.Items {
				for _, p := range f.Items[i].Data.Operators {
					share, err := ssv.OpenShare(&f.Items[i], keys[p.ID])
					require.NoError(t, err)
					require.Equal(t, p.ID, share.Index())
					share.Destroy()
				}
			}
			require.NoError(t, ssv.VerifyShares(f, keys[used[0].ID], o))
		})
	}
}

// The plain shares, the threshold and the deterministic signature.
func TestGeneratedSecrets(t *testing.T) {
	_, keys := vectorOperators(t)
	for _, v := range generated {
		for i, name := range v.expected {
			t.Run(name, func(t *testing.T) {
				f, err := ssv.ParseFile(vectors.Read(t, "ssv/generated/"+v.file))
				require.NoError(t, err)
				it := &f.Items[i]
				var want expectation
				vectors.JSON(t, "ssv/generated/"+name, &want)
				threshold, err := ssv.Threshold(len(want.Shares))
				require.NoError(t, err)
				require.Equal(t, want.Threshold, threshold)
				require.Equal(t, want.PublicKey, it.Data.PublicKey.String())
				for k, s := range want.Shares {
					share, err := ssv.OpenShare(it, keys[s.ID])
					require.NoError(t, err)
					require.Equal(t, s.ID, it.Payload.OperatorIDs[k])
					require.Equal(t, s.PublicKey, share.PublicKey().String())
					require.NoError(t, share.Use(func(b []byte) error {
						require.Equal(t, s.PrivateKey, "0x"+hex.EncodeToString(b))
						return nil
					}))
					share.Destroy()
				}
				requireSignature(t, want.PrivateKey, it)
			})
		}
	}
	var secrets []struct{ PrivateKey, PublicKey string }
	vectors.JSON(t, "ssv/generated/keystores.secrets.json", &secrets)
	f, err := ssv.ParseFile(vectors.Read(t, "ssv/generated/bulk3-cluster4-nonce5.cli.keyshares.json"))
	require.NoError(t, err)
	for i := range f.Items {
		require.Equal(t, secrets[i].PublicKey, f.Items[i].Data.PublicKey.String())
		requireSignature(t, secrets[i].PrivateKey, &f.Items[i])
	}
}

// requireSignature makes the signature of an item anew and compares the bytes.
func requireSignature(t *testing.T, private string, it *ssv.Item) {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(private, "0x"))
	require.NoError(t, err)
	k, err := keyshare.ParseSecretKey(b)
	require.NoError(t, err)
	defer k.Destroy()
	signatures, err := k.SignRoots(context.Background(), ssv.OwnerNonceRoot(it.Data.Owner, it.Data.Nonce))
	require.NoError(t, err)
	made := signatures[0].Bytes()
	require.Equal(t, it.Payload.SharesData[:96], made[:])
}

// Keys that are registered on a public network, one of them with a modulus of
// 2047 bits.
func TestRealOperators(t *testing.T) {
	raw := vectors.Read(t, "ssv/real-operators.json")
	operators, err := ssv.ReadOperators(raw)
	require.NoError(t, err)
	require.NoError(t, ssv.CheckCluster(operators))
	var list []vectorOperator
	vectors.JSON(t, "ssv/real-operators.json", &list)
	short := 0
	for i, o := range list {
		text, err := ssv.FormatOperatorKey(operators[i].PublicKey)
		require.NoError(t, err)
		require.Equal(t, o.OperatorKey, text)
		require.Len(t, text, ssv.OperatorKeyLen)
		if operators[i].PublicKey.N.BitLen() == 2047 {
			short++
		}
	}
	require.Positive(t, short)
}
