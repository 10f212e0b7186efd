package ssv

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/keyshare"
)

// MaxNonce is the largest owner nonce: the nodes count an owner's
// registrations in 16 bits.
const MaxNonce = 1<<16 - 1

// OwnerNonceRoot returns what the validator's key signs to let an owner register
// it: Keccak-256 of the text "<owner>:<nonce>", the owner in EIP-55 mixed case
// with 0x and the nonce in decimal. The 32 bytes are signed as they are, without
// a consensus domain.
//
// The nonce is the number of validators the owner has registered on the
// contract before this one, removed ones included; the first is 0. A signature
// over any other nonce makes the nodes ignore a registration that was paid for.
func OwnerNonceRoot(owner keyshare.Address, nonce uint64) keyshare.Root {
	return abi.Keccak256(fmt.Appendf(nil, "%s:%d", owner, nonce))
}
