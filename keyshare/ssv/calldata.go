package ssv

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/keyshare"
)

// Call is what a transaction to SSVNetwork carries. Its target is the
// [Contract]'s Proxy; the sender must be the cluster's owner, save for [Deposit]
// and [Liquidate].
type Call struct {
	// Data is the calldata: the function's selector and its arguments.
	Data []byte
	// Value is the amount of wei to send along, never nil.
	Value *big.Int
}

// ContractVersion is the version of SSVNetwork that is deployed.
type ContractVersion uint8

// Version 2 is paid in the chain's coin: an amount is the transaction's value.
// Version 1 is paid in SSV tokens: an amount is an argument, drawn from the
// sender's allowance. The functions that carry no amount are the same in both.
const (
	ContractV2 ContractVersion = iota
	ContractV1
)

// CallOptions modify a call. The zero value, and nil, mean version 2.
type CallOptions struct {
	Version ContractVersion
}

// MaxBulkExit is the most validators that [BulkRemoveValidator] and
// [BulkExitValidator] take.
const MaxBulkExit = 500

// MaxBulkRegister returns the most validators that [BulkRegisterValidator] takes
// for a cluster of n operators, so that the transaction is not too large: 80, 40,
// 30 and 20 for 4, 7, 10 and 13, and 0 for any other n.
func MaxBulkRegister(n int) int {
	return map[int]int{4: 80, 7: 40, 10: 30, 13: 20}[n]
}

// cluster is the contract's struct in a function signature.
const cluster = "(uint32,uint64,uint64,bool,uint256)"

// RegisterValidator registers a validator and adds amount to its cluster's
// balance; nil adds nothing. c is the cluster's latest state, [EmptyCluster] if
// there is none yet.
func RegisterValidator(p Payload, amount *big.Int, c Cluster, o *CallOptions) (Call, error) {
	b := builder{}
	b.operators(p.OperatorIDs)
	b.payload(p, "payload")
	return b.paid("registerValidator", "bytes,uint64[],bytes", []abi.Value{key(p.PublicKey), ids(p.OperatorIDs), abi.Bytes(p.SharesData)}, amount, c, o)
}

// BulkRegisterValidator registers several validators with the same operators in
// one transaction, at most [MaxBulkRegister]. The nodes count the owner's nonces
// in the order of the payloads, which must be that of the file.
func BulkRegisterValidator(payloads []Payload, amount *big.Int, c Cluster, o *CallOptions) (Call, error) {
	b := builder{}
	if len(payloads) == 0 {
		return Call{}, errors.New("ssv: payloads: are none")
	}
	operators := payloads[0].OperatorIDs
	b.operators(operators)
	keys, data := make([]keyshare.PublicKey, len(payloads)), make([][]byte, len(payloads))
	for i, p := range payloads {
		b.payload(p, fmt.Sprintf("payloads[%d]", i))
		if !slices.Equal(p.OperatorIDs, operators) {
			b.fail("payloads[%d].operatorIds: differ from those of payloads[0]", i)
		}
		keys[i], data[i] = p.PublicKey, p.SharesData
	}
	b.validators(keys, MaxBulkRegister(len(operators)))
	return b.paid("bulkRegisterValidator", "bytes[],uint64[],bytes[]", []abi.Value{keyList(keys), ids(operators), abi.BytesArray(data)}, amount, c, o)
}

// RemoveValidator takes a validator off the network. It does not exit it.
func RemoveValidator(validator keyshare.PublicKey, operators []keyshare.Index, c Cluster) (Call, error) {
	b := builder{}
	b.validators([]keyshare.PublicKey{validator}, 1)
	b.operators(operators)
	return b.clustered("removeValidator", "bytes,uint64[]", []abi.Value{key(validator), ids(operators)}, c)
}

// BulkRemoveValidator takes up to [MaxBulkExit] validators of one cluster off the
// network.
func BulkRemoveValidator(validators []keyshare.PublicKey, operators []keyshare.Index, c Cluster) (Call, error) {
	b := builder{}
	b.validators(validators, MaxBulkExit)
	b.operators(operators)
	return b.clustered("bulkRemoveValidator", "bytes[],uint64[]", []abi.Value{keyList(validators), ids(operators)}, c)
}

// ExitValidator asks the operators to sign and broadcast the validator's
// voluntary exit. There is no way back.
func ExitValidator(validator keyshare.PublicKey, operators []keyshare.Index) (Call, error) {
	b := builder{}
	b.validators([]keyshare.PublicKey{validator}, 1)
	b.operators(operators)
	return b.call("exitValidator", "bytes,uint64[]", []abi.Value{key(validator), ids(operators)})
}

// BulkExitValidator asks the operators to exit up to [MaxBulkExit] validators of
// one cluster.
func BulkExitValidator(validators []keyshare.PublicKey, operators []keyshare.Index) (Call, error) {
	b := builder{}
	b.validators(validators, MaxBulkExit)
	b.operators(operators)
	return b.call("bulkExitValidator", "bytes[],uint64[]", []abi.Value{keyList(validators), ids(operators)})
}

// Deposit adds amount, which is not 0, to the balance of owner's cluster. Anyone
// may send it.
func Deposit(owner keyshare.Address, operators []keyshare.Index, amount *big.Int, c Cluster, o *CallOptions) (Call, error) {
	b := builder{}
	b.owner(owner)
	b.operators(operators)
	b.some(amount)
	return b.paid("deposit", "address,uint64[]", []abi.Value{abi.Addr(owner), ids(operators)}, amount, c, o)
}

// Withdraw takes amount, which is not 0, in tokens or coin as the version has it,
// out of the sender's cluster.
func Withdraw(operators []keyshare.Index, amount *big.Int, c Cluster) (Call, error) {
	b := builder{}
	b.operators(operators)
	b.some(amount)
	args := []abi.Value{ids(operators), b.amount(amount)}
	return b.clustered("withdraw", "uint64[],uint256", args, c)
}

// Reactivate brings the sender's liquidated cluster back with amount as its
// balance.
func Reactivate(operators []keyshare.Index, amount *big.Int, c Cluster, o *CallOptions) (Call, error) {
	b := builder{}
	b.operators(operators)
	return b.paid("reactivate", "uint64[]", []abi.Value{ids(operators)}, amount, c, o)
}

// Liquidate stops a cluster that cannot pay its operators. Anyone may send it.
func Liquidate(owner keyshare.Address, operators []keyshare.Index, c Cluster) (Call, error) {
	b := builder{}
	b.owner(owner)
	b.operators(operators)
	return b.clustered("liquidate", "address,uint64[]", []abi.Value{abi.Addr(owner), ids(operators)}, c)
}

// SetFeeRecipient names the account that gets the execution-layer rewards of all
// of the sender's validators. The zero address is refused.
func SetFeeRecipient(recipient keyshare.Address) (Call, error) {
	b := builder{}
	if recipient.IsZero() {
		b.fail("fee recipient: is the zero address")
	}
	return b.call("setFeeRecipientAddress", "address", []abi.Value{abi.Addr(recipient)})
}

func key(k keyshare.PublicKey) abi.Value {
	b := k.Bytes()
	return abi.Bytes(b[:])
}

func keyList(keys []keyshare.PublicKey) abi.Value {
	list := make([][]byte, len(keys))
	for i, k := range keys {
		b := k.Bytes()
		list[i] = b[:]
	}
	return abi.BytesArray(list)
}

func ids(operators []keyshare.Index) abi.Value {
	list := make([]uint64, len(operators))
	for i, id := range operators {
		list[i] = uint64(id)
	}
	return abi.Uint64s(list)
}
