//go:build cgo && unix

package pkcs11

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWithoutCgo holds that a build without cgo fails with one error that says what to do.
func TestWithoutCgo(t *testing.T) {
	cmd := exec.Command("go", "build", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "needs_cgo_on_a_unix_system__set_CGO_ENABLED_1")
	require.Equal(t, 2, strings.Count(string(out), "\n"), "more than one error:\n%s", out)
}
