package abi_test

import (
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/abi"
)

func unhex(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(parts, ""))
	require.NoError(t, err)
	return b
}

func w(tail string) string { return strings.Repeat("0", 64-len(tail)) + tail }

// The worked examples of the Solidity documentation, "Contract ABI Specification".
func TestSolidityExamples(t *testing.T) {
	require.Equal(t,
		unhex(t, "cdcd77c0", w("45"), w("1")),
		abi.Call("baz(uint32,bool)", abi.Uint64(69), abi.Bool(true)))
	require.Equal(t,
		unhex(t, "a5643bf2", w("60"), w("1"), w("a0"),
			w("4"), "64617665"+strings.Repeat("0", 56),
			w("3"), w("1"), w("2"), w("3")),
		abi.Call("sam(bytes,bool,uint256[])", abi.Bytes([]byte("dave")), abi.Bool(true), abi.Uint64s([]uint64{1, 2, 3})))
	var ten [32]byte
	copy(ten[:], "1234567890")
	require.Equal(t,
		unhex(t, "8be65246", w("123"), w("80"), "31323334353637383930"+strings.Repeat("0", 44), w("e0"),
			w("2"), w("456"), w("789"),
			w("d"), "48656c6c6f2c20776f726c6421"+strings.Repeat("0", 38)),
		abi.Call("f(uint256,uint32[],bytes10,bytes)", abi.Uint64(0x123), abi.Uint64s([]uint64{0x456, 0x789}),
			abi.Word(ten), abi.Bytes([]byte("Hello, world!"))))
}

func TestBytesArray(t *testing.T) {
	require.Equal(t,
		unhex(t, w("20"), w("3"), w("60"), w("a0"), w("c0"),
			w("1"), "61"+strings.Repeat("0", 62), w("0"), w("20"), strings.Repeat("62", 32)),
		abi.Encode(abi.BytesArray([][]byte{[]byte("a"), nil, []byte(strings.Repeat("b", 32))})))
	require.Equal(t, unhex(t, w("20"), w("0")), abi.Encode(abi.BytesArray(nil)))
}

func TestTuple(t *testing.T) {
	static := abi.Tuple(abi.Uint64(7), abi.Addr([20]byte{0: 0xaa, 19: 0xbb}))
	require.Equal(t, unhex(t, w("7"), w("aa"+strings.Repeat("0", 36)+"bb"), w("60"), w("0")),
		abi.Encode(static, abi.Bytes(nil)))
	dynamic := abi.Tuple(abi.Uint64(7), abi.Bytes([]byte{1}))
	require.Equal(t, unhex(t, w("20"), w("7"), w("40"), w("1"), "01"+strings.Repeat("0", 62)), abi.Encode(dynamic))
}

func TestUint256(t *testing.T) {
	highest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	v, err := abi.Uint256(highest)
	require.NoError(t, err)
	require.Equal(t, unhex(t, strings.Repeat("f", 64)), abi.Encode(v))
	v, err = abi.Uint256(big.NewInt(0))
	require.NoError(t, err)
	require.Equal(t, make([]byte, 32), abi.Encode(v))

	_, err = abi.Uint256(new(big.Int).Add(highest, big.NewInt(1)))
	require.EqualError(t, err, "abi: uint256 has 257 bits, at most 256 expected")
	_, err = abi.Uint256(big.NewInt(-1))
	require.EqualError(t, err, "abi: uint256 is negative")
	_, err = abi.Uint256(nil)
	require.EqualError(t, err, "abi: uint256 is nil")
}

// What Call returned for one list of arguments must not change when it is
// called again, or when the caller appends to it.
func TestNoSharedMemory(t *testing.T) {
	a := abi.Uint64(1)
	first := abi.Call("baz(uint32,bool)", a, a)
	kept := append([]byte(nil), first...)
	_ = append(abi.Encode(a), 0xff)
	first[len(first)-1] = 9
	require.Equal(t, kept, abi.Call("baz(uint32,bool)", a, a))
}

// Keccak-256 of the empty string and of "abc" (the Keccak team's submission).
func TestKeccak256(t *testing.T) {
	empty := abi.Keccak256()
	require.Equal(t, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", hex.EncodeToString(empty[:]))
	abc := abi.Keccak256([]byte("a"), []byte("bc"))
	require.Equal(t, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", hex.EncodeToString(abc[:]))
}
