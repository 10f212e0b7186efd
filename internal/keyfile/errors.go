package keyfile

import (
	"errors"
	"fmt"
)

// Errors on which a caller takes a branch. The text of a returned error names the file and the fault.
var (
	ErrNotFound = errors.New("no such key")                                 // of Get, Lookup and Delete
	ErrCorrupt  = errors.New("the file is damaged: restore it from a copy") // nothing was changed
	ErrInUse    = errors.New("the file is in use by another process")       // end it, or try again later
	ErrNoSpace  = errors.New("no space left: nothing was stored")           // the file is as it was; make room and repeat
	ErrFailed   = errors.New("a write failed: open the file again")         // what the disk holds is unknown
	ErrClosed   = errors.New("the file is closed")
)

// ExistsError reports that Put found a record with the same public key or the same label in its way. Nothing was
// stored.
type ExistsError struct {
	PublicKey [PublicKeySize]byte // of the record that is stored
	Label     string              // of the record that is stored
}

// Error names the stored record by its public key and label.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("keyfile: key %#x is stored already, with the label %q", e.PublicKey, e.Label)
}
