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

// kubernetesName is what the Kubernetes auth method is registered as.
const kubernetesName = "kubernetes"

// buildPlugin builds the secrets engine, with the race detector if the test has it.
func buildPlugin() (*os.File, error) {
	args := []string{"./cmd/" + PluginName}
	if race {
		args = append([]string{"-race"}, args...)
	}
	return build(PluginName, filepath.Join("hsm", "vault", "plugin"), args...)
}

// buildKubernetes builds the Kubernetes auth method, which the test server is without.
func buildKubernetes() (*os.File, error) {
	return build(kubernetesName, filepath.Join("hsm", "vault", "testserver", "kubernetes"), ".")
}

var built struct {
	sync.Mutex
	files map[string]*os.File // by name
}

// build builds a program of a module's folder, once for each test program, and returns it open. The file has no name any
// more: what another test program builds from other sources can not take its place, and nothing is left.
func build(name, module string, args ...string) (*os.File, error) {
	built.Lock()
	defer built.Unlock()
	if f := built.files[name]; f != nil {
		return f, nil
	}
	dir, err := os.MkdirTemp("", "vaulttest")
	if err != nil {
		return nil, fmt.Errorf("vaulttest: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", append([]string{"build", "-o", path}, args...)...)
	cmd.Dir = filepath.Join(moduleRoot(), module)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("vaulttest: go build of %s: %w\n%s", name, err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vaulttest: %w", err)
	}
	if built.files == nil {
		built.files = map[string]*os.File{}
	}
	built.files[name] = f
	return f, nil
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
