package software_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/claystack/dvkeys/hsm/software"
)

// killedBefore runs a task under ptrace and kills its process (SIGKILL) just before its n-th system call that changes
// the file or the folder, counted from 1. It returns what the process printed, and whether it came to the n-th call.
func killedBefore(t *testing.T, n int, task, path string) (printed string, killed bool) {
	t.Helper()
	out, in, err := os.Pipe()
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the tracer is a thread; it ends with this goroutine
		c := command(t, task, path)
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
	_, err = io.Copy(&b, out) // until the process has ended
	require.NoError(t, err)
	require.NoError(t, out.Close())
	err = <-done
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this system does not let a process trace its child")
	}
	require.NoError(t, err)
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

// TestKilledAtEachWrite makes a file and three keys in it, and kills the process before each write, fsync, link and so on.
func TestKilledAtEachWrite(t *testing.T) {
	dir := t.TempDir()
	n := 1
	for ; ; n++ {
		require.Less(t, n, 1000)
		path := filepath.Join(dir, "keys.db")
		printed, killed := killedBefore(t, n, "generate", path)
		requireNothingLost(t, path, printed, 3)
		require.NoError(t, os.Remove(path))
		if !killed {
			break
		}
	}
	t.Logf("killed at %d places", n-1)
	require.Greater(t, n, 30, "more places than that change the file")
}

// TestKilledChangingPassphrase kills the process before each write of a change of passphrase. Then the file opens with one of
// the two, and with the new one if the caller was told so.
func TestKilledChangingPassphrase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.db")
	b := open(t, path)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	original, err := os.ReadFile(path)
	require.NoError(t, err)

	opened := map[string]int{}
	for n := 1; ; n++ {
		require.Less(t, n, 1000)
		require.NoError(t, os.WriteFile(path, original, 0o600))
		printed, killed := killedBefore(t, n, "change passphrase", path)
		with := "another"
		b, err := software.Open(path, pass("another"), nil)
		if errors.Is(err, software.ErrPassphrase) && printed == "" {
			with = "passphrase"
			b, err = software.Open(path, pass("passphrase"), nil)
		}
		require.NoError(t, err)
		opened[with]++
		_, err = b.Open(t.Context(), k.PublicKey())
		require.NoError(t, err)
		require.NoError(t, b.Close())
		if !killed {
			require.Equal(t, "changed\n", printed)
			break
		}
	}
	t.Log("opened with:", opened)
	require.NotZero(t, opened["passphrase"])
	require.Greater(t, opened["another"], 1, "killed after the change, too")
}
