package signer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// A validator's deposit into an EigenPod, from its key to the file and the
// transaction.
func Example() {
	key, err := keyshare.Generate()
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()
	pod, err := keyshare.ParseAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
	if err != nil {
		log.Fatal(err)
	}
	amount, err := signer.Hoodi.ParseAmount("32")
	if err != nil {
		log.Fatal(err)
	}

	options := &signer.DepositOptions{EigenPod: pod}
	deposit, err := signer.SignDeposit(context.Background(), signer.Hoodi, key, signer.ExecutionCredentials(pod), amount, options)
	if err != nil {
		log.Fatal(err)
	}
	file, err := signer.MarshalDeposits([]*signer.DepositData{deposit})
	if err != nil {
		log.Fatal(err)
	}
	stake, err := deposit.StakeCalldata(signer.Hoodi)
	if err != nil {
		log.Fatal(err)
	}

	// Whoever gets the file checks it before anything is paid.
	verified, err := signer.VerifyDeposits(signer.Hoodi, file, options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(verified), "deposit of", signer.Hoodi.FormatAmount(verified[0].Amount), "to", verified[0].WithdrawalCredentials)
	fmt.Printf("stake: %d bytes, selector %x\n", len(stake), stake[:4])

	_, err = signer.VerifyDeposits(signer.Mainnet, file, options)
	fmt.Println(err)
	// Output:
	// 1 deposit of 32 ETH to 0x0100000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed
	// stake: 324 bytes, selector 9b4e4634
	// signer: deposit 0: fork_version: is 0x10000910 of hoodi, 0x00000000 of mainnet expected
	// signer: deposit 0: network_name: is "hoodi", "mainnet" expected
}
