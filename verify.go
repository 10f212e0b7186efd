package dvkeys

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// Expect says what VerifyFiles must find beyond files that are right and fit
// together. Zero fields expect nothing.
type Expect struct {
	Network    *signer.Network
	Owner      keyshare.Address
	Nonce      *uint64 // of the first validator; nil expects nothing
	Count      int
	Operators  []keyshare.Operator
	Withdrawal keyshare.Address
	Amount     signer.Gwei

	Compounding *bool // 0x02 credentials instead of 0x01; nil expects neither
	EigenPod    *bool // deposits through the EigenPodManager; nil expects neither

	Funding *big.Int     // what the first registration sends, in wei; nil expects nothing
	Cluster *ssv.Cluster // that it is built on; nil expects nothing

	KeySharesVersion string // ssv.V110 or ssv.V120
}

// VerifyFiles checks a folder that WriteFiles wrote, offline and trusting nothing
// in it: every deposit's roots, signature, credentials, amount and network; every
// keyshares entry's owner signature, operators, lengths, and that the share keys
// interpolate to the validator's; that both name the same validators in the same
// order; and that every transaction is what these files make it.
//
// What it can not see is whether a ciphertext opens to its share: only the operator
// can, with ssv.OpenShare. The error joins all faults, each with its file. Only when
// deposits and keyshares are right by themselves they are compared with one another,
// and only when they agree the transactions are.
func VerifyFiles(dir string, e *Expect) error {
	if e == nil {
		e = &Expect{}
	}
	found, err := output(dir)
	if err != nil {
		return err
	}
	for i, name := range []string{"deposit_data-*.json", "keyshares-*.json", transactionsName} {
		if found[i] == "" {
			return fmt.Errorf("dvkeys: %s has no %s", dir, name)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, pendingName)); err == nil {
		return fmt.Errorf("dvkeys: %s: writing was interrupted and not finished", dir)
	}
	deposits, network, err := verifyDeposits(found[0], e)
	file, err2 := verifyKeyShares(found[1], e)
	if err := errors.Join(inFile(found[0], err), inFile(found[1], err2)); err != nil {
		return err
	}
	if len(file.Items) != len(deposits) {
		return fmt.Errorf("dvkeys: %d validators in the keyshares, %d in the deposits", len(file.Items), len(deposits))
	}
	var faults []error
	for i := range deposits {
		if a, b := deposits[i].PublicKey, file.Items[i].Payload.PublicKey; a != b {
			faults = append(faults, fmt.Errorf("dvkeys: validator %d is %s in the deposits and %s in the keyshares", i, a, b))
		}
	}
	if faults != nil {
		return errors.Join(faults...)
	}
	return inFile(found[2], verifyTransactions(found[2], network, file, deposits, e))
}

// inFile names the file before each of the errors that are joined in err, if any.
func inFile(path string, err error) error {
	if err == nil {
		return nil
	}
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if all := errors.Join(joined.Unwrap()...); all != nil && all.Error() == err.Error() { // no text of its own
			faults = slices.Clone(joined.Unwrap())
		}
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("dvkeys: %s: %w", filepath.Base(path), fault)
	}
	return errors.Join(faults...)
}

// readFile reads a file of a folder that may come from anybody: opening a pipe would
// wait for its writer, and a device may never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	return os.ReadFile(path)
}

func verifyDeposits(path string, e *Expect) ([]*signer.DepositData, *signer.Network, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	network := e.Network
	if network == nil {
		claimed, err := signer.ParseDeposits(b)
		if err != nil {
			return nil, nil, err
		}
		if network, err = signer.NetworkByName(claimed[0].NetworkName); err != nil {
			return nil, nil, err
		}
	}
	deposits, err := signer.VerifyDeposits(network, b, nil)
	if err != nil {
		return nil, nil, err
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if e.Count != 0 && len(deposits) != e.Count {
		fault("%d deposits, expected %d", len(deposits), e.Count)
	}
	for i, d := range deposits {
		if to, _ := d.WithdrawalCredentials.Address(); !e.Withdrawal.IsZero() && to != e.Withdrawal {
			fault("deposit %d: withdrawal to %s, expected %s", i, to, e.Withdrawal)
		}
		if e.Amount != 0 && d.Amount != e.Amount {
			fault("deposit %d: amount %s, expected %s", i, network.FormatAmount(d.Amount), network.FormatAmount(e.Amount))
		}
		if prefix := d.WithdrawalCredentials.Prefix(); e.Compounding != nil && *e.Compounding != (prefix == signer.PrefixCompounding) {
			fault("deposit %d: %v withdrawal credentials, expected the other type", i, prefix)
		}
		if d.WithdrawalCredentials != deposits[0].WithdrawalCredentials {
			fault("deposit %d: withdrawal credentials %s differ from the first deposit's %s", i, d.WithdrawalCredentials, deposits[0].WithdrawalCredentials)
		}
	}
	return deposits, network, errors.Join(faults...)
}

func verifyKeyShares(path string, e *Expect) (*ssv.File, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	file, err := ssv.ParseFile(b)
	if err != nil {
		return nil, err
	}
	if e.KeySharesVersion != "" && file.Version != e.KeySharesVersion {
		return nil, fmt.Errorf("version %s, expected %s", file.Version, e.KeySharesVersion)
	}
	return file, ssv.Verify(file, &ssv.VerifyOptions{Owner: e.Owner, Nonce: e.Nonce, Operators: e.Operators})
}

// verifyTransactions builds the transactions again and compares.
func verifyTransactions(path string, n *signer.Network, file *ssv.File, deposits []*signer.DepositData, e *Expect) error {
	b, err := readFile(path)
	if err != nil {
		return err
	}
	got, err := parseTransactions(b)
	if err != nil {
		return err
	}
	cluster, err := got.Cluster.cluster()
	if err != nil {
		return err
	}
	spec := Spec{Network: n, Operators: file.Items[0].Data.Operators, Owner: file.Items[0].Data.Owner, Cluster: cluster, Funding: new(big.Int)}
	for _, tx := range got.Transactions {
		switch tx.Kind {
		case KindRegister:
			if tx.Data == "0x" {
				continue // a further registration, whose calldata is not known yet
			}
			var ok bool
			if spec.Funding, ok = new(big.Int).SetString(tx.Value, 10); !ok {
				return fmt.Errorf("value %q of the registration, expected a decimal number of wei", tx.Value)
			}
		case KindStake:
			spec.EigenPod = true
		}
	}
	if e.Funding != nil {
		spec.Funding = e.Funding
	}
	if e.Cluster != nil {
		spec.Cluster = e.Cluster
	}
	if e.EigenPod != nil {
		spec.EigenPod = *e.EigenPod
	}
	items := make([]*ssv.Item, len(file.Items))
	for i := range file.Items {
		items[i] = &file.Items[i]
	}
	want, err := transactions(spec, items, deposits)
	if err != nil {
		return err
	}
	if got.Network != want.Network || got.ChainID != want.ChainID {
		return fmt.Errorf("network %q, chain %d, expected %q, chain %d", got.Network, got.ChainID, want.Network, want.ChainID)
	}
	if got.Owner != want.Owner {
		return fmt.Errorf("owner %s, expected %s", got.Owner, want.Owner)
	}
	if got.Cluster != want.Cluster {
		return fmt.Errorf("cluster %+v, expected %+v", got.Cluster, want.Cluster)
	}
	if len(got.Transactions) != len(want.Transactions) {
		return fmt.Errorf("%d transactions, expected %d", len(got.Transactions), len(want.Transactions))
	}
	var faults []error
	for i, tx := range got.Transactions {
		if err := compare(tx, want.Transactions[i]); err != nil {
			faults = append(faults, fmt.Errorf("transactions[%d] (%s): %w", i, want.Transactions[i].subject(), err))
		}
	}
	return errors.Join(faults...)
}

// subject names the transaction in an error.
func (t Transaction) subject() string {
	if len(t.Validators) == 1 {
		return fmt.Sprintf("%s of %s", t.Kind, t.Validators[0])
	}
	return fmt.Sprintf("%s of %d validators", t.Kind, len(t.Validators))
}

// compare names the first field in which a transaction is not what it should be.
func compare(got, want Transaction) error {
	switch {
	case got.Kind != want.Kind:
		return fmt.Errorf("kind %q, expected %q", got.Kind, want.Kind)
	case got.To != want.To:
		return fmt.Errorf("target %s, expected %s", got.To, want.To)
	case got.Value != want.Value:
		return fmt.Errorf("value %s wei, expected %s", got.Value, want.Value)
	case got.Data != want.Data:
		return errors.New("calldata is not what the other files make it")
	case !reflect.DeepEqual(got.Validators, want.Validators):
		return errors.New("validators are not those of the other files")
	case got.Note != want.Note:
		return fmt.Errorf("note %q, expected %q", got.Note, want.Note)
	}
	return nil
}
