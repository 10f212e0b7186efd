package signer_test

import (
	"context"
	"encoding/binary"
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

// BenchmarkSignAll signs one attestation for each of 1,000 validators: one root, one
// commit of the history. The baseline signs as many roots one after the other.
func BenchmarkSignAll(b *testing.B) {
	const count = 1000
	p := history(b, signer.Mainnet)
	jobs := make([]signer.Job, count)
	keys := make([]*keyshare.SecretKey, count)
	for i := range jobs {
		k, err := keyshare.Generate()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(k.Destroy)
		g, err := signer.NewGuard(signer.Mainnet, k.PublicKey(), k, p, nil)
		if err != nil {
			b.Fatal(err)
		}
		keys[i], jobs[i].Guard = k, g
	}
	b.Run("guarded", func(b *testing.B) {
		epoch := uint64(364032)
		for b.Loop() {
			epoch++
			for i := range jobs {
				jobs[i].Duty = at(electra(), epoch)
			}
			results, err := signer.SignAll(context.Background(), jobs...)
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "signatures/s")
	})
	b.Run("baseline-distinct-roots", func(b *testing.B) {
		var root keyshare.Root
		n := uint64(0)
		for b.Loop() {
			for _, k := range keys {
				n++
				binary.BigEndian.PutUint64(root[:], n)
				if _, err := k.SignRoots(context.Background(), root); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "signatures/s")
	})
}
