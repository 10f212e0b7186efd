package signer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

type depositVector struct {
	PublicKey   string `json:"pubkey"`
	Credentials string `json:"withdrawal_credentials"`
	Amount      uint64 `json:"amount"`
	Signature   string `json:"signature"`
	MessageRoot string `json:"deposit_message_root"`
	DataRoot    string `json:"deposit_data_root"`
	ForkVersion string `json:"fork_version"`
	NetworkName string `json:"network_name"`
	SigningRoot string `json:"_signing_root"`
	Index       int    `json:"_index"`
}

// vectorKeys returns the secret keys of the deposit vectors by public key.
func vectorKeys(t *testing.T) map[keyshare.PublicKey]*keyshare.SecretKey {
	t.Helper()
	var file struct {
		Keys []struct {
			Signing    string `json:"signing_sk"`
			Withdrawal string `json:"withdrawal_sk"`
		} `json:"keys"`
	}
	vectors.JSON(t, "deposit/derived_keys_abandon_about.json", &file)
	keys := map[keyshare.PublicKey]*keyshare.SecretKey{}
	for _, k := range file.Keys {
		for _, secret := range []string{k.Signing, k.Withdrawal} {
			key, err := keyshare.ParseSecretKey(unhex(t, secret))
			require.NoError(t, err)
			t.Cleanup(key.Destroy)
			keys[key.PublicKey()] = key
		}
	}
	return keys
}

// Roots and signatures equal those of an independent implementation, and the
// vector, written as a file, is what our own encoder gives.
func TestDepositVectors(t *testing.T) {
	var list []depositVector
	vectors.JSON(t, "deposit/derived_deposits.json", &list)
	require.Len(t, list, 36)
	keys := vectorKeys(t)
	for _, v := range list {
		n := network(t, v.NetworkName)
		wc, err := signer.ParseWithdrawalCredentials(v.Credentials)
		require.NoError(t, err)
		key := keys[publicKey(t, v.PublicKey)]
		require.NotNil(t, key)

		// Some vectors have 2048 ETH on 0x00 and 0x01 credentials.
		over := wc.Prefix() != signer.PrefixCompounding && v.Amount > uint64(signer.ActivationBalance)
		d, err := signer.SignDeposit(context.Background(), n, key, wc, signer.Gwei(v.Amount), nil)
		if over {
			require.ErrorContains(t, err, "at most 32 ETH expected")
			d, err = signer.SignDeposit(context.Background(), n, key, wc, signer.Gwei(v.Amount), &signer.DepositOptions{AllowOverMax: true})
		}
		require.NoError(t, err)
		require.Equal(t, "0x"+v.Signature, d.Signature.String())
		require.Equal(t, "0x"+v.MessageRoot, d.MessageRoot().String())
		require.Equal(t, "0x"+v.DataRoot, d.DataRoot().String())
		require.Equal(t, "0x"+v.ForkVersion, d.ForkVersion.String())
		if !over {
			root, err := signer.SigningRoot(n, signer.Deposit{PublicKey: key.PublicKey(), WithdrawalCredentials: wc, Amount: d.Amount})
			require.NoError(t, err)
			require.Equal(t, "0x"+v.SigningRoot, root.String())
			require.NoError(t, d.Verify(n, nil))
		}

		file, err := signer.MarshalDeposits([]*signer.DepositData{d})
		require.NoError(t, err)
		var encoded []depositVector
		require.NoError(t, json.Unmarshal(file, &encoded))
		v.SigningRoot, v.Index = "", 0
		require.Equal(t, []depositVector{v}, encoded)
	}
}

// The deposits of deposit-cli's documentation are holesky's, labelled hoodi: a
// strict verifier refuses them for either network, and takes them relabelled.
func TestLabelMismatch(t *testing.T) {
	file := vectors.Read(t, "deposit/depositcli_docs_example_LABEL_MISMATCH.json")
	_, err := signer.VerifyDeposits(signer.Hoodi, file, nil)
	require.EqualError(t, err, strings.Join([]string{
		"signer: deposit 0: fork_version: is 0x01017000 of holesky, 0x10000910 of hoodi expected",
		"signer: deposit 1: fork_version: is 0x01017000 of holesky, 0x10000910 of hoodi expected",
	}, "\n"))
	_, err = signer.VerifyDeposits(signer.Holesky, file, nil)
	require.EqualError(t, err, strings.Join([]string{
		`signer: deposit 0: network_name: is "hoodi", "holesky" expected`,
		`signer: deposit 1: network_name: is "hoodi", "holesky" expected`,
	}, "\n"))

	relabelled := bytes.ReplaceAll(file, []byte(`"hoodi"`), []byte(`"holesky"`))
	deposits, err := signer.VerifyDeposits(signer.Holesky, relabelled, nil)
	require.NoError(t, err)
	require.Len(t, deposits, 2)
	reforked := bytes.ReplaceAll(file, []byte(`"01017000"`), []byte(`"10000910"`))
	_, err = signer.VerifyDeposits(signer.Hoodi, reforked, nil)
	require.EqualError(t, err, strings.Join([]string{
		"signer: deposit 0: signature: does not verify under the public key for this message on hoodi",
		"signer: deposit 1: signature: does not verify under the public key for this message on hoodi",
	}, "\n"))
}

func TestExitVectors(t *testing.T) {
	var list []struct {
		Network   string `json:"network"`
		PublicKey string `json:"pubkey"`
		Signed    struct {
			Message struct {
				Epoch uint64 `json:"epoch,string"`
				Index uint64 `json:"validator_index,string"`
			} `json:"message"`
			Signature string `json:"signature"`
		} `json:"signed"`
		SigningRoot string `json:"signing_root"`
	}
	vectors.JSON(t, "exit/derived_voluntary_exits.json", &list)
	require.NotEmpty(t, list)
	for _, v := range list {
		root, err := signer.SigningRoot(network(t, v.Network), signer.VoluntaryExit{
			Epoch: v.Signed.Message.Epoch, ValidatorIndex: v.Signed.Message.Index,
		})
		require.NoError(t, err)
		require.Equal(t, v.SigningRoot, root.String())
		require.True(t, publicKey(t, v.PublicKey).Verify(root, signature(t, v.Signed.Signature)))
	}
}

type changeVector struct {
	Message struct {
		Index uint64           `json:"validator_index,string"`
		From  string           `json:"from_bls_pubkey"`
		To    keyshare.Address `json:"to_execution_address"`
	} `json:"message"`
	Signature string `json:"signature"`
}

func (v changeVector) verify(t *testing.T, n *signer.Network) (keyshare.Root, bool) {
	t.Helper()
	from := publicKey(t, v.Message.From)
	root, err := signer.SigningRoot(n, signer.BLSToExecutionChange{ValidatorIndex: v.Message.Index, From: from, To: v.Message.To})
	require.NoError(t, err)
	return root, from.Verify(root, signature(t, v.Signature))
}

func TestCredentialChangeVectors(t *testing.T) {
	var list []struct {
		Network     string       `json:"network"`
		Signed      changeVector `json:"signed"`
		SigningRoot string       `json:"signing_root"`
	}
	vectors.JSON(t, "exit/derived_bls_to_execution_changes.json", &list)
	require.NotEmpty(t, list)
	for _, v := range list {
		root, ok := v.Signed.verify(t, network(t, v.Network))
		require.Equal(t, v.SigningRoot, root.String())
		require.True(t, ok)
	}
}

// The change of deposit-cli's documentation is holesky's too.
func TestCredentialChangeLabelMismatch(t *testing.T) {
	var file struct {
		Changes []changeVector `json:"btec"`
	}
	vectors.JSON(t, "exit/depositcli_docs_btec_LABEL_MISMATCH.json", &file)
	require.Len(t, file.Changes, 1)
	_, ok := file.Changes[0].verify(t, signer.Holesky)
	require.True(t, ok)
	_, ok = file.Changes[0].verify(t, signer.Hoodi)
	require.False(t, ok)
}
