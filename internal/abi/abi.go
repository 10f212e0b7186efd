// Package abi encodes calls to Ethereum contracts as the Solidity contract ABI
// (version 2) defines them: a 4-byte selector, then the arguments. It knows the
// few shapes that deposits and SSV calls need and only encodes; nothing here
// reads data from a chain.
//
// An argument is a [Value], already encoded when it is made. A static value (a
// number, an address, a tuple of such) lies in the argument list itself; a
// dynamic one (bytes, arrays) lies behind it, and the list holds its offset.
package abi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/sha3"
)

const word = 32

// Value is one encoded argument. The zero Value encodes to nothing and stands
// for the empty static tuple.
type Value struct {
	dynamic bool
	data    []byte // whole words: the value itself, or the tail of a dynamic one
}

// Word is a bytes32 or any other value that fills one word.
func Word(w [32]byte) Value { return Value{data: w[:]} }

// Uint64 is an unsigned integer of at most 64 bits, whatever width the
// signature gives it (uint8 to uint256).
func Uint64(n uint64) Value {
	w := make([]byte, word)
	binary.BigEndian.PutUint64(w[word-8:], n)
	return Value{data: w}
}

// Uint256 is an unsigned integer of at most 256 bits. A nil, negative or longer
// number is an error.
func Uint256(n *big.Int) (Value, error) {
	switch {
	case n == nil:
		return Value{}, errors.New("abi: uint256 is nil")
	case n.Sign() < 0:
		return Value{}, errors.New("abi: uint256 is negative")
	case n.BitLen() > 256:
		return Value{}, fmt.Errorf("abi: uint256 has %d bits, at most 256 expected", n.BitLen())
	}
	return Value{data: n.FillBytes(make([]byte, word))}, nil
}

// Bool is a boolean, encoded as 0 or 1.
func Bool(b bool) Value {
	if b {
		return Uint64(1)
	}
	return Uint64(0)
}

// Addr is a 20-byte account or contract address.
func Addr(a [20]byte) Value {
	w := make([]byte, word)
	copy(w[word-len(a):], a[:])
	return Value{data: w}
}

// Bytes is a byte string of any length: Solidity's bytes, and its string when
// given the UTF-8 text.
func Bytes(b []byte) Value {
	padded := (len(b) + word - 1) / word * word
	data := make([]byte, word+padded)
	binary.BigEndian.PutUint64(data[word-8:], uint64(len(b)))
	copy(data[word:], b)
	return Value{dynamic: true, data: data}
}

// BytesArray is a list of byte strings: bytes[].
func BytesArray(list [][]byte) Value {
	items := make([]Value, len(list))
	for i, b := range list {
		items[i] = Bytes(b)
	}
	return array(items)
}

// Uint64s is a list of integers of at most 64 bits: uint64[], uint256[] and so on.
func Uint64s(list []uint64) Value {
	items := make([]Value, len(list))
	for i, n := range list {
		items[i] = Uint64(n)
	}
	return array(items)
}

// Tuple is a struct of the given fields. It is dynamic if a field is.
func Tuple(fields ...Value) Value {
	t := Value{data: Encode(fields...)}
	for _, f := range fields {
		t.dynamic = t.dynamic || f.dynamic
	}
	return t
}

func array(items []Value) Value {
	return Value{dynamic: true, data: append(Uint64(uint64(len(items))).data, Encode(items...)...)}
}

// Encode returns the arguments as Solidity's abi.encode does: without a selector.
func Encode(args ...Value) []byte { return appendArgs(nil, args) }

// Call returns the calldata of the function with the given signature, such as
// "deposit(bytes,bytes,bytes,bytes32)": the first four bytes of the signature's
// Keccak-256 hash, then the arguments. The signature has no spaces and no
// parameter names; that the arguments match it is the caller's part.
func Call(signature string, args ...Value) []byte {
	selector := Keccak256([]byte(signature))
	return appendArgs(selector[:4:4], args)
}

func appendArgs(out []byte, args []Value) []byte {
	head, size := 0, 0
	for _, a := range args {
		size += len(a.data)
		if a.dynamic {
			head += word
			size += word
		} else {
			head += len(a.data)
		}
	}
	all := make([]byte, len(out), len(out)+size)
	copy(all, out)
	offset := head
	for _, a := range args {
		if !a.dynamic {
			all = append(all, a.data...)
			continue
		}
		all = append(all, Uint64(uint64(offset)).data...)
		offset += len(a.data)
	}
	for _, a := range args {
		if a.dynamic {
			all = append(all, a.data...)
		}
	}
	return all
}

// Keccak256 returns the hash that Ethereum's execution layer uses, of the parts
// one after another. It is not NIST's SHA3-256: the padding differs.
func Keccak256(parts ...[]byte) [32]byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}
