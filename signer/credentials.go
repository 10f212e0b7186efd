package signer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/claystack/dvkeys/keyshare"
)

// Prefix is the first byte of withdrawal credentials: what may withdraw, and how
// much stake counts.
type Prefix byte

// The prefixes that a deposit may have.
const (
	PrefixBLS         Prefix = 0 // the hash of a BLS withdrawal key; at most 32 ETH count
	PrefixExecution   Prefix = 1 // an address; at most 32 ETH count
	PrefixCompounding Prefix = 2 // an address; at most 2048 ETH count (EIP-7251)
)

// String returns 0x00, 0x01 or 0x02.
func (p Prefix) String() string { return fmt.Sprintf("0x%02x", byte(p)) }

// WithdrawalCredentials say where a validator's stake goes in the end. They are
// fixed by the first deposit, and the deposit contract does not look at them, so
// everything in this package that signs or verifies calls Validate.
type WithdrawalCredentials [32]byte

// BLSCredentials returns 0x00 and the last 31 bytes of the SHA-256 of a BLS
// withdrawal public key. The zero key gives credentials that Validate refuses.
func BLSCredentials(withdrawal keyshare.PublicKey) WithdrawalCredentials {
	if withdrawal.IsZero() {
		return WithdrawalCredentials{}
	}
	key := withdrawal.Bytes()
	wc := WithdrawalCredentials(sha256.Sum256(key[:]))
	wc[0] = byte(PrefixBLS)
	return wc
}

// ExecutionCredentials returns 0x01, eleven zero bytes and the address. For an
// EigenPod that is the pod's address, not its owner's. The zero address gives
// credentials that Validate refuses.
func ExecutionCredentials(to keyshare.Address) WithdrawalCredentials {
	return addressCredentials(PrefixExecution, to)
}

// CompoundingCredentials returns 0x02, eleven zero bytes and the address
// (EIP-7251). The zero address gives credentials that Validate refuses.
func CompoundingCredentials(to keyshare.Address) WithdrawalCredentials {
	return addressCredentials(PrefixCompounding, to)
}

func addressCredentials(p Prefix, to keyshare.Address) WithdrawalCredentials {
	var wc WithdrawalCredentials
	wc[0] = byte(p)
	copy(wc[12:], to[:])
	return wc
}

// ParseWithdrawalCredentials reads 64 hex digits of either case, with or without
// 0x, and validates what they say.
func ParseWithdrawalCredentials(s string) (WithdrawalCredentials, error) {
	var wc WithdrawalCredentials
	text := strings.TrimPrefix(s, "0x")
	if len(text) != 2*len(wc) {
		return WithdrawalCredentials{}, fmt.Errorf("signer: withdrawal credentials have %d hex digits, %d expected", len(text), 2*len(wc))
	}
	if _, err := hex.Decode(wc[:], []byte(text)); err != nil {
		return WithdrawalCredentials{}, fmt.Errorf("signer: withdrawal credentials are not hexadecimal, %d digits expected", 2*len(wc))
	}
	if err := wc.Validate(); err != nil {
		return WithdrawalCredentials{}, err
	}
	return wc, nil
}

// Validate refuses an unknown prefix, bytes other than zero between prefix and
// address, the zero address, and 0x00 credentials without a hash.
func (wc WithdrawalCredentials) Validate() error {
	if fault := wc.fault(); fault != "" {
		return errors.New("signer: withdrawal credentials " + fault)
	}
	return nil
}

// fault says what is wrong, as the end of a sentence, or nothing.
func (wc WithdrawalCredentials) fault() string {
	switch p := wc.Prefix(); p {
	case PrefixBLS:
		if wc == (WithdrawalCredentials{}) {
			return "are all zero"
		}
	case PrefixExecution, PrefixCompounding:
		if [11]byte(wc[1:12]) != [11]byte{} {
			return "have bytes other than zero between prefix and address"
		}
		if _, ok := wc.Address(); !ok {
			return "have the zero address"
		}
	default:
		return fmt.Sprintf("have the prefix %v, 0x00, 0x01 or 0x02 expected", p)
	}
	return ""
}

// Prefix returns the first byte.
func (wc WithdrawalCredentials) Prefix() Prefix { return Prefix(wc[0]) }

// Address returns the address of 0x01 and 0x02 credentials; false for others and
// for the zero address.
func (wc WithdrawalCredentials) Address() (keyshare.Address, bool) {
	if p := wc.Prefix(); p != PrefixExecution && p != PrefixCompounding {
		return keyshare.Address{}, false
	}
	a := keyshare.Address(wc[12:])
	return a, !a.IsZero()
}

// String returns 0x and 64 lower-case hex digits.
func (wc WithdrawalCredentials) String() string { return "0x" + hex.EncodeToString(wc[:]) }
