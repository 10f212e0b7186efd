package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type layer struct {
	importer string
	may      []string
}

type foreign struct {
	module string
	by     []string
}

// layers says what each package may import from this module, in what ships. The first row that matches the importer
// counts, and a package without a row is an error: a new package is placed here first. The siblings signer, dkg,
// keystore and hsm have no row that names another.
var layers = []layer{
	{"internal/...", []string{"internal/...", "shamir", "keyshare"}},
	{"shamir", []string{"internal/..."}},
	{"keyshare", []string{"shamir", "internal/..."}},
	{"keyshare/...", []string{"keyshare", "shamir", "internal/..."}},
	{"keystore", []string{"keyshare", "shamir", "internal/..."}},
	{"dkg", []string{"keyshare", "shamir", "internal/..."}},
	{"dkg/transport", []string{"dkg", "keyshare", "internal/..."}},
	{"signer/...", []string{"signer/...", "keyshare/...", "shamir", "internal/..."}},
	{"hsm/...", []string{"hsm/...", "keyshare", "shamir", "internal/..."}},
	{"examples/...", []string{"..."}},
	{"", []string{"internal/...", "shamir", "keyshare/...", "keystore", "dkg", "signer/...", "hsm/..."}},
}

// outside says which packages may import each foreign module, in what ships. A module without a row is an error: it
// needs a row here and a reason in CONTRIBUTING.md. Tests may import anything that go.mod lists.
var outside = []foreign{
	{"github.com/supranational/blst", []string{"internal/bls"}},
	{"github.com/herumi/bls-eth-go-binary", []string{"internal/bls"}},
	{"github.com/protolambda/zrnt", []string{"internal/consensus"}},
	{"github.com/protolambda/ztyp", []string{"internal/consensus"}},
	{"github.com/miekg/pkcs11", []string{"hsm/pkcs11"}},
	{"github.com/ThalesGroup/crypto11", []string{"hsm/pkcs11"}},
	{"github.com/hashicorp/vault/api", []string{"hsm/vault"}},
	{"github.com/awnumar/memcall", []string{"internal/secret"}},
	{"go.etcd.io/bbolt", []string{"internal/boltfile", "internal/keyfile", "signer/slashing"}},
	{"github.com/jackc/pgx/v5", []string{"hsm/store/postgres", "signer/slashing/postgres", "internal/pgtest"}},
	{"go.opentelemetry.io/otel", []string{"signer"}},
	{"golang.org/x/crypto", []string{"..."}},
	{"golang.org/x/text", []string{"keystore", "internal/..."}},
	{"golang.org/x/sys", []string{"internal/...", "hsm/..."}},
	{"golang.org/x/term", []string{"examples/..."}},
	{"github.com/stretchr/testify", []string{"hsm/hsmtest", "signer/slashing/internal/historytest"}},
	{"pgregory.net/rapid", []string{"signer/slashing/internal/historytest"}},
}

// standard says which packages may import a package of the standard library that has no place elsewhere.
var standard = []struct {
	path, why string
	by        []string
}{
	{"testing", "what ships does not link the test framework", []string{"hsm/hsmtest", "internal/vectors", "internal/pgtest", "internal/softhsmtest", "internal/killtest", "internal/vaulttest", "signer/slashing/internal/historytest"}},
	{"net/http", "only a client of a server speaks HTTP", []string{"hsm/vault", "internal/vaulttest", "signer/remote", "dkg/transport", "examples/..."}},
	{"math/rand", "randomness is crypto/rand", nil},
	{"math/rand/v2", "randomness is crypto/rand", nil},
	{"unsafe", "only guarded memory, arithmetic in it, and C need it", []string{"internal/secret/...", "internal/bls", "keyshare", "hsm/pkcs11/..."}},
	{"log", "a library does not log", []string{"examples/..."}},
	{"plugin", "what a program can reach is what it imports", nil},
}

func TestImports(t *testing.T) {
	for _, s := range mustSources(t) {
		for _, fault := range importFaults(s) {
			t.Error(fault)
		}
	}
}

// TestImportsFault shows the checker one fault of each kind.
func TestImportsFault(t *testing.T) {
	for _, c := range []struct{ file, imports, want string }{
		{"signer/x.go", module + "/hsm", "signer may not import hsm"},
		{"hsm/software/x.go", module + "/signer", "hsm/software may not import signer"},
		{"keystore/x.go", module + "/dkg", "keystore may not import dkg"},
		{"keyshare/x.go", module + "/keystore", "keyshare may not import keystore"},
		{"shamir/x.go", module + "/keyshare", "shamir may not import keyshare"},
		{"internal/abi/x.go", module + "/signer", "internal/abi may not import signer"},
		{"signer/x.go", module, "signer may not import the root package"},
		{"dvkeys.go", module + "/examples/onboard", "the root package may not import examples/onboard"},
		{"helpers/x.go", module + "/shamir", "helpers has no row in layers"},
		{"signer/x.go", "github.com/supranational/blst/bindings/go", "signer may not import github.com/supranational/blst"},
		{"hsm/x.go", "github.com/miekg/pkcs11", "hsm may not import github.com/miekg/pkcs11"},
		{"shamir/x.go", "example.org/new/thing", "example.org/new/thing has no row in outside"},
		{"shamir/x.go", "github.com/stretchr/testify/require", "shamir may not import github.com/stretchr/testify"},
		{"internal/secret/memscan/x.go", "testing", "internal/secret/memscan may not import testing"},
		{"shamir/x.go", "math/rand/v2", "shamir may not import math/rand/v2"},
	} {
		s := planted(t, c.file, fmt.Sprintf("package x\nimport _ %q\n", c.imports))
		faults := importFaults(s)
		if assert.NotEmpty(t, faults, "%s importing %s", c.file, c.imports) {
			assert.Contains(t, faults[0], c.want)
		}
		s = planted(t, strings.Replace(c.file, ".go", "_test.go", 1), fmt.Sprintf("package x\nimport _ %q\n", c.imports))
		assert.Empty(t, importFaults(s), "a test file is free to import %s", c.imports)
	}
	allowed := planted(t, "internal/bls/x.go", "package bls\nimport _ \"github.com/supranational/blst/bindings/go\"\n")
	require.Empty(t, importFaults(allowed))
}

// TestEveryModuleHasItsReason makes CONTRIBUTING.md name every module that is imported directly.
func TestEveryModuleHasItsReason(t *testing.T) {
	contributing, err := os.ReadFile(filepath.Join(root(), "CONTRIBUTING.md"))
	require.NoError(t, err)
	direct := map[string]bool{}
	for _, s := range mustSources(t) {
		for _, p := range s.imports() {
			if row := slices.IndexFunc(outside, func(f foreign) bool { return matches(f.module+"/...", p) }); row >= 0 {
				direct[outside[row].module] = true
			}
		}
	}
	require.NotEmpty(t, direct)
	for m := range direct {
		assert.True(t, strings.Contains(string(contributing), "`"+m+"`"), "CONTRIBUTING.md does not say why %s is needed", m)
	}
}

// importFaults says what is wrong with the imports of a file that ships.
func importFaults(s *source) (faults []string) {
	if s.test {
		return nil
	}
	fault := func(format string, args ...any) {
		faults = append(faults, s.path+": "+fmt.Sprintf(format, args...))
	}
	for _, p := range s.imports() {
		if dir, ok := inModule(p); ok {
			row := slices.IndexFunc(layers, func(l layer) bool { return matches(l.importer, s.dir) })
			switch {
			case row < 0:
				fault("%s has no row in layers: say what it may import", s.dir)
			case !matchesAny(layers[row].may, dir):
				fault("%s may not import %s, only %s", called(s.dir), called(dir), strings.Join(layers[row].may, ", "))
			}
			continue
		}
		if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") {
			row := slices.IndexFunc(outside, func(f foreign) bool { return matches(f.module+"/...", p) })
			switch {
			case row < 0:
				fault("%s has no row in outside: say which package may import it, and why in CONTRIBUTING.md", p)
			case !matchesAny(outside[row].by, s.dir):
				fault("%s may not import %s, only %s", called(s.dir), outside[row].module, only(outside[row].by))
			}
			continue
		}
		for _, rule := range standard {
			if p == rule.path && !matchesAny(rule.by, s.dir) {
				fault("%s may not import %s, only %s: %s", called(s.dir), p, only(rule.by), rule.why)
			}
		}
	}
	return faults
}

func inModule(p string) (dir string, ok bool) {
	if p == module {
		return "", true
	}
	return strings.CutPrefix(p, module+"/")
}

func called(dir string) string {
	if dir == "" {
		return "the root package"
	}
	return dir
}

func only(by []string) string {
	if len(by) == 0 {
		return "tests"
	}
	return strings.Join(by, ", ")
}
