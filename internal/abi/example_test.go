package abi_test

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/abi"
)

// The first example of the Solidity documentation.
func Example() {
	data := abi.Call("baz(uint32,bool)", abi.Uint64(69), abi.Bool(true))
	fmt.Printf("%x\n%x\n%x\n", data[:4], data[4:36], data[36:])

	// Output:
	// cdcd77c0
	// 0000000000000000000000000000000000000000000000000000000000000045
	// 0000000000000000000000000000000000000000000000000000000000000001
}
