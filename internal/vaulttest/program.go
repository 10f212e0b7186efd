package vaulttest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// program returns the path of the server, or skips or fails the test.
func program(tb testing.TB) string {
	tb.Helper()
	path, err := find()
	switch {
	case err != nil && os.Getenv("CI") != "true":
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
	return path
}

func find() (string, error) {
	path, named := os.LookupEnv("DVKEYS_VAULT_BIN")
	if !named || path == "" {
		sums, err := os.ReadFile(filepath.Join(moduleRoot(), "hsm", "vault", "testserver", "go.sum"))
		if err != nil {
			return "", fmt.Errorf("vaulttest: %w", err)
		}
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("vaulttest: %w", err)
		}
		hash := sha256.Sum256(sums)
		path = filepath.Join(cache, "dvkeys", "vault-"+hex.EncodeToString(hash[:8]))
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("vaulttest: no Vault server: run `make vault`, or let DVKEYS_VAULT_BIN name one: %w", err)
	}
	return path, nil
}

func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// PluginName is what the plugin is registered as.
const PluginName = "vault-plugin-dvkeys"

var plugin struct {
	sync.Mutex
	dir string
}

// buildPlugin builds the plugin once for each test program and returns the folder it is in. The plugin has the race
// detector if the test has it.
func buildPlugin() (string, error) {
	plugin.Lock()
	defer plugin.Unlock()
	if plugin.dir != "" {
		return plugin.dir, nil
	}
	dir, err := os.MkdirTemp("", "vaulttest-plugin")
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // Vault refuses a plugin folder behind one
	}
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", filepath.Join(dir, PluginName)}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/"+PluginName)...)
	cmd.Dir = filepath.Join(moduleRoot(), "hsm", "vault", "plugin")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("vaulttest: go build of the plugin: %w\n%s", err, out), os.RemoveAll(dir))
	}
	plugin.dir = dir
	return dir, nil
}

// Main runs the tests of a package and removes the plugin that was built for them. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if plugin.dir != "" {
		_ = os.RemoveAll(plugin.dir)
	}
	os.Exit(code)
}
