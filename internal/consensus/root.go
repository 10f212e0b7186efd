package consensus

import (
	"github.com/protolambda/zrnt/eth2/beacon/common"
	"github.com/protolambda/zrnt/eth2/beacon/phase0"
	"github.com/protolambda/ztyp/tree"
)

// DepositMessageRoot is the hash tree root of DepositMessage: the object that a deposit's signature is over. The
// amount is in gwei.
func DepositMessageRoot(pubkey [48]byte, credentials [32]byte, amount uint64) [32]byte {
	m := common.DepositMessage{Pubkey: pubkey, WithdrawalCredentials: credentials, Amount: common.Gwei(amount)}
	return m.HashTreeRoot(tree.GetHashFn())
}

// DepositDataRoot is the hash tree root of DepositData, signature included: the root that the deposit contract
// recomputes and compares.
func DepositDataRoot(pubkey [48]byte, credentials [32]byte, amount uint64, signature [96]byte) [32]byte {
	d := common.DepositData{
		Pubkey:                pubkey,
		WithdrawalCredentials: credentials,
		Amount:                common.Gwei(amount),
		Signature:             signature,
	}
	return d.HashTreeRoot(tree.GetHashFn())
}

// VoluntaryExitRoot is the hash tree root of VoluntaryExit. The exit is valid from the epoch on.
func VoluntaryExitRoot(epoch, validator uint64) [32]byte {
	e := phase0.VoluntaryExit{Epoch: common.Epoch(epoch), ValidatorIndex: common.ValidatorIndex(validator)}
	return e.HashTreeRoot(tree.GetHashFn())
}

// BLSToExecutionChangeRoot is the hash tree root of BLSToExecutionChange: the validator's 0x00 credentials, the hash
// of the withdrawal key from, become 0x01 credentials of the address to.
func BLSToExecutionChangeRoot(validator uint64, from [48]byte, to [20]byte) [32]byte {
	c := common.BLSToExecutionChange{
		ValidatorIndex:     common.ValidatorIndex(validator),
		FromBLSPubKey:      from,
		ToExecutionAddress: to,
	}
	return c.HashTreeRoot(tree.GetHashFn())
}
