//go:build !unix || solaris || aix

package boltfile

import "os"

// lock leaves the lock to bbolt, which takes its own (there not through a descriptor that could be shared) a moment
// later.
func lock(*os.File) error { return nil }
