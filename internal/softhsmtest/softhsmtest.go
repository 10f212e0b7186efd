// Package softhsmtest makes SoftHSM tokens for tests. It imports testing and is for
// tests only.
package softhsmtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// PINs of the tokens that Token makes.
const (
	UserPIN = "4711-user"
	SOPIN   = "0815-so"
)

// ErrAbsent says that there is no SoftHSM on the machine.
var ErrAbsent = errors.New("no SoftHSM: install softhsm2, or set DVKEYS_SOFTHSM to the path of libsofthsm2.so")

// Module returns the path of SoftHSM's PKCS #11 library: that of DVKEYS_SOFTHSM, or
// where the packages of the known systems put it, or ErrAbsent.
func Module() (string, error) {
	if path := os.Getenv("DVKEYS_SOFTHSM"); path != "" {
		return path, nil
	}
	for _, pattern := range []string{
		"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0], nil
		}
	}
	return "", ErrAbsent
}

// Make makes a folder of tokens below dir, one for each label, and points
// SOFTHSM2_CONF of this process there, for which it must come before the module is
// loaded. It returns the module's path.
func Make(dir string, labels ...string) (string, error) {
	module, err := Module()
	if err != nil {
		return "", err
	}
	tokens, conf := filepath.Join(dir, "tokens"), filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens)
	if err := errors.Join(os.Mkdir(tokens, 0o700), os.WriteFile(conf, []byte(text), 0o600), os.Setenv("SOFTHSM2_CONF", conf)); err != nil {
		return "", err
	}
	for _, label := range labels {
		out, err := exec.Command("softhsm2-util", "--module", module, "--init-token", "--free", "--label", label, "--pin", UserPIN, "--so-pin", SOPIN).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("softhsm2-util: %w: %s", err, out)
		}
	}
	return module, nil
}

// once is the token of this test program.
var once struct {
	sync.Once
	module string
	err    error
}

// Token makes a token with the label dvkeys, the first time that it is called, and
// returns the module's path. Without SoftHSM on the machine the test is skipped; in
// continuous integration (CI=true) it fails.
func Token(tb testing.TB) (module string) {
	tb.Helper()
	once.Do(func() {
		dir, err := os.MkdirTemp("", "softhsm") // outlives the test that is first
		if err != nil {
			once.err = err
			return
		}
		once.module, once.err = Make(dir, "dvkeys")
	})
	switch {
	case errors.Is(once.err, ErrAbsent) && os.Getenv("CI") != "true":
		tb.Skip(once.err)
	case once.err != nil:
		tb.Fatal(once.err)
	}
	return once.module
}
