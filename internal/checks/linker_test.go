package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLinker builds a program that imports only shamir and looks at what was linked into it.
func TestLinker(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(main, []byte(`package main

import (
	"fmt"

	"`+module+`/shamir"
)

func main() {
	s, _ := shamir.RandomScalar()
	shares, c, _ := shamir.Split(s, 2, []shamir.Index{1, 2, 3})
	again, err := shamir.Combine(c, shares)
	fmt.Println(again != nil, err)
}
`), 0o600))
	program := filepath.Join(dir, "program")
	goTool(t, "build", "-o", program, main)
	symbols := goTool(t, "tool", "nm", program)
	require.Contains(t, symbols, module+"/shamir.Split", "the symbols of the program are not what was listed")
	for _, absent := range []string{
		"net/http.", "crypto/tls.", "testing.", "miekg/pkcs11", "crypto11", "vault/api", "bbolt", "protolambda",
		module + "/hsm", module + "/signer", module + "/keystore",
	} {
		require.NotContains(t, linked(symbols, absent), absent, "a program that imports only shamir links it")
	}
}

// TestLinkerFault shows the checker a symbol table with a fault, and one whose names only resemble it.
func TestLinkerFault(t *testing.T) {
	require.Contains(t, linked("  4a T fmt.Println\n  4b T net/http.(*Client).Do\n", "net/http."), "net/http.")
	require.Empty(t, linked("  4a T fmt.Println\n  4b R example.org/testing.X\n", "testing."))
}

// linked returns the first symbol of a package (its path up to the dot) or of anything below a path, or "".
func linked(symbols, prefix string) string {
	for line := range strings.Lines(symbols) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		name := fields[len(fields)-1]
		if strings.HasPrefix(name, prefix) || !strings.HasSuffix(prefix, ".") && strings.Contains(name, prefix) {
			return name
		}
	}
	return ""
}

// TestWithoutCgo holds that a build without cgo fails with one error that says what to do.
func TestWithoutCgo(t *testing.T) {
	cmd := exec.Command("go", "build", module+"/shamir")
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "dvkeys_needs_cgo")
	require.Equal(t, 2, strings.Count(string(out), "\n"), "more than one error:\n%s", out)
}
