package vaulttest

import (
	"crypto/sha256"
	"encoding/hex"
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
		cache, err := cacheDir()
		if err != nil {
			return "", err
		}
		hash := sha256.Sum256(sums)
		path = filepath.Join(cache, "vault-"+hex.EncodeToString(hash[:8]))
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
	file *os.File
}

// buildPlugin builds the plugin, once for each test program, and returns it open. The file has no name any more: what
// another test program builds from other sources can not take its place, and nothing is left. The plugin has the race
// detector if the test has it.
func buildPlugin() (*os.File, error) {
	plugin.Lock()
	defer plugin.Unlock()
	if plugin.file != nil {
		return plugin.file, nil
	}
	dir, err := os.MkdirTemp("", "vaulttest")
	if err != nil {
		return nil, fmt.Errorf("vaulttest: %w", err)
	}
	defer os.RemoveAll(dir)
	args := []string{"build"}
	if race {
		args = append(args, "-race")
	}
	path := filepath.Join(dir, PluginName)
	cmd := exec.Command("go", append(args, "-o", path, "./cmd/"+PluginName)...)
	cmd.Dir = filepath.Join(moduleRoot(), "hsm", "vault", "plugin")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("vaulttest: go build of the plugin: %w\n%s", err, out)
	}
	if plugin.file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("vaulttest: %w", err)
	}
	return plugin.file, nil
}

func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	cache = filepath.Join(cache, "dvkeys")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("vaulttest: %w", err)
	}
	return cache, nil
}
