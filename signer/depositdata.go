package signer

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// DepositData is a signed deposit and the network it says it is for. What
// [SignDeposit] and [VerifyDeposits] return has been verified; what
// [ParseDeposits] returns, or the caller made, has not.
type DepositData struct {
	PublicKey             keyshare.PublicKey
	WithdrawalCredentials WithdrawalCredentials
	Amount                Gwei
	Signature             keyshare.Signature
	ForkVersion           ForkVersion // the network's genesis fork version
	NetworkName           string
}

func (d *DepositData) deposit() Deposit {
	return Deposit{PublicKey: d.PublicKey, WithdrawalCredentials: d.WithdrawalCredentials, Amount: d.Amount}
}

// MessageRoot returns the hash tree root of the DepositMessage: the deposit
// without its signature.
func (d *DepositData) MessageRoot() keyshare.Root { return d.deposit().messageRoot() }

// DataRoot returns the hash tree root of the DepositData: the deposit with its
// signature, which the deposit contract compares.
func (d *DepositData) DataRoot() keyshare.Root {
	return consensus.DepositDataRoot(d.PublicKey.Bytes(), d.WithdrawalCredentials, uint64(d.Amount), d.Signature.Bytes())
}

// Verify checks that the deposit is one that SignDeposit would make for the
// network with these options: credentials, amount, fork version, network name and
// signature. Its error joins one *[DepositError] per fault. The signature is only
// looked at when the fork version is the network's. o may be nil.
func (d *DepositData) Verify(n *Network, o *DepositOptions) error {
	if err := n.check(); err != nil {
		return err
	}
	return join(d.faults(n, o))
}

func (d *DepositData) faults(n *Network, o *DepositOptions) []fault {
	list := append(d.deposit().faults(n, o), d.networkFaults(n)...)
	if !d.PublicKey.IsZero() && d.ForkVersion == n.GenesisForkVersion() && !d.PublicKey.VerifyIndependent(d.deposit().root(n), d.Signature) {
		list = append(list, fault{fieldSignature, "does not verify under the public key for this message on " + n.Name()})
	}
	return list
}

func (d *DepositData) networkFaults(n *Network) []fault {
	var list []fault
	if want := n.GenesisForkVersion(); d.ForkVersion != want {
		list = append(list, fault{fieldForkVersion, fmt.Sprintf("is %v%s, %v of %s expected", d.ForkVersion, ofNetwork(d.ForkVersion), want, n)})
	}
	if d.NetworkName != n.Name() {
		list = append(list, fault{fieldNetworkName, fmt.Sprintf("is %q, %q expected", d.NetworkName, n.Name())})
	}
	return list
}

// ofNetwork says whose genesis fork version v is, if a public network's.
func ofNetwork(v ForkVersion) string {
	for _, n := range publicNetworks {
		if n.GenesisForkVersion() == v {
			return " of " + n.Name()
		}
	}
	return ""
}

// Calldata returns the data of the transaction that makes the deposit, to be sent
// to the network's DepositContract with its DepositValue: a call of
// deposit(bytes,bytes,bytes,bytes32), or on Gnosis and Chiado of the form of that
// function that names the amount of GNO.
//
// It refuses a deposit of another network and one that is malformed, since the
// contract would take both; it does not verify the signature again.
func (d *DepositData) Calldata(n *Network) ([]byte, error) {
	if err := d.checkSendable(n); err != nil {
		return nil, err
	}
	key, signature := d.PublicKey.Bytes(), d.Signature.Bytes()
	args := []abi.Value{
		abi.Bytes(key[:]), abi.Bytes(d.WithdrawalCredentials[:]), abi.Bytes(signature[:]), abi.Word(d.DataRoot()),
	}
	if !n.stakesToken() {
		return abi.Call("deposit(bytes,bytes,bytes,bytes32)", args...), nil
	}
	var amount [32]byte
	n.stakeUnits(d.Amount).FillBytes(amount[:])
	return abi.Call("deposit(bytes,bytes,bytes,bytes32,uint256)", append(args, abi.Word(amount))...), nil
}

// StakeCalldata returns the data of the transaction that makes the deposit through
// EigenLayer, to be sent by the owner of the pod to the network's EigenPodManager
// with 32 ETH: a call of stake(bytes,bytes,bytes32). The manager deposits exactly
// 32 ETH for 0x01 credentials of the owner's pod, so anything else is refused here,
// as is a network without a manager. Whether the address is the sender's pod is not
// known here; see [DepositOptions].
func (d *DepositData) StakeCalldata(n *Network) ([]byte, error) {
	if err := d.checkSendable(n); err != nil {
		return nil, err
	}
	if _, ok := n.EigenPodManager(); !ok {
		return nil, fmt.Errorf("signer: deposit: no EigenPodManager is known on %s", n)
	}
	pod, ok := d.WithdrawalCredentials.Address()
	if !ok || d.WithdrawalCredentials.Prefix() != PrefixExecution {
		return nil, join([]fault{{fieldCredentials, fmt.Sprintf("have the prefix %v, 0x01 expected for an EigenPod", d.WithdrawalCredentials.Prefix())}})
	}
	if err := join(d.deposit().faults(n, &DepositOptions{EigenPod: pod})); err != nil {
		return nil, err
	}
	key, signature := d.PublicKey.Bytes(), d.Signature.Bytes()
	return abi.Call("stake(bytes,bytes,bytes32)", abi.Bytes(key[:]), abi.Bytes(signature[:]), abi.Word(d.DataRoot())), nil
}

func (d *DepositData) checkSendable(n *Network) error {
	if err := n.check(); err != nil {
		return err
	}
	if d.Signature.IsZero() {
		return errors.New("signer: deposit: the signature is missing")
	}
	list := d.deposit().faults(n, &DepositOptions{AllowOverMax: true})
	return join(append(list, d.networkFaults(n)...))
}
