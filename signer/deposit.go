package signer

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// Deposit is the duty of signing a deposit: the first proof that someone holds the
// validator's key, and what fixes its withdrawal credentials. Its domain has the
// genesis fork version and no genesis validators root, on every fork.
type Deposit struct {
	PublicKey             keyshare.PublicKey // the validator's
	WithdrawalCredentials WithdrawalCredentials
	Amount                Gwei // MinDeposit to MaxEffectiveBalance
}

// DepositOptions change what a deposit may be. The zero value, or nil, is the
// strictest that fits every deposit.
type DepositOptions struct {
	// AllowOverMax permits more than 32 ETH on 0x00 and 0x01 credentials. The
	// chain takes such a deposit; the excess earns nothing and is withdrawn.
	AllowOverMax bool

	// EigenPod, unless zero, is the pod that must be staked into: the credentials
	// must be 0x01 of this address and the amount exactly 32 ETH, which is what
	// EigenPodManager.stake deposits.
	EigenPod keyshare.Address
}

// DepositError is one fault of one deposit.
type DepositError struct {
	Index  int    // the deposit's position in the file from 0 on; -1 if it is not of a file
	Field  string // the field at fault, as deposit files name it
	Reason string // what is wrong with it and what was expected
}

// Error returns all three parts.
func (e *DepositError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("signer: deposit: %s: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("signer: deposit %d: %s: %s", e.Index, e.Field, e.Reason)
}

// SignDeposit signs a deposit for the validator whose key k is. Everything is
// checked before the key is used, a [DutyKey] is handed the deposit rather than its
// root, and the signature is verified by the BLS library that did not make it before
// it is returned. A fault of the deposit is a *[DepositError]. o may be nil.
func SignDeposit(ctx context.Context, n *Network, k keyshare.Key, wc WithdrawalCredentials, amount Gwei, o *DepositOptions) (*DepositData, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errors.New("signer: deposit: the key is missing")
	}
	d := Deposit{PublicKey: k.PublicKey(), WithdrawalCredentials: wc, Amount: amount}
	if err := join(d.faults(n, o)); err != nil {
		return nil, err
	}
	root := d.root(n)
	result := signAs(ctx, n, k, []Duty{d}, []keyshare.Root{root})[0]
	if result.Err != nil {
		return nil, fmt.Errorf("signer: deposit: %w", result.Err)
	}
	if !d.PublicKey.VerifyIndependent(root, result.Signature) {
		return nil, fmt.Errorf("signer: deposit: the key returned a signature that does not verify under its public key %v", d.PublicKey)
	}
	return &DepositData{
		PublicKey:             d.PublicKey,
		WithdrawalCredentials: d.WithdrawalCredentials,
		Amount:                d.Amount,
		Signature:             result.Signature,
		ForkVersion:           n.GenesisForkVersion(),
		NetworkName:           n.Name(),
	}, nil
}

func (d Deposit) signingRoot(n *Network) (keyshare.Root, error) {
	if err := join(d.faults(n, nil)); err != nil {
		return keyshare.Root{}, err
	}
	return d.root(n), nil
}

func (d Deposit) traits() traits {
	return traits{name: "deposit", irrevocable: true, key: d.PublicKey}
}

func (d Deposit) root(n *Network) keyshare.Root {
	return consensus.SigningRoot(d.messageRoot(), n.net.DepositDomain())
}

func (d Deposit) messageRoot() keyshare.Root {
	return consensus.DepositMessageRoot(d.PublicKey.Bytes(), d.WithdrawalCredentials, uint64(d.Amount))
}

// The names of a deposit file's fields, for errors and for the file.
const (
	fieldPublicKey   = "pubkey"
	fieldCredentials = "withdrawal_credentials"
	fieldAmount      = "amount"
	fieldSignature   = "signature"
	fieldMessageRoot = "deposit_message_root"
	fieldDataRoot    = "deposit_data_root"
	fieldForkVersion = "fork_version"
	fieldNetworkName = "network_name"
	fieldLegacyName  = "eth2_network_name"
	fieldCLIVersion  = "deposit_cli_version"
)

// fault is a DepositError that does not know its index yet.
type fault struct{ field, reason string }

// faults returns what is wrong with a deposit before it is signed.
func (d Deposit) faults(n *Network, o *DepositOptions) []fault {
	var list []fault
	if d.PublicKey.IsZero() {
		list = append(list, fault{fieldPublicKey, "is missing"})
	}
	return append(list, d.termFaults(n, o)...)
}

// termFaults returns what is wrong with all but the key.
func (d Deposit) termFaults(n *Network, o *DepositOptions) []fault {
	if o == nil {
		o = &DepositOptions{}
	}
	var list []fault
	if reason := d.credentialsFault(o); reason != "" {
		list = append(list, fault{fieldCredentials, reason})
	}
	if reason := d.amountFault(n, o); reason != "" {
		list = append(list, fault{fieldAmount, reason})
	}
	return list
}

func (d Deposit) credentialsFault(o *DepositOptions) string {
	if reason := d.WithdrawalCredentials.fault(); reason != "" {
		return reason
	}
	if want := ExecutionCredentials(o.EigenPod); !o.EigenPod.IsZero() && d.WithdrawalCredentials != want {
		return fmt.Sprintf("are %v, %v of the EigenPod expected", d.WithdrawalCredentials, want)
	}
	return ""
}

func (d Deposit) amountFault(n *Network, o *DepositOptions) string {
	highest, of := MaxEffectiveBalance, ""
	if p := d.WithdrawalCredentials.Prefix(); (p == PrefixBLS || p == PrefixExecution) && !o.AllowOverMax {
		highest, of = ActivationBalance, fmt.Sprintf(" for %v credentials", p)
	}
	switch {
	case !o.EigenPod.IsZero() && d.Amount != ActivationBalance:
		return fmt.Sprintf("is %s, exactly %s expected for an EigenPod", n.FormatAmount(d.Amount), n.FormatAmount(ActivationBalance))
	case d.Amount < MinDeposit:
		return fmt.Sprintf("is %s, at least %s expected", n.FormatAmount(d.Amount), n.FormatAmount(MinDeposit))
	case d.Amount > highest:
		return fmt.Sprintf("is %s, at most %s expected%s", n.FormatAmount(d.Amount), n.FormatAmount(highest), of)
	}
	return ""
}

// join makes one error of the faults of a deposit that is in no file, nil if there
// are none.
func join(faults []fault) error {
	list := make([]error, len(faults))
	for i, f := range faults {
		list[i] = &DepositError{Index: -1, Field: f.field, Reason: f.reason}
	}
	return errors.Join(list...)
}
