package dkg

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
)

// least is the shortest of the times that were added: what else runs on the machine only
// lengthens them.
type least struct{ is time.Duration }

func (l *least) add(d time.Duration) {
	if l.is == 0 || d < l.is {
		l.is = d
	}
}

// BenchmarkParty times all that one party of a ceremony computes, from New to the last
// Ack, and beside it, in the same run, the least that Feldman sharing without a dealer
// can do: to deal, to decode the others' commitments with their subgroup checks, to check
// the own share and to compute all public shares. Both work on all cores. needed is that
// and what the rest of the protocol is made of, without the protocol: proofs, encryption
// keys, the signatures of the new shares and their verification. It reports the bytes
// that the party sends to everybody.
func BenchmarkParty(b *testing.B) {
	for _, c := range []struct{ n, m int }{{4, 1}, {13, 1}, {4, 100}, {13, 100}, {100, 1}} {
		b.Run(fmt.Sprintf("n=%d/m=%d", c.n, c.m), func(b *testing.B) {
			if testing.Short() && c.n*c.m > 400 {
				b.Skip("long")
			}
			var ours, bare, proofs least
			var sent int
			for range b.N {
				p := generateParams(b, c.n, DefaultThreshold(c.n), c.m)
				o, took := partyTime(b, p)
				sent = o
				ours.add(took)
				bare.add(feldmanTime(b, p))
				proofs.add(proofTime(b, p))
			}
			b.ReportMetric(float64(ours.is.Nanoseconds()), "ns/op")
			b.ReportMetric(float64(bare.is.Nanoseconds()), "bare-ns/op")
			b.ReportMetric(float64(ours.is)/float64(bare.is), "x-bare")
			b.ReportMetric(float64(ours.is)/float64(bare.is+proofs.is), "x-needed")
			b.ReportMetric(float64(sent), "bytes-sent")
			b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "cores")
		})
	}
}

// partyTime runs a ceremony, in which the first operator is timed, and returns what it
// sent.
func partyTime(b *testing.B, p *Params) (sent int, spent time.Duration) {
	w := newNet(b, p, 1)
	for _, n := range w.nodes {
		n.config.Roots = nil
	}
	timed := w.order[0]
	b.StopTimer()
	for _, id := range w.order {
		start := time.Now()
		w.start(id)
		if id == timed {
			spent += time.Since(start)
		}
	}
	for len(w.queue) > 0 {
		next := w.queue[0]
		w.queue = w.queue[1:]
		start := time.Now()
		w.step(next.to, next.raw)
		if next.to == timed {
			spent += time.Since(start)
		}
	}
	b.StartTimer()
	w.requireSuccess()
	return w.nodes[timed].sent, spent
}

// feldmanTime is the time of one party of bare Feldman sharing by n dealers.
func feldmanTime(b *testing.B, p *Params) time.Duration {
	members, n := p.members(), len(p.Operators)
	encoded := make([][][]byte, n) // by dealer and key
	dealt := make([][]shamir.Share, n)
	deal := func(i int) {
		encoded[i] = make([][]byte, p.Keys)
		mine := make([]shamir.Share, p.Keys)
		parallel.Each(p.Keys, func(v int) {
			secret, err := shamir.RandomScalar()
			require.NoError(b, err)
			shares, commitment, err := shamir.Split(secret, p.Threshold, members)
			require.NoError(b, err)
			encoded[i][v], mine[v] = commitment.Bytes(), shares[0]
		})
		dealt[i] = mine
	}
	for i := 1; i < n; i++ {
		deal(i)
	}
	start := time.Now()
	deal(0)
	t := p.Threshold
	points := make([]bls.PublicKey, n*p.Keys*t)
	parallel.Each(len(points), func(k int) {
		i, v, j := k/(p.Keys*t), k/t%p.Keys, k%t
		var err error
		points[k], err = bls.ParsePublicKey(encoded[i][v][j*pointSize : (j+1)*pointSize])
		require.NoError(b, err)
	})
	parallel.Each(p.Keys, func(v int) {
		parts := make([]*shamir.Commitment, n)
		for i := range parts {
			var err error
			at := (i*p.Keys + v) * t
			parts[i], err = shamir.CommitmentOf(points[at : at+t])
			require.NoError(b, err)
			require.NoError(b, parts[i].Verify(dealt[i][v]))
		}
		sum, err := shamir.Sum(parts)
		require.NoError(b, err)
		_, err = keyshare.GroupOf(sum, members)
		require.NoError(b, err)
	})
	return time.Since(start)
}

// proofTime is the time of one party's operations on the curve beyond Feldman's.
func proofTime(b *testing.B, p *Params) time.Duration {
	n, m := len(p.Operators), p.Keys
	sk, err := bls.GenerateScalar()
	require.NoError(b, err)
	defer sk.Destroy()
	key, err := bls.PublicKeyOf(sk.Bytes())
	require.NoError(b, err)
	proof, err := bls.Prove(sk.Bytes(), sk.Bytes(), challenge("bench"))
	require.NoError(b, err)
	encoded := key.Bytes()
	sigs, err := bls.Sign(sk.Bytes(), bls.HashRoot([32]byte{}))
	require.NoError(b, err)
	signature := sigs[0].Bytes()
	start := time.Now()
	parallel.Each(m, func(int) { // a proof and a signature of each key
		_, err := bls.Prove(sk.Bytes(), sk.Bytes(), challenge("bench"))
		require.NoError(b, err)
	})
	parallel.Each(n, func(int) { // a shared secret and a proof of the Hello key of each operator
		shared, err := bls.SharedPoint(sk.Bytes(), key)
		require.NoError(b, err)
		shared.Destroy()
		proof.Verify(key, challenge("bench"))
	})
	parallel.Each(n*m, func(int) { // a proof and a partial signature of each operator for each key
		_, err := bls.ParsePublicKey(encoded[:])
		require.NoError(b, err)
		proof.Verify(key, challenge("bench"))
		_, err = bls.ParseSignature(signature[:])
		require.NoError(b, err)
	})
	cores := min(runtime.GOMAXPROCS(0), m)
	parallel.Each(cores, func(k int) {
		var claims []bls.Signed
		for v := k * m / cores; v < (k+1)*m/cores; v++ {
			h := bls.HashRoot(tagHash("bench", be32(v), be32(int(start.UnixNano()))))
			made, err := bls.Sign(sk.Bytes(), h)
			require.NoError(b, err)
			for range n {
				claims = append(claims, bls.Signed{Key: key, Hash: h, Signature: made[0]})
			}
		}
		require.True(b, bls.VerifyBatch(claims))
	})
	return time.Since(start)
}
