package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// The test binary runs itself as the orchestrator, whose memory this process, which knows the secrets, searches.
const (
	roleVariable    = "DVKEYS_TEST_ROLE"
	addressVariable = "DVKEYS_TEST_ADDRESS"
	tokenVariable   = "DVKEYS_TEST_TOKEN_FILE"
	plantVariable   = "DVKEYS_TEST_PLANT"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := orchestrate(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// orchestrate makes, splits and uses keys as an orchestrator does, once for each line that it reads, and answers each
// with a line when it has done.
func orchestrate(role string) error {
	ctx := context.Background()
	c := vault.Config{Address: os.Getenv(addressVariable), Auth: vault.TokenFile(os.Getenv(tokenVariable))}
	var b hsm.Backend
	var err error
	if role == "engine" {
		b, err = vault.Open(ctx, c)
	} else {
		b, err = vault.OpenTransit(ctx, c, vault.TransitConfig{})
	}
	if err != nil {
		return err
	}
	defer b.Close()
	to, err := operatorKeys(4)
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "generate" {
			if _, err := b.Generate(ctx, ""); err != nil {
				return err
			}
		} else if err := useKeys(ctx, b, to); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

// useKeys uses every key for what an orchestrator needs it for.
func useKeys(ctx context.Context, b hsm.Backend, to []keyshare.Operator) error {
	for pk, err := range b.List(ctx) {
		if err != nil {
			return err
		}
		k, err := b.Open(ctx, pk)
		if err != nil {
			return err
		}
		if _, err := k.SignRoots(ctx, keyshare.Root{1}, keyshare.Root{2}); err != nil {
			return err
		}
		if _, _, err := k.Split(ctx, 3, to); err != nil {
			return err
		}
		if _, err := signer.SignDeposit(ctx, signer.Hoodi, k, signer.ExecutionCredentials(keyshare.Address{1}), signer.ActivationBalance, nil); err != nil {
			return err
		}
	}
	return nil
}

// orchestrator is the other process.
type orchestrator struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startOrchestrator(t *testing.T, role string, s *vaulttest.Server, token string, plant []byte) *orchestrator {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	o := &orchestrator{Cmd: exec.Command(self)}
	o.Env = append(os.Environ(), roleVariable+"="+role, addressVariable+"="+s.Address, tokenVariable+"="+tokenFile(t, token), plantVariable+"="+hex.EncodeToString(plant))
	o.Stderr = os.Stderr
	o.in, err = o.StdinPipe()
	require.NoError(t, err)
	out, err := o.StdoutPipe()
	require.NoError(t, err)
	o.out = bufio.NewScanner(out)
	require.NoError(t, o.Start())
	t.Cleanup(func() {
		o.in.Close()
		require.NoError(t, o.Wait())
	})
	return o
}

// do has the orchestrator do something, and calls during again and again meanwhile, unless it is nil.
func (o *orchestrator) do(t *testing.T, what string, during func()) {
	t.Helper()
	_, err := fmt.Fprintln(o.in, what)
	require.NoError(t, err)
	var done atomic.Bool
	ended := make(chan bool)
	go func() {
		ok := o.out.Scan()
		done.Store(true)
		ended <- ok
	}()
	for during != nil && !done.Load() {
		during()
	}
	require.True(t, <-ended, "the orchestrator ended")
}

var zeros [4096]byte

// needles finds any of many secrets, as bytes in either order and as hex.
type needles struct {
	two   [1 << 16]bool // what the first two bytes can be: a quick look
	eight map[uint64][][]byte
}

func (n *needles) add(secret []byte) {
	if n.eight == nil {
		n.eight = map[uint64][][]byte{}
	}
	reversed := slices.Clone(secret)
	slices.Reverse(reversed)
	text := hex.EncodeToString(secret)
	for _, form := range [][]byte{secret, reversed, []byte(text), []byte(strings.ToUpper(text))} {
		first := binary.NativeEndian.Uint64(form)
		n.eight[first] = append(n.eight[first], form)
		n.two[binary.NativeEndian.Uint16(form)] = true
	}
}

// in counts the needles in b. It is called for every byte of a process, hence without the race detector's care.
//
//go:norace
func (n *needles) in(b []byte) (hits int) {
	for i := 0; i+8 <= len(b); i++ {
		if i%len(zeros) == 0 && i+len(zeros) <= len(b) && bytes.Equal(b[i:i+len(zeros)], zeros[:]) {
			i += len(zeros) - 8 // no needle begins with so many zeros
			continue
		}
		if !n.two[binary.NativeEndian.Uint16(b[i:])] {
			continue
		}
		for _, form := range n.eight[binary.NativeEndian.Uint64(b[i:])] {
			if len(b)-i >= len(form) && string(b[i:i+len(form)]) == string(form) {
				hits++
			}
		}
	}
	return hits
}

// search counts copies of the needles in the memory of another process.
func search(t *testing.T, pid int, n *needles) (hits int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer mem.Close()
	const piece, overlap = 4 << 20, 64
	buf := make([]byte, piece+overlap)
	read := 0
	for _, line := range strings.Split(string(maps), "\n") {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || mode[0] != 'r' || strings.HasSuffix(line, "[vvar]") || strings.HasSuffix(line, "[vsyscall]") {
			continue
		}
		if mode[1] != 'w' && strings.Contains(line, "/") {
			continue // code
		}
		for at := from; at < to; at += piece {
			got, _ := mem.ReadAt(buf[:min(piece+overlap, to-at)], at) // a page may be gone by now
			read += got
			hits += n.in(buf[:got])
		}
	}
	require.Greater(t, read, 1<<20, "the memory could be read")
	return hits
}

// TestOrchestratorHasNoSecret imports a hundred keys from this process and searches another one, which uses them, and
// makes more, all the time.
func TestOrchestratorHasNoSecret(t *testing.T) {
	s, c := withEngine(t, nil)
	const keys = 100
	secrets := new(needles)
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	for i := range keys {
		k := newKey(t)
		require.NoError(t, k.Use(func(b []byte) error {
			secrets.add(slices.Clone(b))
			return nil
		}))
		_, err := b.Import(t.Context(), fmt.Sprintf("known %d", i), k)
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())
	planted, plant := new(needles), make([]byte, 32)
	rand.Read(plant)
	planted.add(plant)
	o := startOrchestrator(t, "engine", s, s.Policy(t, "all", engineRules), plant)
	o.do(t, "generate", nil)
	require.NotZero(t, search(t, o.Process.Pid, planted), "a secret that is there is found")
	searches, hits := 0, 0
	o.do(t, "use", func() {
		searches++
		hits += search(t, o.Process.Pid, secrets)
	})
	hits += search(t, o.Process.Pid, secrets)
	require.Zero(t, hits)
	t.Logf("searched %d times", searches+1)
}

// TestTransitLeavesNoSecret searches a process that has used keys of OpenTransit, after it has: the buffers of HTTP and TLS
// never held them.
func TestTransitLeavesNoSecret(t *testing.T) {
	s, c := withTransit(t, nil)
	b, err := vault.OpenTransit(t.Context(), c, vault.TransitConfig{})
	require.NoError(t, err)
	secrets := new(needles)
	for range 10 {
		k := newKey(t)
		require.NoError(t, k.Use(func(b []byte) error {
			secrets.add(slices.Clone(b))
			return nil
		}))
		_, err := b.Import(t.Context(), "", k)
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())
	planted, plant := new(needles), make([]byte, 32)
	rand.Read(plant)
	planted.add(plant)
	o := startOrchestrator(t, "transit", s, transitToken(t, s), plant)
	o.do(t, "use", nil)
	require.NotZero(t, search(t, o.Process.Pid, planted), "a secret that is there is found")
	require.Zero(t, search(t, o.Process.Pid, secrets))
}
