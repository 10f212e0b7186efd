//go:build cgo

package bls

import (
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
)

// The vectors of FROST are over other groups. What is common to all is the arithmetic of shares, so the whole-number
// coefficients c_i and D that Weights are made from are put to work modulo those groups' orders.

// curve is the order of a group of the FROST vectors and the byte order of its scalars.
type curve struct {
	order        string
	littleEndian bool
}

var curves = map[string]curve{
	"P-256":     {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", false},
	"secp256k1": {"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", false},
	"ed25519":   {"1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", true},
}

func (c curve) scalar(t *testing.T, text string) *big.Int {
	b := unhex(t, text)
	if c.littleEndian {
		slices.Reverse(b)
	}
	return new(big.Int).SetBytes(b)
}

func (c curve) modulus(t *testing.T) *big.Int { return new(big.Int).SetBytes(unhex(t, c.order)) }

// evaluate returns Σ coefficients[k]·x^k.
func evaluate(coefficients []*big.Int, x uint64, modulus *big.Int) *big.Int {
	v := new(big.Int)
	for k := len(coefficients) - 1; k >= 0; k-- {
		v.Mul(v, new(big.Int).SetUint64(x))
		v.Add(v, coefficients[k]).Mod(v, modulus)
	}
	return v
}

// interpolate returns Σ c_i·values[i] / D.
func interpolate(t *testing.T, xs []uint64, values []*big.Int, modulus *big.Int) *big.Int {
	numerators, denominator, short := integerWeights(xs)
	require.True(t, short)
	v := new(big.Int)
	for i, c := range numerators {
		v.Add(v, new(big.Int).Mul(c, values[i]))
	}
	v.Mul(v, new(big.Int).ModInverse(denominator, modulus))
	return v.Mod(v, modulus)
}

func TestFROSTShares(t *testing.T) {
	type file struct {
		Config struct {
			Group string
			Min   string `json:"MIN_PARTICIPANTS"`
		}
		Inputs struct {
			List   []uint64 `json:"participant_list"`
			Secret string   `json:"group_secret_key"`
			Higher []string `json:"share_polynomial_coefficients"`
			Shares []struct {
				ID    uint64 `json:"identifier"`
				Share string `json:"participant_share"`
			} `json:"participant_shares"`
		}
	}
	for _, path := range append(vectors.Files(t, "dkg/frost/*-vectors.json"), vectors.Files(t, "dkg/frost/*-vectors-big-identifier.json")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var f file
			vectors.JSON(t, "dkg/frost/"+filepath.Base(path), &f)
			c, ok := curves[f.Config.Group]
			require.True(t, ok, f.Config.Group)
			modulus := c.modulus(t)
			secret := c.scalar(t, f.Inputs.Secret)
			polynomial := []*big.Int{secret}
			for _, text := range f.Inputs.Higher {
				polynomial = append(polynomial, c.scalar(t, text))
			}
			require.Equal(t, f.Config.Min, strconv.Itoa(len(polynomial)))
			shares := map[uint64]*big.Int{}
			for _, s := range f.Inputs.Shares {
				shares[s.ID] = c.scalar(t, s.Share)
				require.Equal(t, evaluate(polynomial, s.ID, modulus), shares[s.ID], "share %d", s.ID)
			}
			require.GreaterOrEqual(t, len(shares), 3)

			sets := [][]uint64{f.Inputs.List}
			for i := 1; i < len(f.Inputs.Shares); i++ { // neighbours, and ends
				a, b, z := f.Inputs.Shares[i-1].ID, f.Inputs.Shares[i].ID, f.Inputs.Shares[len(f.Inputs.Shares)-i].ID
				sets = append(sets, []uint64{a, b})
				if a != z {
					sets = append(sets, []uint64{z, a})
				}
			}
			for _, xs := range sets {
				var values []*big.Int
				for _, x := range xs {
					values = append(values, shares[x])
				}
				require.Equal(t, secret, interpolate(t, xs, values, modulus), "from %d", xs)
			}
		})
	}
}

func TestFROSTKeyGeneration(t *testing.T) {
	type participant struct {
		ID          uint64            `json:"identifier"`
		Constant    string            `json:"signing_key"`
		Coefficient string            `json:"coefficient"`
		Received    map[string]string `json:"signing_shares"` // by sender
		Share       string            `json:"signing_share"`
	}
	for _, path := range vectors.Files(t, "dkg/frost/*_dkg.json") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var f struct {
				Config struct{ Group string }
				Inputs map[string]json.RawMessage
			}
			vectors.JSON(t, "dkg/frost/"+filepath.Base(path), &f)
			c, ok := curves[f.Config.Group]
			require.True(t, ok, f.Config.Group)
			modulus := c.modulus(t)

			parties := map[uint64]participant{}
			for _, name := range []string{"1", "2", "3"} {
				p := decode[participant](t, f.Inputs[name])
				parties[p.ID] = p
			}
			require.Len(t, parties, 3)
			whole := new(big.Int)
			shares := map[uint64]*big.Int{}
			for id, p := range parties {
				whole.Add(whole, c.scalar(t, p.Constant))
				sum := new(big.Int)
				for sender, q := range parties {
					value := evaluate([]*big.Int{c.scalar(t, q.Constant), c.scalar(t, q.Coefficient)}, id, modulus)
					if sender != id {
						require.Equal(t, c.scalar(t, p.Received[strconv.FormatUint(sender, 10)]), value, "from %d to %d", sender, id)
					}
					sum.Add(sum, value)
				}
				shares[id] = sum.Mod(sum, modulus)
				require.Equal(t, c.scalar(t, p.Share), shares[id], "share of %d", id)
			}
			whole.Mod(whole, modulus)
			for _, xs := range [][]uint64{{1, 2}, {1, 3}, {2, 3}, {3, 1}, {1, 2, 3}} {
				var values []*big.Int
				for _, x := range xs {
					values = append(values, shares[x])
				}
				require.Equal(t, whole, interpolate(t, xs, values, modulus), "from %d", xs)
			}
			if f.Config.Group != "P-256" {
				return // the standard library has the key of this group only
			}
			key, err := ecdh.P256().NewPrivateKey(whole.FillBytes(make([]byte, 32)))
			require.NoError(t, err)
			point := key.PublicKey().Bytes() // 04, x, y
			compressed := append([]byte{2 + point[64]&1}, point[1:33]...)
			require.Equal(t, decode[string](t, f.Inputs["verifying_key"]), hex.EncodeToString(compressed))
		})
	}
}

// The whole-number coefficients of the threshold vectors.
func TestThresholdVectorCoefficients(t *testing.T) {
	var f struct {
		Vectors []struct {
			Name     string
			Lagrange struct {
				Denominator string   `json:"common_denominator"`
				IDs         []uint64 `json:"ids"`
				Numerators  []string
			} `json:"lagrange_first_t"`
		}
	}
	vectors.JSON(t, "dkg/threshold_bls.json", &f)
	require.NotEmpty(t, f.Vectors)
	for _, v := range f.Vectors {
		numerators, denominator, short := integerWeights(v.Lagrange.IDs)
		require.True(t, short)
		require.Equal(t, v.Lagrange.Denominator, denominator.String(), v.Name)
		require.Len(t, v.Lagrange.Numerators, len(numerators))
		for i, c := range numerators {
			require.Equal(t, v.Lagrange.Numerators[i], c.String(), "%s, coefficient of %d", v.Name, v.Lagrange.IDs[i])
		}
	}
}
