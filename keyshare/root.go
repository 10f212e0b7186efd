package keyshare

import (
	"encoding/hex"

	"github.com/claystack/dvkeys/shamir"
)

// Index is a share's x-coordinate, 1 to 2^64-1. In the SSV network it is the
// operator's id on chain.
type Index = shamir.Index

// Root is a signing root of the consensus specification: the 32 bytes that a BLS
// signature is made over.
type Root [32]byte

// String returns 0x and 64 lower-case hex digits.
func (r Root) String() string { return "0x" + hex.EncodeToString(r[:]) }
