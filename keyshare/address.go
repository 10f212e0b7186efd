package keyshare

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/claystack/dvkeys/internal/abi"
)

// Address is an execution-layer account or contract: 20 bytes.
type Address [20]byte

// ErrAddress is returned for text that is no address.
var ErrAddress = errors.New("keyshare: not an address")

// ParseAddress reads 0x and 40 hex digits. Digits of mixed case must carry the
// checksum of EIP-55; all-lower-case and all-upper-case addresses carry none.
func ParseAddress(s string) (Address, error) {
	var a Address
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 2*len(a) {
		return Address{}, fmt.Errorf("%w: %q, expected 0x and 40 hex digits", ErrAddress, clip(s))
	}
	if _, err := hex.Decode(a[:], []byte(digits)); err != nil {
		return Address{}, fmt.Errorf("%w: %q, expected 0x and 40 hex digits", ErrAddress, clip(s))
	}
	mixed := digits != strings.ToLower(digits) && digits != strings.ToUpper(digits)
	if mixed && a.String() != s {
		return Address{}, fmt.Errorf("%w: the EIP-55 checksum of %s is wrong, expected %s", ErrAddress, s, a)
	}
	return a, nil
}

// String returns the address with its EIP-55 checksum: 0x and 40 hex digits of
// mixed case.
func (a Address) String() string {
	digits := []byte(hex.EncodeToString(a[:]))
	sum := abi.Keccak256(digits)
	for i, d := range digits {
		nibble := sum[i/2] >> (4 * (1 - i%2)) & 0xf
		if d >= 'a' && nibble >= 8 {
			digits[i] = d - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

// IsZero reports whether a is the zero address.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText is String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAddress.
func (a *Address) UnmarshalText(b []byte) error {
	parsed, err := ParseAddress(string(b))
	if err == nil {
		*a = parsed
	}
	return err
}

// clip shortens text that is quoted in an error.
func clip(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
