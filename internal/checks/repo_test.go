package checks

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the path of the module that is checked.
const module = "github.com/claystack/dvkeys"

// testsOnly are public packages that serve tests: they hold no key of anybody's, and an Example of them would be a test.
var testsOnly = []string{"hsm/hsmtest", "hsm/pkcs11/testtoken/..."}

var update = flag.Bool("update", false, "write the golden files anew")

// root is the module root: go test runs a test in its package's folder.
var root = sync.OnceValue(func() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
})

// source is one Go file of the module, whatever its build constraints say.
type source struct {
	path  string // slash-separated, from the module root
	dir   string // its package's folder from the module root, "" for the root package
	test  bool   // a _test.go file
	lines int
	file  *ast.File
}

// imports returns the import paths of the file.
func (s *source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

var fset = token.NewFileSet()

// sources parses every Go file of the module once. A file's imports are read from its text and not by `go list`, so
// that files for another platform or without cgo obey the same rules.
var sources = sync.OnceValues(func() ([]*source, error) {
	var all []*source
	err := walk(func(name string, content []byte) error {
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := parse(name, content)
		all = append(all, s)
		return err
	})
	return all, err
})

func parse(name string, content []byte) (*source, error) {
	file, err := parser.ParseFile(fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	return &source{
		path: name, dir: dir, test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(content, []byte("\n")), file: file,
	}, err
}

// walk calls f with each file of the module: its slash-separated path from the root, and its content. What .gitignore
// names (the output of the README's commands above all), git's own folder and nested modules are left out.
func walk(f func(name string, content []byte) error) error {
	patterns, err := os.ReadFile(filepath.Join(root(), ".gitignore"))
	if err != nil {
		return err
	}
	return filepath.WalkDir(root(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root() {
			return err
		}
		name, err := filepath.Rel(root(), p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || name == ".git" || ignored(string(patterns), name+"/") {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || name == ".git" || ignored(string(patterns), name) { // .git is a file in a worktree
			return nil
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return f(name, content)
	})
}

// ignored reports whether a path from the root, that of a folder with a slash at its end, is named by one of the two
// kinds of patterns that this repository's .gitignore has: /path from the root, and *.ext.
func ignored(patterns, name string) bool {
	for pattern := range strings.Lines(patterns) {
		pattern = strings.TrimSpace(pattern)
		if at, ok := strings.CutPrefix(pattern, "/"); ok && at == name {
			return true
		}
		if ext, ok := strings.CutPrefix(pattern, "*"); ok && strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

func TestIgnored(t *testing.T) {
	const patterns = "/out/\n/pin\n*.prof\n"
	for _, name := range []string{"out/", "pin", "a.prof", "a/b.prof"} {
		require.True(t, ignored(patterns, name), name)
	}
	for _, name := range []string{"out", "a/out/", "a/pin", "pin/", "prof", "a.prof/"} {
		require.False(t, ignored(patterns, name), name)
	}
	content, err := os.ReadFile(filepath.Join(root(), ".gitignore"))
	require.NoError(t, err)
	for pattern := range strings.Lines(string(content)) {
		require.Regexp(t, `^(/[^*?!\[]+|\*\.[a-z]+)\n$`, pattern, "ignored knows no such pattern")
	}
}

// mustSources returns the module's Go files and fails when there are none.
func mustSources(t *testing.T) []*source {
	t.Helper()
	all, err := sources()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// goTool runs the go command at the module root and returns what it printed.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// matches reports whether a folder is the pattern, or, for a pattern that ends in "/...", is it or lies below it.
func matches(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == below || strings.HasPrefix(dir, below+"/")
	}
	return dir == pattern
}

func matchesAny(patterns []string, dir string) bool {
	for _, p := range patterns {
		if matches(p, dir) {
			return true
		}
	}
	return false
}

// planted parses Go text as if it were the file name, to show a checker a fault.
func planted(t *testing.T, name, text string) *source {
	t.Helper()
	s, err := parse(name, []byte(text))
	require.NoError(t, err)
	return s
}
