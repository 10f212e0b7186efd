//go:build cgo

package bls

import "math/big"

// maxNumerator is the length in bits of a numerator from which on sums over the
// numerators, and the multiplication by the denominator's inverse that they need,
// are no longer cheaper than sums over the coefficients themselves.
const maxNumerator = 200

// integerWeights returns whole numbers c_i and D > 0 with λ_i = c_i / D, or false
// when one of the c_i has maxNumerator bits or more: with many x-coordinates they
// would grow without bound.
func integerWeights(xs []uint64) (numerators []*big.Int, denominator *big.Int, short bool) {
	nums := make([]*big.Int, len(xs))
	dens := make([]*big.Int, len(xs))
	common := big.NewInt(1)
	for i, xi := range xs {
		num, den := big.NewInt(1), big.NewInt(1)
		bi := new(big.Int).SetUint64(xi)
		for j, xj := range xs {
			if j == i {
				continue
			}
			bj := new(big.Int).SetUint64(xj)
			num.Mul(num, bj)
			den.Mul(den, new(big.Int).Sub(bj, bi))
		}
		if den.Sign() < 0 {
			num.Neg(num)
			den.Neg(den)
		}
		g := new(big.Int).GCD(nil, nil, new(big.Int).Abs(num), den)
		nums[i], dens[i] = num.Quo(num, g), den.Quo(den, g)
		g.GCD(nil, nil, common, dens[i])
		common.Mul(common, new(big.Int).Quo(dens[i], g))
		// D is the sum of all c_i, since the constant 1 interpolates to 1: so it is
		// not much longer than the longest of them.
		if nums[i].BitLen() >= maxNumerator || common.BitLen() >= maxNumerator+bitsOfCount {
			return nil, nil, false
		}
	}
	for i := range nums {
		nums[i].Mul(nums[i], new(big.Int).Quo(common, dens[i]))
		if nums[i].BitLen() >= maxNumerator {
			return nil, nil, false
		}
	}
	return nums, common, true
}

// bitsOfCount is the length of the largest number of x-coordinates.
const bitsOfCount = 64

// fieldWeights returns the λ_i modulo r.
func fieldWeights(xs []uint64) []*big.Int {
	weights := make([]*big.Int, len(xs))
	for i, xi := range xs {
		num, den := big.NewInt(1), big.NewInt(1)
		bi := new(big.Int).SetUint64(xi)
		for j, xj := range xs {
			if j == i {
				continue
			}
			bj := new(big.Int).SetUint64(xj)
			num.Mod(num.Mul(num, bj), order)
			den.Mod(den.Mul(den, bj.Sub(bj, bi)), order)
		}
		weights[i] = num.Mod(num.Mul(num, den.ModInverse(den, order)), order)
	}
	return weights
}

// lagrangeBasis returns the coefficients, constant term first and modulo r, of
// the polynomials that are 1 at one x-coordinate and 0 at the others.
func lagrangeBasis(xs []uint64) [][]*big.Int {
	all := []*big.Int{big.NewInt(1)} // Π (x - x_j)
	for _, x := range xs {
		all = mulLinear(all, new(big.Int).SetUint64(x))
	}
	basis := make([][]*big.Int, len(xs))
	for i := range xs {
		x := new(big.Int).SetUint64(xs[i])
		rest := make([]*big.Int, len(xs)) // Π over the others: all divided by x - x_i
		c, value := new(big.Int), new(big.Int)
		for k := len(rest) - 1; k >= 0; k-- {
			c.Mod(c.Add(c.Mul(c, x), all[k+1]), order)
			rest[k] = new(big.Int).Set(c)
			value.Mod(value.Add(value.Mul(value, x), c), order) // rest at x_i
		}
		inverse := value.ModInverse(value, order)
		for _, c := range rest {
			c.Mod(c.Mul(c, inverse), order)
		}
		basis[i] = rest
	}
	return basis
}

// mulLinear returns poly·(x - root), coefficients modulo r.
func mulLinear(poly []*big.Int, root *big.Int) []*big.Int {
	out := make([]*big.Int, len(poly)+1)
	for k := range out {
		c := new(big.Int)
		if k > 0 {
			c.Set(poly[k-1])
		}
		if k < len(poly) {
			c.Sub(c, new(big.Int).Mul(poly[k], root))
		}
		out[k] = c.Mod(c, order)
	}
	return out
}
