package signer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// The system contracts that take requests of the execution layer, the same on every
// network. They are called by a transaction from the validator's withdrawal address,
// with at least the fee that an eth_call with empty data returns; what is paid above
// it is not given back. No BLS key signs a request.
var (
	// WithdrawalRequests takes exits and withdrawals (EIP-7002).
	WithdrawalRequests = keyshare.Address{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e, 0xb5, 0x5e, 0x80,
		0xd1, 0x9a, 0xd8, 0x35, 0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}
	// ConsolidationRequests takes consolidations (EIP-7251).
	ConsolidationRequests = keyshare.Address{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48, 0x86, 0x42, 0xfb,
		0x57, 0x9f, 0x8b, 0x00, 0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}
)

// ExitRequest returns the data of a transaction to [WithdrawalRequests] that makes a
// validator exit: its public key and eight zero bytes (EIP-7002).
func ExitRequest(validator keyshare.PublicKey) ([]byte, error) {
	return withdrawalRequest("exit request", validator, 0)
}

// WithdrawalRequest returns the data of a transaction to [WithdrawalRequests] that
// withdraws an amount above 32 ETH from a validator with 0x02 credentials: its public
// key and the amount in gwei, big-endian (EIP-7002). The amount 0 would make the
// validator exit and is refused: see [ExitRequest].
func WithdrawalRequest(validator keyshare.PublicKey, amount Gwei) ([]byte, error) {
	if amount == 0 {
		return nil, errors.New("signer: withdrawal request: the amount is 0, which would make the validator exit")
	}
	return withdrawalRequest("withdrawal request", validator, amount)
}

func withdrawalRequest(what string, validator keyshare.PublicKey, amount Gwei) ([]byte, error) {
	if validator.IsZero() {
		return nil, fmt.Errorf("signer: %s: the public key is missing", what)
	}
	key := validator.Bytes()
	return binary.BigEndian.AppendUint64(key[:], uint64(amount)), nil
}

// ConsolidationRequest returns the data of a transaction to [ConsolidationRequests]
// that moves the whole stake of one validator to another, which must have 0x02
// credentials; the first one exits (EIP-7251). It can not be taken back. Equal keys
// would mean something else and are refused: see [CompoundingRequest].
func ConsolidationRequest(from, to keyshare.PublicKey) ([]byte, error) {
	if from == to && !from.IsZero() {
		return nil, errors.New("signer: consolidation request: both validators are the same, which would change its credentials")
	}
	return consolidationRequest("consolidation request", from, to)
}

// CompoundingRequest returns the data of a transaction to [ConsolidationRequests] that
// changes a validator's 0x01 credentials to 0x02: a consolidation with itself
// (EIP-7251). It can not be taken back.
func CompoundingRequest(validator keyshare.PublicKey) ([]byte, error) {
	return consolidationRequest("compounding request", validator, validator)
}

func consolidationRequest(what string, from, to keyshare.PublicKey) ([]byte, error) {
	if from.IsZero() || to.IsZero() {
		return nil, fmt.Errorf("signer: %s: a public key is missing", what)
	}
	source, target := from.Bytes(), to.Bytes()
	return append(source[:], target[:]...), nil
}
