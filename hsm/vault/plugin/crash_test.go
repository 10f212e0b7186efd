package plugin_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// load is what clients do to an engine while it is killed, and what they got.
type load struct {
	nodes []*mount // the same mount, as each server of a cluster has it
	stop  atomic.Bool

	clients   sync.WaitGroup
	mu        sync.Mutex
	keys      map[string]string          // the public key that was answered for each name
	signed    map[string]map[uint64]byte // by key and target, which of the conflicting votes was signed
	answers   int
	last      time.Time     // of an answer that was a success
	longest   time.Duration // between two of them
	conflicts []string
}

// any is one of the servers: a client does not know which is active.
func (l *load) any() *mount { return l.nodes[rand.N(len(l.nodes))] }

// create makes keys, and asks again for the names that gave an error.
func (l *load) create(client int) {
	for i := 0; !l.stop.Load(); i++ {
		name := fmt.Sprintf("c%d-%d", client, i)
		for !l.stop.Load() {
			var k wire.Key
			if l.any().call("PUT", "keys/"+name, nil, &k) == nil {
				l.success(func() { l.keys[name] = k.PublicKey })
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// vote asks for votes for the same targets as the other clients, but for another block.
func (l *load) vote(client int) {
	for target := uint64(2); !l.stop.Load(); target++ {
		for _, name := range []string{"v0", "v1", "v2"} {
			for attempt := 0; attempt < 2; attempt++ {
				got, err := l.any().duties("attestation", name, vote(target-1, target, byte(client)))
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				if got[0].Fault == nil {
					l.success(func() {
						if other, ok := l.signed[name][target]; ok && other != byte(client) {
							l.conflicts = append(l.conflicts, fmt.Sprintf("%s target %d: %d and %d", name, target, other, client))
						}
						l.signed[name][target] = byte(client)
					})
				}
				break
			}
		}
	}
}

func (l *load) success(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.answers++
	now := time.Now()
	if !l.last.IsZero() {
		l.longest = max(l.longest, now.Sub(l.last))
	}
	l.last = now
}

// counts returns how many keys there are and how many targets were voted for.
func (l *load) counts() (keys, votes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, targets := range l.signed {
		votes += len(targets)
	}
	return len(l.keys), votes
}

// goOn waits until the clients have got keys and votes, however fast the machine is, and then for a random time.
func (l *load) goOn(t *testing.T) {
	t.Helper()
	keys, votes := l.counts()
	require.Eventually(t, func() bool {
		k, v := l.counts()
		return k >= keys+10 && v >= votes+10
	}, 2*time.Minute, 5*time.Millisecond, "the clients get answers")
	time.Sleep(rand.N(300 * time.Millisecond))
}

// kill ends the plugin's processes.
func (m *mount) kill(t *testing.T) {
	t.Helper()
	pids, err := m.PIDs()
	require.NoError(t, err)
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) { // it may have ended by itself
			require.NoError(t, err)
		}
	}
}

// TestKilledUnderLoad kills the plugin and the server again and again while clients create keys and ask for conflicting
// votes: no key is lost or made twice, and no two votes for a target are signed.
func TestKilledUnderLoad(t *testing.T) {
	m := start(t, &vaulttest.Options{Raft: true})
	l := startLoad(t, m)
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	var recoveries []time.Duration
	for round := range rounds {
		l.goOn(t)
		killed := time.Now()
		if round%3 == 2 {
			m.Kill()
			require.NoError(t, m.Restart())
		} else {
			m.kill(t)
		}
		recoveries = append(recoveries, m.recovered(t, killed))
	}
	l.check(t)
	t.Logf("recovery after each kill (every third is the server): %v", recoveries)
}

// TestLeaderChanges has a cluster of three servers change its leader again and again, with and without notice, under the
// same load: the clients ask any of the servers.
func TestLeaderChanges(t *testing.T) {
	m := start(t, &vaulttest.Options{Raft: true, Cluster: true})
	nodes := []*mount{m}
	for range 2 {
		nodes = append(nodes, &mount{Server: m.Join(t), path: m.path, token: m.token})
	}
	l := startLoad(t, nodes...)
	active := func() *mount {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			for _, n := range nodes {
				var leader struct {
					IsSelf bool `json:"is_self"`
				}
				if n.Call("GET", "sys/leader", nil, &leader) == nil && leader.IsSelf {
					return n
				}
			}
		}
		require.Fail(t, "no leader")
		return nil
	}
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	var recoveries []time.Duration
	for round := range rounds {
		l.goOn(t)
		leader, changed := active(), time.Now()
		if round%2 == 0 {
			for leader.Call("PUT", "sys/step-down", nil, nil) != nil { // it was no longer the leader
				leader = active()
			}
			recoveries = append(recoveries, m.recovered(t, changed))
			continue
		}
		leader.Kill()
		recoveries = append(recoveries, active().recovered(t, changed))
		require.NoError(t, leader.Restart())
	}
	l.check(t)
	t.Logf("recovery after each change of the leader (every second was killed): %v", recoveries)
}

// recovered waits until the engine can sign again, and returns how long it took.
func (m *mount) recovered(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	require.Eventually(t, func() bool {
		var s wire.Stats
		return m.call("GET", "stats", nil, &s) == nil
	}, 2*time.Minute, 5*time.Millisecond, "the engine can sign again")
	return time.Since(since).Round(time.Millisecond)
}

// startLoad starts two clients that make keys and four that vote.
func startLoad(t *testing.T, nodes ...*mount) *load {
	l := &load{nodes: nodes, keys: map[string]string{}, signed: map[string]map[uint64]byte{}}
	nodes[0].patient = true
	for _, name := range []string{"v0", "v1", "v2"} {
		l.keys[name] = nodes[0].create(t, name).String()
		l.signed[name] = map[uint64]byte{}
	}
	nodes[0].patient = false
	for i := range 2 {
		l.clients.Go(func() { l.create(i) })
	}
	for i := range 4 {
		l.clients.Go(func() { l.vote(i) })
	}
	return l
}

// check ends the load, and finds every key that was answered for, and no double signature.
func (l *load) check(t *testing.T) {
	t.Helper()
	m := l.nodes[0]
	l.goOn(t)
	l.stop.Store(true)
	l.clients.Wait()
	m.patient = true // what is asked from now on has one answer, whenever it comes

	require.Empty(t, l.conflicts, "double signatures")
	public := map[string]string{}
	for name, pk := range l.keys {
		require.Empty(t, public[pk], "two names with one key")
		public[pk] = name
		var k wire.Key
		m.ok(t, "GET", "keys/"+name, nil, &k)
		require.Equal(t, pk, k.PublicKey, "the key of a name has not changed")
		m.ok(t, "GET", "keys/"+pk, nil, &k)
		require.Equal(t, name, k.Name)
		var signed wire.Signed
		root := keyshare.Root{1}
		m.ok(t, "PUT", "sign/"+name, wire.Sign{Roots: []string{root.String()}}, &signed)
		require.True(t, publicKey(t, pk).Verify(root, signature(t, signed.Signatures[0])))
	}
	_, votes := l.counts()
	for name, targets := range l.signed {
		for target, client := range targets { // what was signed before the kills is known after them
			m.faults(t, wire.Slashable, "", "attestation", name, vote(target-1, target, client+100))
			break
		}
	}
	require.Greater(t, votes, 20)
	require.Greater(t, len(l.keys), 20)
	t.Logf("%d answers, %d keys, %d targets; longest pause %v", l.answers, len(l.keys), votes, l.longest.Round(time.Millisecond))
}

// TestLifecycle takes the engine through what an administrator does with it.
func TestLifecycle(t *testing.T) {
	m := start(t, &vaulttest.Options{Raft: true})
	pk := m.create(t, "k")
	target := uint64(2)
	works := func(what string) {
		t.Helper()
		target++
		var k wire.Key
		m.ok(t, "GET", "keys/k", nil, &k)
		require.Equal(t, pk.String(), k.PublicKey, what)
		m.signs(t, "attestation", "k", pk, vote(target-1, target, 1))
		m.faults(t, wire.Slashable, "", "attestation", "k", vote(target-1, target, 2))
	}
	works("new")

	require.NoError(t, m.Call("PUT", "sys/plugins/reload/backend", map[string]string{"plugin": vaulttest.PluginName}, nil))
	works("reloaded")

	before, err := m.PIDs()
	require.NoError(t, err)
	require.NoError(t, m.Call("PUT", "sys/seal", nil, nil))
	require.Equal(t, 503, vaulttest.Status(m.call("GET", "stats", nil, nil)))
	require.Eventually(t, func() bool { now, err := m.PIDs(); return err == nil && len(now) == 0 }, time.Minute, 10*time.Millisecond,
		"the process that had the keys has ended")
	require.NoError(t, m.UnsealNow())
	works("unsealed")
	after, err := m.PIDs()
	require.NoError(t, err)
	require.NotEqual(t, before, after)

	require.NoError(t, m.Stop())
	require.Eventually(t, func() bool { now, err := m.PIDs(); return err == nil && len(now) == 0 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, m.Restart())
	works("restarted")

	m.Kill()
	require.Eventually(t, func() bool { now, err := m.PIDs(); return err == nil && len(now) == 0 }, time.Minute, 10*time.Millisecond,
		"a plugin whose server was killed ends too")
	require.NoError(t, m.Restart())
	works("killed")
}

// TestUpgrade puts another file of the plugin in the place of the running one, as docs/vault.md says.
func TestUpgrade(t *testing.T) {
	m := start(t, &vaulttest.Options{Raft: true})
	pk := m.create(t, "k")
	m.signs(t, "attestation", "k", pk, vote(1, 2, 1))
	old := m.running(t)

	b, err := os.ReadFile(m.Plugins + "/" + vaulttest.PluginName)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(m.Plugins+"/next", append(b, 0), 0o700)) // another checksum, the same program
	require.NoError(t, m.Register("next", vaulttest.PluginVersion))
	require.NoError(t, m.Call("POST", "sys/mounts/"+m.path+"/tune", map[string]string{"plugin_version": vaulttest.PluginVersion}, nil))
	require.NoError(t, m.Call("PUT", "sys/plugins/reload/backend", map[string]string{"plugin": vaulttest.PluginName}, nil))
	require.NotEqual(t, old, m.running(t), "the new file runs")
	m.signs(t, "attestation", "k", pk, vote(2, 3, 1))
	m.faults(t, wire.Slashable, "", "attestation", "k", vote(1, 2, 2))
}

// running returns the checksum of the file that the mount runs.
func (m *mount) running(t *testing.T) string {
	var mounts map[string]struct {
		Version string `json:"running_plugin_version"`
		SHA256  string `json:"running_sha256"`
	}
	require.NoError(t, m.Call("GET", "sys/mounts", nil, &mounts))
	require.Equal(t, vaulttest.PluginVersion, mounts[m.path+"/"].Version)
	require.NotEmpty(t, mounts[m.path+"/"].SHA256)
	return mounts[m.path+"/"].SHA256
}
