package tokenflag

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal makes a terminal and returns both of its ends.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { user.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return user, program
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

// TestPrompt types a PIN, and interrupts the program while it is asked for one.
func TestPrompt(t *testing.T) {
	user, program := terminal(t)
	require.True(t, echoes(t, program))
	ctx, cancel := context.WithCancel(t.Context())
	pin := prompt(ctx, program, io.Discard)
	given := make(chan string)
	ask := func() {
		b, err := pin()
		given <- fmt.Sprintf("%s %v", b, err)
	}
	silent := func() bool { return !echoes(t, program) }
	go ask()
	require.Eventually(t, silent, time.Minute, time.Millisecond)
	_, err := user.WriteString("1234\n")
	require.NoError(t, err)
	require.Equal(t, "1234 <nil>", <-given)
	require.True(t, echoes(t, program))

	go ask()
	require.Eventually(t, silent, time.Minute, time.Millisecond)
	cancel()
	require.Eventually(t, func() bool { return echoes(t, program) }, time.Minute, time.Millisecond, "the terminal is as it was")
	_, err = user.WriteString("\n")
	require.NoError(t, err)
	<-given

	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer file.Close()
	_, err = prompt(t.Context(), file, io.Discard)()
	require.ErrorContains(t, err, "-pin-file")
}
