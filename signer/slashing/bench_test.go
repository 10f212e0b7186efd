package slashing_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

// BenchmarkProtect records one attestation of each of 1, 100 and 1,000 validators in
// one call: a commit, whose fsyncs are most of the time.
func BenchmarkProtect(b *testing.B) {
	validators := keys(b, 1000)
	for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
		for _, n := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%v/%d", s, n), func(b *testing.B) {
				store := open(b, create(b, s), nil)
				epoch := uint64(1)
				claims := make([]signer.Claim, n)
				for b.Loop() {
					for i := range claims {
						claims[i] = historytest.Attestation(validators[i], epoch-1, epoch, historytest.Root(epoch))
					}
					epoch++
					for _, err := range store.Protect(context.Background(), claims...) {
						require.NoError(b, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/duty")
			})
		}
	}
}
