package ssv

import (
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/keyshare"
)

// Cluster is the state of one owner's cluster as the contract last emitted it.
// The contract stores its hash alone, so every call brings the state along; a
// stale one reverts with IncorrectClusterState.
type Cluster struct {
	ValidatorCount  uint32
	NetworkFeeIndex uint64
	Index           uint64
	Active          bool
	// Balance is in the token's or the coin's smallest unit and fits in 256
	// bits; nil means 0.
	Balance *big.Int
}

// EmptyCluster is the state that the first registration of an owner with a set
// of operators brings along: all zero, but active.
func EmptyCluster() Cluster { return Cluster{Active: true} }

// Hash returns what the contract stores of the cluster: Keccak-256 of the fields
// packed into 53 bytes, big-endian: validatorCount (4), networkFeeIndex (8),
// index (8), balance (32), active (1). The balance comes before active here, and
// after it in the calldata.
func (c Cluster) Hash() ([32]byte, error) {
	if err := c.Check(); err != nil {
		return [32]byte{}, err
	}
	packed := make([]byte, 53)
	binary.BigEndian.PutUint32(packed, c.ValidatorCount)
	binary.BigEndian.PutUint64(packed[4:], c.NetworkFeeIndex)
	binary.BigEndian.PutUint64(packed[12:], c.Index)
	whole(c.Balance).FillBytes(packed[20:52])
	if c.Active {
		packed[52] = 1
	}
	return abi.Keccak256(packed), nil
}

// Check returns an error unless the balance is 0 to 2^256-1 wei; nil is 0.
func (c Cluster) Check() error {
	if b := whole(c.Balance); b.Sign() < 0 || b.BitLen() > 256 {
		return fmt.Errorf("ssv: cluster balance: is %s, want 0 to 2^256-1", b)
	}
	return nil
}

// value encodes the cluster, which is sound, as the contract's struct.
func (c Cluster) value() (abi.Value, error) {
	if err := c.Check(); err != nil {
		return abi.Value{}, err
	}
	balance, err := abi.Uint256(whole(c.Balance))
	if err != nil {
		return abi.Value{}, err
	}
	return abi.Tuple(abi.Uint64(uint64(c.ValidatorCount)), abi.Uint64(c.NetworkFeeIndex), abi.Uint64(c.Index), abi.Bool(c.Active), balance), nil
}

// ClusterID names the cluster of an owner and a set of operators: Keccak-256 of
// the owner's 20 bytes and each id as 32 bytes, big-endian. The ids must be
// ascending, as [CheckCluster] has them; the id of any other order names no
// cluster.
func ClusterID(owner keyshare.Address, ids []keyshare.Index) [32]byte {
	return abi.Keccak256(owner[:], packIDs(ids))
}

// ValidatorKey returns the key under which the contract stores a validator:
// Keccak-256 of the public key's 48 bytes and the owner's 20. The same public
// key may thus be registered by several owners.
func ValidatorKey(validator keyshare.PublicKey, owner keyshare.Address) [32]byte {
	b := validator.Bytes()
	return abi.Keccak256(b[:], owner[:])
}

// OperatorIDsHash returns what the contract stores under [ValidatorKey]:
// Keccak-256 of each id as 32 bytes, big-endian. In the stored value the lowest
// bit is replaced: 1 while the validator is active, 0 once its exit was asked.
func OperatorIDsHash(ids []keyshare.Index) [32]byte { return abi.Keccak256(packIDs(ids)) }

func packIDs(ids []keyshare.Index) []byte {
	packed := make([]byte, 32*len(ids))
	for i, id := range ids {
		binary.BigEndian.PutUint64(packed[32*i+24:], uint64(id))
	}
	return packed
}

// whole reads nil as 0.
func whole(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}
