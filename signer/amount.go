package signer

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Gwei is an amount of 1e-9 ether, the unit of deposits and validator balances.
type Gwei uint64

// Ether is one ether.
const Ether Gwei = 1e9

// Amounts of the consensus specification, in the gwei of a deposit. They are the
// same on every network.
const (
	// MinDeposit is the least that the deposit contract takes.
	MinDeposit = Ether
	// ActivationBalance is what a validator needs to become active, and all that
	// counts for one with 0x00 or 0x01 credentials.
	ActivationBalance = 32 * Ether
	// MaxEffectiveBalance is all that counts for a validator with 0x02
	// credentials (EIP-7251).
	MaxEffectiveBalance = 2048 * Ether
)

const etherDecimals = 9 // of gwei in ether

// ParseEther reads a decimal number of ether, such as 32 or 1.5, exactly: digits
// without a leading zero, then perhaps a point and 1 to 9 more digits. No sign,
// exponent, space or separator is taken, and nothing is rounded.
func ParseEther(s string) (Gwei, error) {
	whole, fraction, point := strings.Cut(s, ".")
	switch {
	case !digits(whole), point && !digits(fraction):
		return 0, fmt.Errorf("signer: amount %.40q is malformed, a decimal number such as 32 or 1.5 expected", s)
	case len(whole) > 1 && whole[0] == '0':
		return 0, fmt.Errorf("signer: amount %.40q has a leading zero", s)
	case len(fraction) > etherDecimals:
		return 0, fmt.Errorf("signer: amount %.40q has %d decimals, at most %d expected", s, len(fraction), etherDecimals)
	}
	g, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", etherDecimals-len(fraction)), 10, 64)
	if err != nil {
		return 0, amountTooLarge(s)
	}
	return Gwei(g), nil
}

func amountTooLarge(s string) error {
	return fmt.Errorf("signer: amount %.40q is too large, less than 2^64 gwei expected", s)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Ether returns the amount in ether, exactly and without trailing zeros: the
// inverse of ParseEther.
func (g Gwei) Ether() string { return decimal(g, 1) }

// String returns the amount in gwei with its unit: "32000000000 gwei".
func (g Gwei) String() string { return strconv.FormatUint(uint64(g), 10) + " gwei" }

// decimal returns g gwei in coins of which multiplier make one unit. The
// multiplier is a power of two of at most 32, so 14 decimals are exact.
func decimal(g Gwei, multiplier uint64) string {
	unit := new(big.Int).Mul(big.NewInt(1e9), new(big.Int).SetUint64(multiplier))
	s := new(big.Rat).SetFrac(new(big.Int).SetUint64(uint64(g)), unit).FloatString(14)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
