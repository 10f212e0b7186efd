//go:build cgo

package bls

import (
	"math/big"
	"math/bits"
)

// plan says how to compute Σ c_i·P_i for whole numbers c_i, which are public, and any points: by one run of doublings
// that all terms share (Straus, "Addition chains of vectors", 1964). The points are taken in chunks; of each chunk all
// sums of some of its points are tabulated, so that a bit position costs one addition per chunk.
type plan struct {
	negative []bool   // whether c_i is
	width    int      // points in a chunk
	masks    [][]uint // for each bit position, the highest first, and each chunk: the points that have the bit
}

// The width of a chunk: with long coefficients a larger table pays.
const (
	narrow   = 3
	wide     = 5
	wideFrom = 64 // bits
)

func newPlan(coefficients []*big.Int) plan {
	longest := 0
	for _, c := range coefficients {
		longest = max(longest, c.BitLen())
	}
	p := plan{negative: make([]bool, len(coefficients)), width: narrow, masks: make([][]uint, longest)}
	if longest >= wideFrom {
		p.width = wide
	}
	chunks := (len(coefficients) + p.width - 1) / p.width
	for b := range p.masks {
		p.masks[b] = make([]uint, chunks)
	}
	for i, c := range coefficients {
		p.negative[i] = c.Sign() < 0
		magnitude := new(big.Int).Abs(c)
		for b := range p.masks {
			p.masks[b][i/p.width] |= magnitude.Bit(longest-1-b) << (i % p.width)
		}
	}
	return p
}

// group is a point of G1 or G2 in projective form.
type group[P any] interface {
	*P
	AddAssign(any) *P
	SubAssign(any) *P
}

// sum carries the plan out. There are as many points as coefficients; toAffine normalises many points at once. The time
// depends on the coefficients.
func sum[P any, G group[P], A any](p plan, points []*A, toAffine func([]P) []A) G {
	chunks := (len(points) + p.width - 1) / p.width
	projective := make([]P, chunks<<p.width) // blst's zero value is infinity
	for k := range chunks {
		chunk := points[k*p.width : min((k+1)*p.width, len(points))]
		table := projective[k<<p.width:]
		for mask := uint(1); mask < 1<<len(chunk); mask++ {
			top := bits.Len(mask) - 1
			table[mask] = table[mask&^(1<<top)]
			if p.negative[k*p.width+top] {
				G(&table[mask]).SubAssign(chunk[top])
			} else {
				G(&table[mask]).AddAssign(chunk[top])
			}
		}
	}
	tables := toAffine(projective)
	acc := G(new(P))
	for _, masks := range p.masks {
		acc.AddAssign((*P)(acc))
		for k, mask := range masks {
			if mask != 0 {
				acc.AddAssign(&tables[k<<p.width|int(mask)])
			}
		}
	}
	return acc
}
