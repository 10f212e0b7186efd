package vaulttest

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the server if the thread that starts it ends: with the test program, whatever ended
// that.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
