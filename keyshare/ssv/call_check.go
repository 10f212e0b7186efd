package ssv

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/keyshare"
)

// builder checks the arguments of a call, keeps what is wrong with them, and
// makes the call when nothing is.
type builder struct{ errs []error }

func (b *builder) fail(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("ssv: "+format, args...))
}

// call makes a call that takes no amount and no cluster.
func (b *builder) call(name, types string, args []abi.Value) (Call, error) {
	if err := errors.Join(b.errs...); err != nil {
		return Call{}, err
	}
	return Call{abi.Call(name+"("+types+")", args...), new(big.Int)}, nil
}

// clustered makes a call whose last argument is the cluster.
func (b *builder) clustered(name, types string, args []abi.Value, c Cluster) (Call, error) {
	v, err := c.value()
	if err != nil {
		b.errs = append(b.errs, err)
	}
	return b.call(name, types+","+cluster, append(args, v))
}

// paid makes a call that brings an amount: as the argument before the cluster in
// version 1, as the value in version 2.
func (b *builder) paid(name, types string, args []abi.Value, amount *big.Int, c Cluster, o *CallOptions) (Call, error) {
	v := ContractV2
	if o != nil {
		v = o.Version
	}
	checked := b.amount(amount)
	switch v {
	case ContractV1:
		return b.clustered(name, types+",uint256", append(args, checked), c)
	case ContractV2:
		call, err := b.clustered(name, types, args, c)
		if err == nil {
			call.Value.Set(whole(amount))
		}
		return call, err
	}
	return Call{}, fmt.Errorf("ssv: contract version: is unknown (%d), want ContractV1 or ContractV2", v)
}

// some requires an amount that is not nothing: a call whose one purpose is to move
// it is a mistake without.
func (b *builder) some(amount *big.Int) {
	if whole(amount).Sign() == 0 {
		b.fail("amount: is 0, want more")
	}
}

func (b *builder) amount(n *big.Int) abi.Value {
	v, err := abi.Uint256(whole(n))
	if err != nil {
		b.fail("amount: is %s, want 0 to 2^256-1", n)
	}
	return v
}

func (b *builder) owner(a keyshare.Address) {
	if a.IsZero() {
		b.fail("owner: is the zero address")
	}
}

// operators checks what the contract reverts for, and what the nodes cannot use.
func (b *builder) operators(ids []keyshare.Index) {
	r := newFaults(-1)
	if _, err := threshold(len(ids)); err != nil {
		r.add("operatorIds", "%v", err)
	}
	r.ids(ids, "operatorIds", "")
	b.errs = append(b.errs, *r.list...)
}

// validators checks that there are between one and most, no two the same.
func (b *builder) validators(keys []keyshare.PublicKey, most int) {
	if len(keys) == 0 || len(keys) > most {
		b.fail("validators: are %d, want 1 to %d", len(keys), most)
	}
	first := make(map[keyshare.PublicKey]int, len(keys))
	for i, k := range keys {
		if k.IsZero() {
			b.fail("validators[%d]: names no key", i)
		}
		if j, twice := first[k]; twice {
			b.fail("validators[%d]: is validators[%d] again", i, j)
			continue
		}
		first[k] = i
	}
}

func (b *builder) payload(p Payload, field string) {
	if p.PublicKey.IsZero() {
		b.fail("%s.publicKey: names no key", field)
	}
	if want := SharesDataLen(len(p.OperatorIDs)); len(p.SharesData) != want {
		b.fail("%s.sharesData: has %d bytes, want %d for %d operators", field, len(p.SharesData), want, len(p.OperatorIDs))
	}
}
