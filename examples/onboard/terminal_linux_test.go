package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asProgram in the environment makes the test's binary the program itself.
const asProgram = "DVKEYS_TEST_ONBOARD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// terminal is the program on a terminal, seen from the keyboard.
type terminal struct {
	t       *testing.T
	program *exec.Cmd
	master  *os.File
	shown   bytes.Buffer // and not yet waited for
}

func onTerminal(t *testing.T, args ...string) *terminal {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this system has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()

	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	t.Cleanup(func() { c.Process.Kill() })
	return &terminal{t: t, program: c, master: master}
}

// until reads until the text is shown, and returns what was shown up to it.
func (x *terminal) until(text string) string {
	x.t.Helper()
	b := make([]byte, 4096)
	for !strings.Contains(x.shown.String(), text) {
		n, err := x.master.Read(b)
		require.NoError(x.t, err, "%q is not shown, but %q", text, x.shown.String())
		x.shown.Write(b[:n])
	}
	return string(x.shown.Next(strings.Index(x.shown.String(), text) + len(text)))
}

func (x *terminal) enter(keys string) {
	x.t.Helper()
	require.Eventually(x.t, func() bool { return !x.echoes() }, time.Minute, time.Millisecond, "the prompt is shown before the echo is off")
	_, err := io.WriteString(x.master, keys)
	require.NoError(x.t, err)
}

func (x *terminal) echoes() bool {
	x.t.Helper()
	mode, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
	require.NoError(x.t, err)
	return mode.Lflag&unix.ECHO != 0
}

// end reads the rest and returns it with the exit status.
func (x *terminal) end() (string, int) {
	x.t.Helper()
	_, err := io.Copy(&x.shown, x.master)
	require.ErrorIs(x.t, err, syscall.EIO, "the terminal is left")
	x.program.Wait()
	require.True(x.t, x.echoes(), "the terminal echoes again")
	return strings.ReplaceAll(x.shown.String(), "\r\n", "\n"), x.program.ProcessState.ExitCode()
}

// TestPrompt types a new passphrase twice, and sees it nowhere.
func TestPrompt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	x := onTerminal(t, "-operators", operators, "-out", dir, "-validators", "1")
	x.until("Passphrase of " + filepath.Join(dir, "keys.db") + ": ")
	x.enter("correct horse battery staple\n")
	x.until("The same again for the new " + filepath.Join(dir, "keys.db") + ": ")
	x.enter("correct horse battery staple\n")
	shown := x.until("100%")
	require.NotContains(t, shown, "horse")
	rest, status := x.end()
	require.Zero(t, status, rest)
	require.NotContains(t, rest, "horse")
	require.Contains(t, rest, "All of it was read back and verified.")
	_, err := program("-verify", "-out", dir, "-passphrase-file", passphrase(t))
	require.NoError(t, err)

	x = onTerminal(t, "-operators", operators, "-out", dir+"2", "-validators", "1")
	x.until("Passphrase of ")
	x.enter("correct horse battery staple\n")
	x.until("The same again")
	x.enter("correct horse battery stable\n")
	rest, status = x.end()
	require.Equal(t, 1, status)
	require.Contains(t, rest, "onboard: the two passphrases differ\n")
	require.NoDirExists(t, dir+"2")
}

// TestPromptInterrupted presses Ctrl-C instead of answering.
func TestPromptInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	x := onTerminal(t, "-operators", operators, "-out", dir)
	x.until("Passphrase of ")
	x.enter("abc\x03")
	rest, status := x.end()
	require.Equal(t, 1, status)
	require.Contains(t, rest, "\nonboard: interrupt signal received\n")
	require.NoDirExists(t, dir)
}

// TestInterrupted presses Ctrl-C in the middle of a batch and goes on with it.
func TestInterrupted(t *testing.T) {
	dir, pass := filepath.Join(t.TempDir(), "out"), passphrase(t)
	args := []string{"-operators", operators, "-out", dir, "-passphrase-file", pass, "-validators", "500"}
	x := onTerminal(t, args...)
	x.until("key in custody   ")
	_, err := io.WriteString(x.master, "\x03")
	require.NoError(t, err)
	rest, status := x.end()
	require.Equal(t, 1, status)
	require.Contains(t, rest, "\nonboard: interrupt signal received: run it again with the same flags to go on\n")
	require.Equal(t, []string{"keys.db"}, files(t, dir))
	args[len(args)-1] = "2" // the same beginning of the batch
	_, err = program(args...)
	require.NoError(t, err)
}
