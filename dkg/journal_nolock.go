//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package dkg

import "os"

// lock does nothing on systems without advisory locks: see to it that one process only
// uses a journal.
func lock(*os.File) error { return nil }
