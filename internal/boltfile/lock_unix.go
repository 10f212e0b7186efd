//go:build unix && !solaris && !aix

package boltfile

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock takes the exclusive lock of the file, waiting a little for one who is just closing it. bbolt then takes the same
// lock through the same descriptor, which changes nothing; it is needed here first because the file is verified before
// bbolt sees it.
func lock(file *os.File) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockWait / 20) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == unix.EWOULDBLOCK && time.Now().After(end) {
			return ErrInUse
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return err
		}
	}
}
