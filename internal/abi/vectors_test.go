package abi_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/internal/vectors"
)

type calldata struct {
	Owner       string   `json:"owner"`
	OperatorIDs []uint64 `json:"operatorIds"`
	SomeCluster struct {
		ValidatorCount  uint64      `json:"validatorCount"`
		NetworkFeeIndex json.Number `json:"networkFeeIndex"`
		Index           json.Number `json:"index"`
		Active          bool        `json:"active"`
		Balance         json.Number `json:"balance"`
	} `json:"someCluster"`
	ExitValidator     string `json:"exitValidator"`
	BulkExitValidator string `json:"bulkExitValidator"`
	RemoveValidator   string `json:"removeValidator_someCluster"`
	Deposit           string `json:"v2_deposit_someCluster"`
	SetFeeRecipient   string `json:"setFeeRecipientAddress"`
	OperatorKey       string `json:"registerOperator_publicKey_arg_abiEncodedString"`
}

// Each shape of argument in calldata that another encoder made. The public keys
// are read back from where the vector has them.
func TestCalldataVectors(t *testing.T) {
	var v calldata
	vectors.JSON(t, "ssv/contract/calldata-vectors.json", &v)
	hexed := func(b []byte) string { return "0x" + hex.EncodeToString(b) }
	decode := func(s string) []byte { return unhex(t, strings.TrimPrefix(s, "0x")) }
	owner := abi.Addr([20]byte(decode(v.Owner)))
	ids := abi.Uint64s(v.OperatorIDs)
	number := func(n json.Number) abi.Value {
		i, ok := new(big.Int).SetString(n.String(), 10)
		require.True(t, ok)
		value, err := abi.Uint256(i)
		require.NoError(t, err)
		return value
	}
	c := v.SomeCluster
	cluster := abi.Tuple(abi.Uint64(c.ValidatorCount), number(c.NetworkFeeIndex), number(c.Index), abi.Bool(c.Active), number(c.Balance))
	const clusterType = "(uint32,uint64,uint64,bool,uint256)"

	exit := decode(v.ExitValidator)
	key := exit[4+3*32:][:48]
	require.Equal(t, v.ExitValidator, hexed(abi.Call("exitValidator(bytes,uint64[])", abi.Bytes(key), ids)))

	keys := make([][]byte, 3)
	bulk := decode(v.BulkExitValidator)
	for i := range keys {
		keys[i] = bulk[4+(3+3+3*i+1)*32:][:48]
	}
	require.Equal(t, v.BulkExitValidator, hexed(abi.Call("bulkExitValidator(bytes[],uint64[])", abi.BytesArray(keys), ids)))

	require.Equal(t, v.RemoveValidator,
		hexed(abi.Call("removeValidator(bytes,uint64[],"+clusterType+")", abi.Bytes(key), ids, cluster)))
	require.Equal(t, v.Deposit, hexed(abi.Call("deposit(address,uint64[],"+clusterType+")", owner, ids, cluster)))
	require.Equal(t, v.SetFeeRecipient, hexed(abi.Call("setFeeRecipientAddress(address)", owner)))

	text := decode(v.OperatorKey)[2*32:][:612]
	require.Equal(t, v.OperatorKey, hexed(abi.Encode(abi.Bytes(text))))
}
