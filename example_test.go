package dvkeys_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// onboard makes four validators whose stake goes to an EigenPod.
func onboard(ctx context.Context, operatorsFile []byte, pod, owner keyshare.Address) error {
	operators, err := ssv.ReadOperators(operatorsFile)
	if err != nil {
		return err
	}
	keys, err := software.Open("keys.db", software.PassphraseFile("passphrase"), nil)
	if err != nil {
		return err
	}
	defer keys.Close()

	batch, err := dvkeys.Onboard(ctx, keys, dvkeys.Spec{
		Network:    dvkeys.Hoodi,
		Count:      4,
		Operators:  operators,
		Withdrawal: pod,
		EigenPod:   true,
		Owner:      owner,
		Nonce:      12,
	}, nil)
	if err != nil {
		return err
	}
	_, err = batch.WriteFiles("out", nil) // deposit data, keyshares, transactions
	return err
}

// The main job, from nothing to four validators that are ready to register and to
// deposit for.
func Example() {
	operators, err := os.ReadFile("testdata/real-operators.json")
	check(err)
	pod, err := keyshare.ParseAddress("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
	check(err)
	owner, err := keyshare.ParseAddress("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494")
	check(err)
	inTemporaryFolder(func() {
		check(os.WriteFile("passphrase", []byte("correct horse battery staple"), 0o600))
		check(onboard(context.Background(), operators, pod, owner))
		check(dvkeys.VerifyFiles("out", nil))

		for _, pattern := range []string{"deposit_data-*.json", "keyshares-*.json", "transactions.json"} {
			found, err := filepath.Glob(filepath.Join("out", pattern))
			check(err)
			fmt.Println(pattern, len(found))
		}
	})
	// Output:
	// deposit_data-*.json 1
	// keyshares-*.json 1
	// transactions.json 1
}

func inTemporaryFolder(f func()) {
	dir, err := os.MkdirTemp("", "")
	check(err)
	defer os.RemoveAll(dir)
	before, err := os.Getwd()
	check(err)
	check(os.Chdir(dir))
	defer os.Chdir(before)
	f()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
