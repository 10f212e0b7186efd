//go:build !linux

package secret

// wipeOnFork does nothing: only Linux can empty a private mapping in forked children.
func wipeOnFork([]byte) {}
