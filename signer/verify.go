package signer

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// VerifyDeposits decodes a deposit_data file as [ParseDeposits] does and verifies
// every deposit in it as [DepositData.Verify] does, on all cores. A public key that
// occurs twice is a fault as well. Its error joins one *[DepositError] per fault,
// in the order of the file; then no deposit is returned. o may be nil.
func VerifyDeposits(n *Network, file []byte, o *DepositOptions) ([]*DepositData, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	items, err := parseDeposits(file)
	if err != nil {
		return nil, err
	}
	parallel.Each(len(items), func(i int) {
		if it := &items[i]; it.data != nil {
			it.faults = append(it.faults, it.data.faults(n, o)...)
		}
	})
	first := map[keyshare.PublicKey]int{}
	for i := range items {
		it := &items[i]
		if it.data == nil {
			continue
		}
		if at, twice := first[it.data.PublicKey]; twice {
			it.faults = append(it.faults, fault{fieldPublicKey, fmt.Sprintf("is that of deposit %d as well", at)})
		} else {
			first[it.data.PublicKey] = i
		}
	}
	return collect(items)
}
