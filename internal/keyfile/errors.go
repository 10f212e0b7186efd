package keyfile

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/boltfile"
)

// Errors on which a caller takes a branch. The text of a returned error names the file and the fault.
var (
	ErrNotFound = errors.New("no such key") // of Get, Lookup and Delete
	ErrCorrupt  = boltfile.ErrCorrupt       // nothing was changed: restore the file from a copy
	ErrInUse    = boltfile.ErrInUse         // end the other process, or try again later
	ErrNoSpace  = boltfile.ErrNoSpace       // nothing was stored: make room and repeat
	ErrFailed   = boltfile.ErrFailed        // what the disk holds is unknown: open the file again
	ErrClosed   = boltfile.ErrClosed
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
