package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

const (
	tokenLabel = "bench"
	tokenPIN   = "4711-bench"
)

// softHSM makes a token for this process, before the module is loaded, and returns the module's path.
var softHSM = sync.OnceValues(func() (module string, err error) {
	if module = findSoftHSM(); module == "" {
		return "", errAbsent{errors.New("no SoftHSM: install softhsm2, or set DVKEYS_SOFTHSM to the path of libsofthsm2.so")}
	}
	tokens, conf := filepath.Join(scratch, "tokens"), filepath.Join(scratch, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens)
	if err := errors.Join(os.Mkdir(tokens, 0o700), os.WriteFile(conf, []byte(text), 0o600), os.Setenv("SOFTHSM2_CONF", conf)); err != nil {
		return "", err
	}
	out, err := exec.Command("softhsm2-util", "--module", module, "--init-token", "--free", "--label", tokenLabel, "--pin", tokenPIN, "--so-pin", "0815-bench").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("softhsm2-util: %w: %s", err, out)
	}
	return module, nil
})

func findSoftHSM() string {
	if path := os.Getenv("DVKEYS_SOFTHSM"); path != "" {
		return path
	}
	for _, pattern := range []string{"/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/lib64/softhsm", "/usr/local/lib/softhsm", "/opt/homebrew/lib/softhsm"} {
		if found, _ := filepath.Glob(filepath.Join(pattern, "libsofthsm2.so")); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
