package keystore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Path is where a key is in the tree that grows from a seed (EIP-2334): m, then at least four numbers below 2^32, as in
// m/12381/3600/0/0/0. The zero value is no path. It is comparable.
type Path struct{ text string }

// SigningPath returns the path of a validator's signing key: m/12381/3600/validator/0/0.
func SigningPath(validator uint32) Path {
	return Path{WithdrawalPath(validator).text + "/0"}
}

// WithdrawalPath returns the path of a validator's BLS withdrawal key: m/12381/3600/validator/0.
func WithdrawalPath(validator uint32) Path {
	return Path{fmt.Sprintf("m/12381/3600/%d/0", validator)}
}

// minLevels is how many numbers a path has at least: purpose, coin type, account, use.
const minLevels = 4

// ParsePath reads a path. It takes nothing but m, slashes and decimal numbers from 0 to 4294967295 without sign or leading
// zero: a path that means to be another (hardened, with an apostrophe) would give another key.
func ParsePath(s string) (Path, error) {
	root, rest, _ := strings.Cut(s, "/")
	if root != "m" {
		return Path{}, errors.New("keystore: path does not begin with m/")
	}
	levels := strings.Split(rest, "/")
	for i, level := range levels {
		n, err := strconv.ParseUint(level, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != level {
			return Path{}, fmt.Errorf("keystore: path level %d is %.20q, expected a number from 0 to 4294967295", i+1, level)
		}
	}
	if len(levels) < minLevels {
		return Path{}, fmt.Errorf("keystore: path has %d levels below m, expected at least %d", len(levels), minLevels)
	}
	return Path{s}, nil
}

// String returns the path as ParsePath reads it; of the zero value, nothing.
func (p Path) String() string { return p.text }

// indices returns the path's numbers; of the zero value, none.
func (p Path) indices() (indices []uint32) {
	for level := range strings.SplitSeq(strings.TrimPrefix(p.text, "m"), "/") {
		if n, err := strconv.ParseUint(level, 10, 32); err == nil {
			indices = append(indices, uint32(n))
		}
	}
	return indices
}
