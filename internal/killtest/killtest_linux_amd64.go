package killtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Before starts a command under ptrace and kills its process (SIGKILL) just before its n-th system call that changes a
// file or a folder, counted from 1. It returns what the process has printed, and whether it came to the n-th call. The
// command's Stdout and SysProcAttr are replaced.
func Before(t testing.TB, n int, c *exec.Cmd) (printed string, killed bool) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the tracer is a thread; it ends with this goroutine
		c.Stdout = in
		c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
		err := c.Start()
		in.Close()
		if err == nil {
			killed, err = trace(c.Process.Pid, n)
			c.Process.Release()
		}
		done <- err
	}()
	var b bytes.Buffer
	if _, err := io.Copy(&b, out); err != nil { // until the process has ended
		t.Fatal(err)
	}
	err = <-done
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this system does not let a process trace its child")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), killed
}

// trace follows all threads of a process that has just been started.
func trace(pid, n int) (killed bool, err error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return false, err
	}
	if err := syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		return false, err
	}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return false, err
	}
	inside := map[int]bool{} // by thread: between the entry to a system call and its exit
	seen := map[int]bool{pid: true}
	for {
		tid, err := syscall.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		if err == syscall.ECHILD {
			return killed, nil
		}
		if err != nil {
			return false, err
		}
		if !status.Stopped() {
			continue // a thread has ended
		}
		pass := 0 // the signal that the thread is to get
		switch s := status.StopSignal(); {
		case s == syscall.SIGTRAP|0x80:
			inside[tid] = !inside[tid]
			if inside[tid] && !killed && changes(tid) {
				if n--; n == 0 {
					killed = true
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						return false, err
					}
				}
			}
		case s == syscall.SIGSTOP && !seen[tid]: // of a new thread
		case s != syscall.SIGTRAP:
			pass = int(s)
		}
		seen[tid] = true
		if err := syscall.PtraceSyscall(tid, pass); err != nil && err != syscall.ESRCH {
			return false, err
		}
	}
}

// changes reports whether the thread is about to change a file or a folder, or to make a change durable.
func changes(tid int) bool {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return false
	}
	switch regs.Orig_rax {
	case unix.SYS_PWRITE64, unix.SYS_FDATASYNC, unix.SYS_FSYNC, unix.SYS_FTRUNCATE,
		unix.SYS_LINK, unix.SYS_LINKAT, unix.SYS_UNLINK, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return true
	case unix.SYS_OPENAT:
		return regs.Rdx&unix.O_CREAT != 0
	}
	return false
}
