package software_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/internal/keyfile"
)

// The test binary runs itself as another process on the same key file. These variables say what it is to do there.
const (
	taskVariable = "DVKEYS_TEST_TASK"
	pathVariable = "DVKEYS_TEST_PATH"
)

// command returns this test binary with a task.
func command(t testing.TB, task, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), taskVariable+"="+task, pathVariable+"="+path)
	c.Stderr = os.Stderr
	return c
}

// child does a task and returns the process's exit status. Each line of output says what a caller has been told.
func child(task, path string) int {
	b, err := software.Open(path, pass("passphrase"), nil)
	for errors.Is(err, keyfile.ErrInUse) { // for as long as the others take, which depends on the machine
		b, err = software.Open(path, pass("passphrase"), nil)
	}
	if err == nil {
		switch task {
		case "hold":
			fmt.Println("open")
			_, err = io.ReadAll(os.Stdin)
		case "generate":
			err = generateLabels(b, 3, 1)
		case "generate at once":
			err = generateLabels(b, 1000, 4)
		case "change passphrase":
			if err = b.ChangePassphrase(pass("another")); err == nil {
				fmt.Println("changed")
			}
		case "fill":
			err = fill(b, path)
		default:
			err = fmt.Errorf("no task %q", task)
		}
	}
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

// generateLabels makes the keys with the labels 0, 1, … and prints each label and public key once the key is there.
func generateLabels(b *software.Backend, n, workers int) error {
	labels := make(chan int, n)
	for i := range n {
		labels <- i
	}
	close(labels)
	var done sync.WaitGroup
	failed := make(chan error, n)
	for range workers {
		done.Go(func() {
			for i := range labels {
				k, err := b.Generate(context.Background(), fmt.Sprint(i))
				if err != nil {
					failed <- err
					return
				}
				fmt.Printf("%d %s\n", i, k.PublicKey()) // one write, never cut
			}
		})
	}
	done.Wait()
	close(failed)
	return <-failed
}

// requireNothingLost checks a file against what its writer printed before it died: every key that it was told of is there
// and signs, and the same labels lead to the same keys. Making all n labels' keys then gives n keys and not one more.
func requireNothingLost(t *testing.T, path, printed string, n int) {
	t.Helper()
	b := open(t, path)
	defer b.Close()
	told := map[string]string{}
	for line := range strings.Lines(printed) {
		label, pk, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, "%q", line)
		told[label] = pk
	}
	require.LessOrEqual(t, len(told), n)
	require.GreaterOrEqual(t, count(t, b), len(told))
	for i := range n {
		label := fmt.Sprint(i)
		k, err := b.Generate(t.Context(), label)
		require.NoError(t, err)
		if pk, ok := told[label]; ok {
			require.Equal(t, pk, k.PublicKey().String(), "label %s", label)
		}
		delete(told, label)
	}
	require.Empty(t, told)
	require.Equal(t, n, count(t, b), "no key without a label that leads to it")
}

func count(t *testing.T, b *software.Backend) (n int) {
	t.Helper()
	for _, err := range b.List(t.Context()) {
		require.NoError(t, err)
		n++
	}
	return n
}
