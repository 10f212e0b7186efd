package dvkeys

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// Spec says which validators to make. The first group of fields is required.
type Spec struct {
	Network    *signer.Network     // what the deposit is signed for
	Count      int                 // how many validators, at least 1
	Operators  []keyshare.Operator // 4, 7, 10 or 13 SSV operators, in any order
	Withdrawal keyshare.Address    // where the stake is paid out; an EigenPod if EigenPod is set
	Owner      keyshare.Address    // the account that registers the validators with SSV
	Nonce      uint64              // the owner's SSV nonce of the first validator: how many it has registered before

	// EigenPod says that Withdrawal is an EigenPod: the deposit then goes
	// through the network's EigenPodManager, which takes exactly 32 ETH with 0x01
	// credentials.
	EigenPod bool

	// Compounding makes 0x02 credentials (EIP-7251) instead of 0x01.
	Compounding bool

	// Amount is the deposit in Gwei; 0 means 32 ETH.
	Amount signer.Gwei

	// Cluster is the state of the owner's cluster of these operators as the
	// contract holds it now; nil means that it has none yet.
	Cluster *ssv.Cluster

	// Funding is the amount of wei that the registration adds to the cluster's
	// balance, out of which the operators are paid; nil means nothing.
	Funding *big.Int
}

// Check returns the first thing that is wrong with the spec, or nil. [Onboard]
// makes the same checks before it makes anything.
func (s Spec) Check() error {
	_, err := s.normal()
	return err
}

// normal returns the spec with its defaults filled in and its operators in
// ascending order, or the first thing that is wrong with it.
func (s Spec) normal() (Spec, error) {
	fault := func(field, format string, args ...any) (Spec, error) {
		return Spec{}, fmt.Errorf("dvkeys: spec: "+field+": "+format, args...)
	}
	if s.Network == nil {
		return fault("network", "is missing")
	}
	if s.Count < 1 {
		return fault("count", "%d validators, expected at least 1", s.Count)
	}
	s.Operators = slices.Clone(s.Operators)
	slices.SortFunc(s.Operators, func(a, b keyshare.Operator) int { return cmp.Compare(a.ID, b.ID) })
	if err := ssv.CheckCluster(s.Operators); err != nil {
		return fault("operators", "%w", err)
	}
	if s.Owner.IsZero() {
		return fault("owner", "is the zero address")
	}
	if last := s.Nonce + uint64(s.Count) - 1; last > ssv.MaxNonce || last < s.Nonce {
		return fault("nonce", "%d for the first of %d validators: the last would be above %d", s.Nonce, s.Count, ssv.MaxNonce)
	}
	if s.Amount == 0 {
		s.Amount = signer.ActivationBalance
	}
	if err := signer.CheckDeposit(s.Network, s.credentials(), s.Amount, s.depositOptions()); err != nil {
		return fault("deposit", "%w", err)
	}
	if _, known := s.Network.EigenPodManager(); s.EigenPod && !known {
		return fault("eigenpod", "no EigenPodManager is known on %s", s.Network)
	}
	cluster, funding := ssv.EmptyCluster(), new(big.Int)
	if s.Cluster != nil {
		cluster = *s.Cluster
	}
	if s.Funding != nil {
		funding.Set(s.Funding)
	}
	s.Cluster, s.Funding = &cluster, funding
	if err := cluster.Check(); err != nil {
		return fault("cluster", "%w", err)
	}
	if !cluster.Active {
		return fault("cluster", "is liquidated: the contract refuses registrations until it is reactivated")
	}
	if funding.Sign() < 0 || funding.BitLen() > 256 {
		return fault("funding", "%s wei, expected 0 to 2^256-1", funding)
	}
	return s, nil
}

// credentials returns what the deposit names as withdrawal credentials.
func (s Spec) credentials() signer.WithdrawalCredentials {
	if s.Compounding {
		return signer.CompoundingCredentials(s.Withdrawal)
	}
	return signer.ExecutionCredentials(s.Withdrawal)
}

// depositOptions returns the rules for the deposit.
func (s Spec) depositOptions() *signer.DepositOptions {
	o := &signer.DepositOptions{}
	if s.EigenPod {
		o.EigenPod = s.Withdrawal
	}
	return o
}

// label names the validator with the given nonce to the custody backend. It
// commits to everything that the validator's files say, so that the same spec
// finds the same keys again and another spec never does.
func (s Spec) label(nonce uint64) string {
	h := sha256.New()
	credentials := s.credentials()
	fork := s.Network.GenesisForkVersion()
	h.Write(fork[:])
	h.Write(s.Owner[:])
	h.Write(credentials[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(s.Amount)))
	h.Write(binary.BigEndian.AppendUint64(nil, nonce))
	for _, o := range s.Operators {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(o.ID)))
		modulus := sha256.Sum256(o.PublicKey.N.Bytes())
		h.Write(modulus[:])
	}
	return "onboard/" + hex.EncodeToString(h.Sum(nil))
}
