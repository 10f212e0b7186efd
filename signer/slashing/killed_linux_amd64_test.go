package slashing_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/killtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

// The environment by which a test has its own program, run as a child, do a task.
const (
	killTask     = "DVKEYS_TEST_SLASHING_TASK"
	killPath     = "DVKEYS_TEST_SLASHING_PATH"
	killStrategy = "DVKEYS_TEST_SLASHING_STRATEGY"
)

func TestMain(m *testing.M) {
	task, path := os.Getenv(killTask), os.Getenv(killPath)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := child(task, path, os.Getenv(killStrategy)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// noTest takes the place of a test in the child.
type noTest struct{}

func (noTest) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (noTest) FailNow()                          {}

func child(task, path, strategy string) error {
	ctx := context.Background()
	s := slashing.Minimal
	if strategy == slashing.Complete.String() {
		s = slashing.Complete
	}
	if task == "sign" {
		if err := slashing.Create(path, keyshare.Root{}, s); err != nil {
			return err
		}
	}
	store, err := slashing.Open(ctx, path, keyshare.Root{}, nil)
	if err != nil {
		return err
	}
	if task == "import" {
		file, err := os.ReadFile(path + ".json")
		if err != nil {
			return err
		}
		if err := store.Import(ctx, file); err != nil {
			return err
		}
		fmt.Println("imported")
		return store.Close()
	}
	a, b := historytest.Key(noTest{}, 1), historytest.Key(noTest{}, 2)
	for i := uint64(1); i <= 4; i++ {
		claims := signed(i, a, b)
		for j, err := range store.Protect(ctx, claims...) {
			if err != nil {
				return err
			}
			fmt.Println(i, j) // what stands for the signature
		}
	}
	return store.Close()
}

// signed are the claims of the i-th batch. The gap between two targets would fit a surrounded attestation.
func signed(i uint64, a, b keyshare.PublicKey) []signer.Claim {
	return []signer.Claim{
		historytest.Attestation(a, 3*i, 3*i+3, historytest.Root(i)),
		historytest.Block(a, i, historytest.Root(i)),
		historytest.Attestation(b, 3*i, 3*i+3, historytest.Root(i)),
	}
}

func killedBefore(t *testing.T, n int, task, path string, s slashing.Strategy) (printed string, killed bool) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), killTask+"="+task, killPath+"="+path, killStrategy+"="+s.String())
	c.Stderr = os.Stderr
	printed, killed = killtest.Before(t, n, c)
	require.NotContains(t, printed, "failed:")
	return printed, killed
}

// TestKilledWhileSigning kills a process that signs before each write of its history. Whatever it has signed, no
// contradiction to it can be signed after a restart.
func TestKilledWhileSigning(t *testing.T) {
	a, b := historytest.Key(t, 1), historytest.Key(t, 2)
	for _, s := range []slashing.Strategy{slashing.Minimal, slashing.Complete} {
		places := 0
		for n := 1; ; n++ {
			require.Less(t, n, 1000)
			path := filepath.Join(t.TempDir(), "history.db")
			printed, killed := killedBefore(t, n, "sign", path, s)
			store, err := slashing.Open(t.Context(), path, keyshare.Root{}, nil)
			if errors.Is(err, fs.ErrNotExist) {
				require.Empty(t, printed)
				places++
				continue
			}
			require.NoError(t, err)
			last := uint64(0)
			for i := uint64(1); i <= 4; i++ {
				for j, c := range signed(i, a, b) {
					if !strings.Contains(printed, fmt.Sprintf("%d %d\n", i, j)) {
						continue
					}
					last = i
					for _, c := range contradictions(c) {
						require.ErrorIs(t, store.Protect(t.Context(), c)[0], signer.ErrSlashable, "killed before write %d: %+v", n, c.Duty)
					}
					if s == slashing.Complete {
						require.NoError(t, store.Protect(t.Context(), c)[0], "the same can be signed again")
					}
				}
			}
			for _, err := range store.Protect(t.Context(), signed(last+2, a, b)...) {
				require.NoError(t, err, "signing goes on")
			}
			require.NoError(t, store.Close())
			if !killed {
				require.Equal(t, uint64(4), last)
				break
			}
			places++
		}
		t.Logf("%v: killed at %d places", s, places)
		require.Greater(t, places, 20, "more places than that change the file")
	}
}

// contradictions are claims that must not be granted beside c.
func contradictions(c signer.Claim) []signer.Claim {
	other := historytest.Root(99)
	if b, ok := c.Duty.(signer.Block); ok {
		return []signer.Claim{historytest.Block(c.Validator, b.Slot, other)}
	}
	a := c.Duty.(signer.Attestation)
	source, target := a.Source.Epoch, a.Target.Epoch
	return []signer.Claim{
		historytest.Attestation(c.Validator, source, target, other),
		historytest.Attestation(c.Validator, source-1, target+1, other),
		historytest.Attestation(c.Validator, source+1, target-1, other),
	}
}

// TestKilledWhileImporting kills a process before each write of an import: then all of the file is there, or nothing.
func TestKilledWhileImporting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.db")
	var keys []keyshare.PublicKey
	for i := range byte(40) {
		keys = append(keys, historytest.Key(t, i+1))
	}
	from := filepath.Join(dir, "from.db")
	require.NoError(t, slashing.Create(from, keyshare.Root{}, slashing.Complete))
	store, err := slashing.Open(t.Context(), from, keyshare.Root{}, nil)
	require.NoError(t, err)
	for _, k := range keys {
		for slot := range uint64(20) {
			require.NoError(t, store.Protect(t.Context(), historytest.Block(k, slot, historytest.Root(1)))[0])
		}
	}
	file, err := store.Export(t.Context())
	require.NoError(t, err)
	require.NoError(t, store.Close())
	require.NoError(t, os.WriteFile(path+".json", file, 0o600))

	outcomes := map[int]int{}
	for n := 1; ; n++ {
		require.Less(t, n, 1000)
		require.NoError(t, slashing.Create(path, keyshare.Root{}, slashing.Complete))
		printed, killed := killedBefore(t, n, "import", path, slashing.Complete)
		store, err := slashing.Open(t.Context(), path, keyshare.Root{}, nil)
		require.NoError(t, err)
		imported := 0
		for _, k := range keys {
			if store.Protect(t.Context(), historytest.Block(k, 5, historytest.Root(2)))[0] != nil {
				imported++
			}
		}
		require.Contains(t, []int{0, len(keys)}, imported)
		if printed != "" {
			require.Equal(t, len(keys), imported)
		}
		outcomes[imported]++
		require.NoError(t, store.Close())
		require.NoError(t, os.Remove(path))
		if !killed {
			break
		}
	}
	t.Log("validators imported, times:", outcomes)
	require.NotZero(t, outcomes[0])
	require.Greater(t, outcomes[len(keys)], 1, "killed after the commit, too")
}
