package dvkeys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// ErrOutput is returned for a folder that holds a batch already. A folder holds
// one, so that no validator is deposited for or registered twice.
var ErrOutput = errors.New("dvkeys: the folder holds a batch already")

// FileOptions change what WriteFiles writes. The zero value, and nil, are the
// defaults.
type FileOptions struct {
	// KeySharesVersion is ssv.V120 or ssv.V110; "" means ssv.V120.
	KeySharesVersion string
}

// WriteFiles writes the batch into a folder, which it makes if need be:
//
//	deposit_data-<unix seconds>.json   for the staking launchpad
//	keyshares-<unix seconds>.json      for the SSV web application or SDK
//	transactions.json                  calldata, targets and values of what to send
//
// It verifies all of it first. The files appear together: if the process dies in
// between, [CheckFolder] finishes the writing. No file is ever overwritten, and a
// folder that holds a batch is ErrOutput. It returns the paths.
func (b *Batch) WriteFiles(dir string, o *FileOptions) ([]string, error) {
	var opts FileOptions
	if o != nil {
		opts = *o
	}
	if err := errors.Join(b.Spec.Check(), b.checkComplete()); err != nil {
		return nil, err
	}
	file := ssv.File{Version: opts.KeySharesVersion, CreatedAt: b.Created}
	deposits := make([]*signer.DepositData, len(b.Validators))
	for i, v := range b.Validators {
		file.Items = append(file.Items, *v.Item)
		deposits[i] = v.Deposit
	}
	if err := ssv.Verify(&file, nil); err != nil {
		return nil, fmt.Errorf("dvkeys: %w", err)
	}
	keyshares, err := file.Bytes()
	if err != nil {
		return nil, fmt.Errorf("dvkeys: %w", err)
	}
	depositData, err := signer.MarshalDeposits(deposits)
	if err != nil {
		return nil, fmt.Errorf("dvkeys: %w", err)
	}
	if _, err := signer.VerifyDeposits(b.Spec.Network, depositData, b.Spec.depositOptions()); err != nil {
		return nil, fmt.Errorf("dvkeys: %w", err)
	}
	txs, err := b.Transactions()
	if err != nil {
		return nil, err
	}
	transactions, err := txs.Bytes()
	if err != nil {
		return nil, fmt.Errorf("dvkeys: %w", err)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := CheckFolder(dir); err != nil {
		return nil, err
	}
	at := b.Created.Unix()
	names := []pendingFile{
		{fmt.Sprintf("deposit_data-%d.json", at), depositData},
		{fmt.Sprintf("keyshares-%d.json", at), keyshares},
		{transactionsName, transactions},
	}
	if err := publish(dir, names); err != nil {
		return nil, err
	}
	paths := make([]string, len(names))
	for i, f := range names {
		paths[i] = filepath.Join(dir, f.Name)
	}
	return paths, nil
}

// CheckFolder tells whether a batch can be written into a folder. Call it before
// Onboard. If a process died while it wrote one there, CheckFolder finishes that
// and returns the paths with ErrOutput; for a folder that holds a batch it returns
// ErrOutput; for one that holds none, or does not exist, nothing.
func CheckFolder(dir string) ([]string, error) {
	written, err := finishPending(dir)
	if err != nil {
		return nil, err
	}
	found, err := output(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, path := range found {
		if path != "" {
			return written, fmt.Errorf("%w: %s", ErrOutput, path)
		}
	}
	return nil, nil
}
