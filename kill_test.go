package dvkeys_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

// The environment by which a test tells its own program, run as a child, to onboard
// in a folder and to kill itself at an event.
const (
	killFolder = "DVKEYS_TEST_KILL_FOLDER"
	killEvent  = "DVKEYS_TEST_KILL_EVENT"
)

const killCount = 3 // validators of the killed batch

func TestMain(m *testing.M) {
	if dir := os.Getenv(killFolder); dir != "" {
		at, _ := strconv.Atoi(os.Getenv(killEvent))
		if err := onboardAndDie(dir, at); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// onboardAndDie is the child. It kills itself at the at-th event of progress, or,
// with at = 0, lives until it is done or the parent kills it.
func onboardAndDie(dir string, at int) error {
	t := &fatal{}
	s := spec(t, killCount)
	keys, err := openKeys(dir)
	if err := errors.Join(t.err, err); err != nil {
		return err
	}
	defer keys.Close()
	events := 0
	batch, err := dvkeys.Onboard(context.Background(), keys, s, &dvkeys.Options{Progress: func(dvkeys.Progress) {
		if events++; events == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal arrives
		}
	}})
	if err != nil {
		return err
	}
	_, err = batch.WriteFiles(filepath.Join(dir, "out"), nil)
	return err
}

func openKeys(dir string) (*software.Backend, error) {
	return software.Open(filepath.Join(dir, "keys.db"), software.PassphraseFile(filepath.Join(dir, "pass")), nil)
}

// fatal takes the place of a test in the child.
type fatal struct {
	testing.TB
	err error
}

func (*fatal) Helper()                     {}
func (f *fatal) FailNow()                  { panic(f.err) }
func (f *fatal) Errorf(s string, _ ...any) { f.err = errors.New(s) }

// TestKill kills the process at every event of every stage and starts it again.
// TestPublishCrash does the same for the writing of files.
func TestKill(t *testing.T) {
	for at := 1; at <= killCount*int(dvkeys.StageDone); at++ {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			dir := killFolderFor(t)
			killed(t, dir, at, 0)
			resume(t, dir)
		})
	}
}

// TestKillAnywhere kills at whatever point the process has reached after a while.
func TestKillAnywhere(t *testing.T) {
	started := time.Now()
	killed(t, killFolderFor(t), 0, time.Hour) // one that lives, for the time that it takes
	whole := time.Since(started)
	const times = 12
	for i := 1; i <= times; i++ {
		dir := killFolderFor(t)
		killed(t, dir, 0, whole*time.Duration(i)/times)
		resume(t, dir)
	}
}

func killFolderFor(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pass"), []byte("correct horse battery staple"), 0o600))
	return dir
}

// killed runs the child in dir until it dies, at an event or after a time.
func killed(t *testing.T, dir string, event int, after time.Duration) {
	t.Helper()
	var out bytes.Buffer
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killFolder+"="+dir, killEvent+"="+strconv.Itoa(event))
	child.Stdout, child.Stderr = &out, &out
	require.NoError(t, child.Start())
	if after > 0 {
		defer time.AfterFunc(after, func() { child.Process.Kill() }).Stop()
	}
	err := child.Wait()
	if event == 0 && err == nil {
		return // it was faster
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", &out)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", &out)
}

// resume onboards again in the folder of a killed process, and holds that its keys
// are those of the validators, none lost and none left over.
func resume(t *testing.T, dir string) {
	t.Helper()
	keys, err := openKeys(dir)
	require.NoError(t, err)
	defer keys.Close()
	before := keysIn(t, keys)
	out := filepath.Join(dir, "out")
	written, err := dvkeys.CheckFolder(out)
	if err == nil {
		batch, err := dvkeys.Onboard(t.Context(), keys, spec(t, killCount), nil)
		require.NoError(t, err)
		var validators []keyshare.PublicKey
		for i, v := range batch.Validators {
			validators = append(validators, v.PublicKey)
			require.Equal(t, uint64(12+i), v.Nonce)
		}
		require.Subset(t, validators, before, "a key that was made is a validator's")
		require.ElementsMatch(t, validators, keysIn(t, keys), "no key is left over")
		_, err = batch.WriteFiles(out, nil)
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, dvkeys.ErrOutput)
		t.Logf("%d files were finished", len(written))
	}
	require.NoError(t, dvkeys.VerifyFiles(out, &dvkeys.Expect{Count: killCount}))
	require.Len(t, keysIn(t, keys), killCount)
}

// keysIn lists the keys of a key file.
func keysIn(t *testing.T, b *software.Backend) (keys []keyshare.PublicKey) {
	t.Helper()
	for k, err := range b.List(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, k)
	}
	return keys
}
