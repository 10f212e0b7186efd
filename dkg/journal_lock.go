//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package dkg

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the exclusive lock of a journal, which ends with the process: two processes
// with one identity in one session would contradict each other.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.New("another process has it open")
	}
	return nil
}
