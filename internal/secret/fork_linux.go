package secret

import "golang.org/x/sys/unix"

// wipeOnFork makes a forked child find zeros where b was (Linux 4.14 and later; older kernels copy, as by default).
// Go itself forks only to execute, but a C library in the process, a PKCS#11 module for example, may fork and go on.
func wipeOnFork(b []byte) { _ = unix.Madvise(b, unix.MADV_WIPEONFORK) }
