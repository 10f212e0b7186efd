package plugin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
	"github.com/claystack/dvkeys/signer"
)

// TestMemory uses keys in every way, learns their secrets as the operators together can, and looks for them in the memory
// of the plugin's process and of Vault's.
func TestMemory(t *testing.T) {
	m := start(t, &vaulttest.Options{Raft: true})
	for i := range 3 {
		name := fmt.Sprintf("k%d", i)
		m.use(t, name, m.create(t, name))
	}
	secrets := map[string][]byte{}
	for i := range 3 {
		name := fmt.Sprintf("k%d", i)
		secrets[name] = m.learn(t, name)
	}
	imported, plain := secretOf(t)
	m.imports(t, "imported", imported)
	m.use(t, "imported", imported.PublicKey())

	pids, err := m.PIDs()
	require.NoError(t, err)
	require.Len(t, pids, 1)
	nowhere := func(when string) {
		t.Helper()
		for name, b := range secrets {
			require.Empty(t, search(t, pids[0], b), "%s in the plugin, %s", name, when)
			require.Empty(t, search(t, m.PID(), b), "%s in Vault, %s", name, when)
		}
		require.Empty(t, search(t, m.PID(), plain), "the imported secret in Vault, %s", when)
	}
	nowhere("keys open")
	public := imported.PublicKey().Bytes()
	require.NotEmpty(t, search(t, pids[0], public[:]), "what is there is found")
	require.NotEmpty(t, search(t, m.PID(), public[:]), "what is there is found")

	require.NoError(t, m.Call("PUT", "sys/plugins/reload/backend", map[string]string{"plugin": vaulttest.PluginName}, nil))
	m.signs(t, "randao", "k0", m.create(t, "k0"), signer.Randao{})
	pids, err = m.PIDs()
	require.NoError(t, err)
	nowhere("reloaded")
	require.Empty(t, search(t, pids[0], plain), "the imported secret in a plugin that has only read it")
}

// use has the engine do with a key all that it does.
func (m *mount) use(t *testing.T, name string, pk keyshare.PublicKey) {
	roots := make([]string, 64)
	for i := range roots {
		roots[i] = keyshare.Root{byte(i)}.String()
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := m.call("PUT", "sign/"+name, wire.Sign{Roots: roots}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	m.signs(t, "attestation", name, pk, vote(1, 2, 1))
	m.signs(t, "exit", name, pk, signer.VoluntaryExit{})
	m.ok(t, "GET", "stats", nil, nil)
}

// learn returns the secret of a key, put together from what the operators of a split can open.
func (m *mount) learn(t *testing.T, name string) (secret []byte) {
	want := wire.Split{Threshold: 2}
	for i, k := range operatorKeys()[:2] {
		o, _ := operator(t, uint64(i+1), k)
		want.Operators = append(want.Operators, o)
	}
	var got wire.Splitted
	m.ok(t, "PUT", "split/"+name, want, &got)
	var group keyshare.Group
	require.NoError(t, json.Unmarshal([]byte(got.Group), &group))
	var parts []shamir.Share
	for i, s := range got.Sealed {
		share, err := keyshare.Open(
			keyshare.Sealed{ID: keyshare.Index(s.ID), PublicKey: publicKey(t, s.PublicKey), Ciphertext: s.Ciphertext},
			keyshare.Index(s.ID), operatorKeys()[i], &group)
		require.NoError(t, err)
		require.NoError(t, share.Use(func(b []byte) error {
			value, err := shamir.ParseScalar(b)
			parts = append(parts, shamir.Share{Index: share.Index(), Value: value})
			return err
		}))
	}
	whole, err := shamir.Combine(group.Commitment(), parts)
	require.NoError(t, err)
	require.NoError(t, whole.Use(func(b []byte) error { secret = bytes.Clone(b); return nil }))
	return secret
}

// search returns where a process has some bytes in its memory: as they are, reversed, in hex or base64.
func search(t *testing.T, pid int, b []byte) (found []string) {
	t.Helper()
	reversed := bytes.Clone(b)
	slices.Reverse(reversed)
	forms := map[string][]byte{
		"bytes": b, "reversed": reversed, "hex": []byte(hex.EncodeToString(b)),
		"base64": []byte(base64.StdEncoding.EncodeToString(b)[:40]),
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer mem.Close()
	window := make([]byte, 1<<22)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode)
		require.NoError(t, err)
		if mode[0] != 'r' || strings.Contains(line, "[v") {
			continue
		}
		const overlap = 256
		for at := from; at < to; at += uint64(len(window) - overlap) {
			n, err := mem.ReadAt(window[:min(uint64(len(window)), to-at)], int64(at))
			if n == 0 && err != nil {
				break // not backed by anything
			}
			for form, pattern := range forms {
				if i := bytes.Index(window[:n], pattern); i >= 0 {
					found = append(found, fmt.Sprintf("%s at %#x: %s", form, at+uint64(i), strings.TrimSpace(line)))
				}
			}
		}
	}
	return found
}
