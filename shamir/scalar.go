package shamir

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
)

// ScalarSize is the length in bytes of an encoded scalar, big-endian.
const ScalarSize = bls.ScalarSize

// Scalar is a secret in 1 … r-1, where r is the order of the BLS12-381 groups,
//
//	r = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001.
//
// It is kept encrypted in memory and opened into a locked page for the time of
// each use. Printing it, in any format, prints no part of it. It is safe for
// concurrent use.
type Scalar struct {
	secret.Redacted
	box *secret.Box
}

// ErrScalar is returned where the bytes of a scalar are not 32, or are not a
// number in 1 … r-1.
var ErrScalar = errors.New("shamir: scalar must be 32 big-endian bytes in the range 1 to r-1")

// ParseScalar copies a scalar from its 32 big-endian bytes, which the caller
// wipes. Zero, numbers from r on and other lengths are ErrScalar.
func ParseScalar(b []byte) (*Scalar, error) {
	buf, err := secret.Copy(b)
	if err != nil {
		return nil, fmt.Errorf("shamir: %w", err)
	}
	return newScalar(buf, bls.CheckScalar(buf.Bytes()))
}

// RandomScalar returns a uniformly random scalar.
func RandomScalar() (*Scalar, error) { return newScalar(bls.GenerateScalar()) }

// newScalar boxes the content of buf, which it destroys.
func newScalar(buf *secret.Buffer, err error) (*Scalar, error) {
	defer buf.Destroy()
	if errors.Is(err, bls.ErrScalar) {
		return nil, ErrScalar
	}
	if err != nil {
		return nil, fmt.Errorf("shamir: %w", err)
	}
	box, err := secret.Seal(buf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("shamir: %w", err)
	}
	return &Scalar{box: box}, nil
}

// Use lends the 32 big-endian bytes to f, in locked memory that is wiped when f
// returns: f must not keep them. It returns f's error, or that of a destroyed
// scalar or of memory that can not be locked.
func (s *Scalar) Use(f func(b []byte) error) error { return s.box.Use(f) }

// Equal reports in constant time whether both are the same number.
func (s *Scalar) Equal(other *Scalar) bool {
	equal := false
	err := s.Use(func(a []byte) error {
		return other.Use(func(b []byte) error {
			equal = subtle.ConstantTimeCompare(a, b) == 1
			return nil
		})
	})
	return err == nil && equal
}

// Destroy wipes the scalar; every later use is an error. It may be called again, and
// on a nil scalar.
func (s *Scalar) Destroy() {
	if s != nil {
		s.box.Destroy()
	}
}
