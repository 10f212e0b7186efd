package ssv

import (
	"errors"
	"fmt"
	"strings"
)

// VerifyError is one fault of a keyshares file or of an operator list. What
// reads or verifies one returns all it found, joined by [errors.Join].
type VerifyError struct {
	// Index is the position of the faulty item in the file's shares, or -1
	// when the fault is of the whole file or list, or of an item that is in
	// none.
	Index int
	// Field is the place within that item, or within the file, in the terms
	// of the JSON, such as "data.operators[1].id".
	Field string
	// Reason says what is wrong with the field and what was expected.
	Reason string
}

// Error names the item, the field and the reason.
func (e *VerifyError) Error() string {
	field := e.Field
	switch {
	case e.Index >= 0:
		field = strings.TrimSuffix(fmt.Sprintf("shares[%d].%s", e.Index, e.Field), ".")
	case field == "":
		field = "file"
	}
	return fmt.Sprintf("ssv: %s: %s", field, e.Reason)
}

// faults collects the faults of one item, or of a file when index is -1.
type faults struct {
	index int
	list  *[]error
}

func newFaults(index int) *faults { return &faults{index, new([]error)} }

// at collects for item i into the same list.
func (r *faults) at(i int) *faults { return &faults{i, r.list} }

func (r *faults) add(field, format string, args ...any) {
	*r.list = append(*r.list, &VerifyError{r.index, field, fmt.Sprintf(format, args...)})
}

// count tells how many there are, so that a later check can see whether an
// earlier one found anything.
func (r *faults) count() int { return len(*r.list) }

// err returns what was found, or nil.
func (r *faults) err() error { return errors.Join(*r.list...) }
