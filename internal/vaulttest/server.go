package vaulttest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Options say what server is wanted. The zero value, and nil, is one in memory, without TLS and without the plugin.
type Options struct {
	Raft    bool // storage on the disk, which outlives the process
	Cluster bool // with Raft: others may Join, and elections wait for answers as long as a busy machine needs
	TLS     bool // the listener speaks TLS with a certificate of Server.CAFile
	Plugin  bool // builds the secrets engine and registers it as PluginName

	PluginFolder bool // only configures the folder for plugins, which is empty
	Kubernetes   bool // builds the Kubernetes auth method and registers it
	RawLog       bool // writes Server.RawLog

	Shares, Threshold int  // of the unseal key; 1 and 1 if zero
	Uninitialized     bool // the test initializes and unseals, and there is no audit log
}

// Server is a running Vault. Its methods may be called concurrently, except for Stop, Kill and Restart.
type Server struct {
	Address  string   // http://host:port, or https://; the host is a loopback address
	Token    string   // the root token
	Unseal   []string // the shares of the unseal key, in hex
	CAFile   string   // the certificate authority in PEM; "" without TLS
	AuditLog string   // the path of the audit log
	RawLog   string   // the path of a second one, in which nothing is hashed: all that came and went; "" without
	Plugins  string   // the plugin folder; "" without plugin

	options Options
	dir     string
	program string
	client  *client
	leader  string // the address of the server whose cluster this one joins; "" for a cluster's first
	joined  []*Server

	cmd     *exec.Cmd
	exited  chan struct{}
	console *bytes.Buffer
}

// Start starts a server, initializes and unseals it, turns on the audit log and, if Options.Plugin says so, registers
// the plugin. The server ends with the test. Whatever fails, fails the test, and shows what the server printed.
func Start(tb testing.TB, o *Options) *Server {
	tb.Helper()
	s := &Server{program: program(tb)}
	if o != nil {
		s.options = *o
	}
	tb.Cleanup(func() { s.remove(tb) })
	s.prepare(tb)
	must(tb, s.launch())
	if s.options.Uninitialized {
		return s
	}
	must(tb, s.initialize())
	s.AuditLog = filepath.Join(s.dir, "audit.log")
	must(tb, s.Call("PUT", "sys/audit/file", map[string]any{"type": "file", "options": map[string]string{"file_path": s.AuditLog}}, nil))
	if s.options.RawLog {
		s.RawLog = filepath.Join(s.dir, "raw.log")
		must(tb, s.Call("PUT", "sys/audit/raw", map[string]any{"type": "file", "options": map[string]string{"file_path": s.RawLog, "log_raw": "true"}}, nil))
	}
	if s.options.Plugin {
		must(tb, s.Register(PluginName, PluginVersion))
	}
	if s.options.Kubernetes {
		must(tb, s.register("auth/"+kubernetesName, kubernetesName, ""))
	}
	return s
}

// Join starts another server in the cluster of this one, which has Options.Cluster, with the same plugin. It is unsealed and
// a standby that sends requests on to the active one.
func (s *Server) Join(tb testing.TB) *Server {
	tb.Helper()
	joined := &Server{
		program: s.program, options: s.options, Token: s.Token, Unseal: s.Unseal, AuditLog: s.AuditLog, RawLog: s.RawLog,
		leader: s.Address,
	}
	s.joined = append(s.joined, joined)
	joined.prepare(tb)
	must(tb, eventually(func() error {
		return s.Call("POST", "sys/storage/raft/autopilot/configuration", map[string]any{"server_stabilization_time": "1s"}, nil)
	}))
	must(tb, joined.Launch())
	must(tb, joined.UnsealNow())
	must(tb, eventually(func() error { return s.votes(filepath.Base(joined.dir)) }))
	return joined
}

// votes returns an error unless a server of the cluster may vote. Before it may, it counts for nothing when the leader is
// lost.
func (s *Server) votes(node string) error {
	var raft struct {
		Config struct {
			Servers []struct {
				Node  string `json:"node_id"`
				Voter bool   `json:"voter"`
			} `json:"servers"`
		} `json:"config"`
	}
	if err := s.Call("GET", "sys/storage/raft/configuration", nil, &raft); err != nil {
		return err
	}
	for _, server := range raft.Config.Servers {
		if server.Node == node && server.Voter {
			return nil
		}
	}
	return fmt.Errorf("vaulttest: %s is no voter of the cluster: %+v", node, raft.Config.Servers)
}

// eventually calls f until it succeeds, and returns its last error after two minutes: a cluster on a busy machine has no
// leader at times.
func eventually(f func() error) error {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := f(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// remove ends the server and those that have joined it, and removes their folders.
func (s *Server) remove(tb testing.TB) {
	tb.Helper()
	for _, joined := range s.joined {
		joined.remove(tb)
	}
	s.Kill()
	s.reportRaces(tb)
	_ = os.RemoveAll(s.dir)
}

// prepare makes the server's folder with all that it needs to be launched.
func (s *Server) prepare(tb testing.TB) {
	tb.Helper()
	dir, err := os.MkdirTemp("", "vaulttest")
	must(tb, err)
	s.dir, err = filepath.EvalSymlinks(dir)
	must(tb, err)
	if s.options.Plugin || s.options.PluginFolder || s.options.Kubernetes {
		s.Plugins = filepath.Join(s.dir, "plugins")
		must(tb, os.Mkdir(s.Plugins, 0o700))
	}
	install := func(name string, build func() (*os.File, error)) {
		program, err := build()
		must(tb, err)
		must(tb, copyFile(program, filepath.Join(s.Plugins, name)))
	}
	if s.options.Plugin {
		install(PluginName, buildPlugin)
	}
	if s.options.Kubernetes {
		install(kubernetesName, buildKubernetes)
	}
	must(tb, s.configure())
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// configure writes the server's configuration, with addresses that are free.
func (s *Server) configure() error {
	api, err := address()
	if err != nil {
		return err
	}
	cluster, err := address()
	if err != nil {
		return err
	}
	scheme, listener := "http", map[string]any{"address": api, "cluster_address": cluster}
	if s.options.TLS {
		scheme = "https"
		cert, key, err := s.certificate(api)
		if err != nil {
			return err
		}
		listener["tls_cert_file"], listener["tls_key_file"] = cert, key
	} else {
		listener["tls_disable"] = true
	}
	s.Address = scheme + "://" + api
	storage := map[string]any{"inmem": map[string]any{}}
	if s.options.Raft {
		data := filepath.Join(s.dir, "raft")
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		raft := map[string]any{"path": data, "node_id": filepath.Base(s.dir), "performance_multiplier": 1}
		if s.options.Cluster {
			raft["performance_multiplier"] = 3 // of the waits in elections
		}
		if s.leader != "" {
			raft["retry_join"] = []any{map[string]any{"leader_api_addr": s.leader}}
		}
		storage = map[string]any{"raft": raft}
	}
	config := map[string]any{
		"listener":          []any{map[string]any{"tcp": listener}},
		"storage":           storage,
		"api_addr":          s.Address,
		"cluster_addr":      "https://" + cluster,
		"disable_mlock":     true,
		"max_lease_ttl":     "24h",
		"default_lease_ttl": "1h",
	}
	if s.Plugins != "" {
		config["plugin_directory"] = s.Plugins
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if s.client, err = newClient(s.Address, s.CAFile); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "config.json"), b, 0o600)
}

// address returns a free address: a port that nobody listens on, on Linux at a loopback address of the server's own, so
// that nobody takes it either before the server does, or while a test has stopped the server. Elsewhere somebody may; then
// the server does not come up, and the test says why.
func address() (string, error) {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // all of 127.0.0.0/8 is the loopback interface
		var b [3]byte
		rand.Read(b[:])
		host = net.IPv4(127, 1|b[0], b[1], 1|b[2]).String() // not 127.0.0.1, nor what looks like a network's
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts the process and waits until it answers.
func (s *Server) launch() error {
	cmd := exec.Command(s.program, "server", "-config="+filepath.Join(s.dir, "config.json"), "-log-level=warn")
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "TMPDIR="+s.dir, "VAULT_TOKEN=", "GORACE=log_path="+filepath.Join(s.dir, "race"))
	s.console = new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = s.console, s.console
	endWithParent(cmd)
	started, exited := make(chan error), make(chan struct{})
	s.cmd, s.exited = cmd, exited
	go func() {
		runtime.LockOSThread() // for endWithParent: this thread lasts as long as the server
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("vaulttest: %w", err)
	}
	return s.await("to answer", func(status int) bool { return status != 0 })
}

// await polls the server's health.
func (s *Server) await(what string, ready func(status int) bool) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		status := s.client.health()
		if ready(status) {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("vaulttest: the server ended:\n%s", s.console)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("vaulttest: waited two minutes for the server %s; its health is %d", what, status)
		}
	}
}

func (s *Server) initialize() error {
	shares, threshold := max(s.options.Shares, 1), max(s.options.Threshold, 1)
	var keys struct {
		Keys  []string `json:"keys"`
		Token string   `json:"root_token"`
	}
	err := s.client.call("PUT", "sys/init", "", map[string]int{"secret_shares": shares, "secret_threshold": threshold}, &keys)
	if err != nil {
		return err
	}
	s.Unseal, s.Token = keys.Keys, keys.Token
	if err := s.UnsealNow(); err != nil {
		return err
	}
	return s.AwaitActive()
}

// UnsealNow unseals the server with as many shares as it takes and waits until it is active, or a standby of a cluster.
func (s *Server) UnsealNow() error {
	for _, share := range s.Unseal[:max(s.options.Threshold, 1)] {
		if err := s.client.call("PUT", "sys/unseal", "", map[string]string{"key": share}, nil); err != nil {
			return err
		}
	}
	if s.options.Cluster {
		return s.await("to be active or a standby", func(status int) bool { return status == 200 || status == 429 })
	}
	return s.AwaitActive()
}

// AwaitActive waits until the server is unsealed and active.
func (s *Server) AwaitActive() error {
	return s.await("to be active", func(status int) bool { return status == 200 })
}

// reportRaces fails the test for what the race detector found in the plugin.
func (s *Server) reportRaces(tb testing.TB) {
	reports, _ := filepath.Glob(filepath.Join(s.dir, "race.*"))
	for _, path := range reports {
		report, _ := os.ReadFile(path)
		tb.Errorf("the plugin has a data race:\n%s", report)
	}
}

// Kill ends the server by kill -9. Its plugins notice and end by themselves.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop ends the server as an administrator does.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(time.Minute):
		s.Kill()
		return errors.New("vaulttest: the server did not stop within a minute")
	}
}

// Restart starts a server that was killed or stopped, and unseals it. Only with Options.Raft it has kept anything.
func (s *Server) Restart() error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.UnsealNow()
}

// Launch starts a server that was killed or stopped and leaves it sealed.
func (s *Server) Launch() error {
	if err := s.launch(); err != nil {
		return err
	}
	return s.await("to know that it is initialized", func(status int) bool { return status == 503 })
}

// PIDs returns the process ids of the plugin's processes, on Linux.
func (s *Server) PIDs() (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		target, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		if err == nil && strings.TrimSuffix(target, " (deleted)") == filepath.Join(s.Plugins, PluginName) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Program returns the path of the server's program, which is its command line too.
func (s *Server) Program() string { return s.program }

// PID returns the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }
