package ssv

import (
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// Contract says where the network's contracts are on one chain.
type Contract struct {
	// Network is the chain's name in lower case.
	Network string
	// ChainID is its EIP-155 number.
	ChainID uint64
	// Proxy is SSVNetwork: the target of every [Call].
	Proxy keyshare.Address
	// Views is SSVNetworkViews, which answers questions about clusters and
	// fees; zero where it is not known.
	Views keyshare.Address
	// Token is the SSV token, in which version 1 is paid; zero where it is
	// not known.
	Token keyshare.Address
	// DomainType marks the nodes' messages on this network.
	DomainType [4]byte
}

// ContractOn returns the contracts of a chain, given its name ("mainnet",
// "hoodi", "holesky", "sepolia") or its EIP-155 number in decimal ("1",
// "560048", "17000", "11155111").
func ContractOn(network string) (*Contract, error) {
	for _, c := range contracts {
		if network == c.Network || network == fmt.Sprint(c.ChainID) {
			return &c, nil
		}
	}
	return nil, fmt.Errorf("ssv: network: no contracts known on %s, want mainnet, hoodi, holesky or sepolia", quote(network))
}

var contracts = []Contract{
	{
		Network: "mainnet", ChainID: 1, DomainType: [4]byte{3: 0x01},
		Proxy: address("0xDD9BC35aE942eF0cFa76930954a156B3fF30a4E1"),
		Views: address("0xafE830B6Ee262ba11cce5F32fDCd760FFE6a66e4"),
		Token: address("0x9D65fF81a3c488d585bBfb0Bfe3c7707c7917f54"),
	},
	{
		Network: "hoodi", ChainID: 560048, DomainType: [4]byte{2: 0x05, 3: 0x03},
		Proxy: address("0x58410Bef803ECd7E63B23664C586A6DB72DAf59c"),
		Views: address("0x5AdDb3f1529C5ec70D77400499eE4bbF328368fe"),
		Token: address("0x9F5d4Ec84fC4785788aB44F9de973cF34F7A038e"),
	},
	{
		Network: "holesky", ChainID: 17000, DomainType: [4]byte{2: 0x05, 3: 0x02},
		Proxy: address("0x38A4794cCEd47d3baf7370CcC43B560D3a1beEFA"),
	},
	{
		Network: "sepolia", ChainID: 11155111, DomainType: [4]byte{2: 0x05, 3: 0x69},
		Proxy: address("0x261419B48F36EdF420743E9f91bABF4856e76f99"),
	},
}

// address decodes a constant of this file. The test of ContractOn reads them
// all, so that a wrong one cannot ship.
func address(s string) keyshare.Address {
	a, err := keyshare.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}
