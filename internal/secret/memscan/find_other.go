//go:build !linux

package memscan

import (
	"errors"
	"fmt"
)

func find(Pattern) ([]Hit, error) {
	return nil, fmt.Errorf("memscan: needs /proc/self: %w", errors.ErrUnsupported)
}
