//go:build cgo

package bls

import (
	"errors"
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/internal/secret"
)

// SumKeys returns the sum of at least one key. A sum that is infinity is
// ErrPublicKey.
func SumKeys(keys []PublicKey) (PublicKey, error) {
	var sum blst.P1
	for i := range keys {
		if keys[i].IsZero() {
			return PublicKey{}, fmt.Errorf("bls: key %d of a sum is no key", i)
		}
		sum.AddAssign(&keys[i].p)
	}
	return keyFrom(&sum)
}

// SumSecrets returns the sum of at least one secret scalar, in a guarded buffer
// that the caller destroys. A sum of zero is ErrScalar.
func SumSecrets(values [][]byte) (*secret.Buffer, error) {
	if len(values) == 0 {
		return nil, errors.New("bls: sum of no scalars")
	}
	buf, err := secret.New(2 * ScalarSize)
	if err != nil {
		return nil, err
	}
	defer buf.Destroy()
	sum, term := scalarAt(buf.Bytes()), scalarAt(buf.Bytes()[ScalarSize:])
	for _, v := range values {
		if err := CheckScalar(v); err != nil {
			return nil, err
		}
		reverse(buf.Bytes()[ScalarSize:], v)
		sum.AddAssign(term)
	}
	out, err := secret.New(ScalarSize)
	if err != nil {
		return nil, err
	}
	reverse(out.Bytes(), buf.Bytes()[:ScalarSize])
	if err := CheckScalar(out.Bytes()); err != nil {
		out.Destroy()
		return nil, err
	}
	return out, nil
}
