package signer_test

import (
	"context"
	"testing"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// BenchmarkSignDeposit has its baseline beside it: one signature and one
// verification are all that a deposit should cost.
func BenchmarkSignDeposit(b *testing.B) {
	key := testKey(b, 1)
	wc := signer.ExecutionCredentials(pod)
	b.Run("deposit", func(b *testing.B) {
		for b.Loop() {
			if _, err := signer.SignDeposit(context.Background(), signer.Hoodi, key, wc, 32*signer.Ether, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline-sign-and-verify", func(b *testing.B) {
		var root keyshare.Root
		for b.Loop() {
			root[0]++
			signatures, err := key.SignRoots(context.Background(), root)
			if err != nil || !key.PublicKey().VerifyIndependent(root, signatures[0]) {
				b.Fatal("signature does not verify")
			}
		}
	})
}

// BenchmarkVerifyDeposits verifies files of 64 deposits. The baseline verifies as
// many signatures, already decoded, one after the other.
func BenchmarkVerifyDeposits(b *testing.B) {
	const count = 64
	file := depositFile(b, count)
	b.Run("file", func(b *testing.B) {
		for b.Loop() {
			if _, err := signer.VerifyDeposits(signer.Hoodi, file, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/deposit")
	})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := signer.ParseDeposits(file); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/deposit")
	})
	b.Run("baseline-serial-signatures", func(b *testing.B) {
		d := signed(b, signer.Hoodi, 1, signer.ExecutionCredentials(pod), 32*signer.Ether)
		root, err := signer.SigningRoot(signer.Hoodi, signer.Deposit{PublicKey: d.PublicKey, WithdrawalCredentials: d.WithdrawalCredentials, Amount: d.Amount})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			for range count {
				if !d.PublicKey.VerifyIndependent(root, d.Signature) {
					b.Fatal("signature does not verify")
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/deposit")
	})
}
