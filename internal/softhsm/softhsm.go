// Package softhsm sets up tokens of SoftHSM for tests, in a folder of their own. SoftHSM finds its folder by an
// environment variable that it reads when it is initialized, so a test program calls SetUp once, before anything else.
package softhsm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// PINs of the tokens that SetUp makes.
const (
	UserPIN = "4711-user"
	SOPIN   = "0815-so"
)

// ErrAbsent: SoftHSM is not installed.
var ErrAbsent = errors.New("no SoftHSM: install softhsm2, or set DVKEYS_SOFTHSM to the path of libsofthsm2.so")

// SetUp makes tokens with the given labels, which need not differ, in dir, has SoftHSM use that folder in this process
// and its children, and returns the path of its module.
func SetUp(dir string, labels ...string) (module string, err error) {
	if module, err = Module(); err != nil {
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

// Module returns the path of SoftHSM's module: what DVKEYS_SOFTHSM says, or where distributions put it.
func Module() (string, error) {
	if path := os.Getenv("DVKEYS_SOFTHSM"); path != "" {
		return path, nil
	}
	for _, pattern := range []string{
		"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0], nil
		}
	}
	return "", ErrAbsent
}
