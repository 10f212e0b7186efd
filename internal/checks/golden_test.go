package checks

import (
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGoldenAPI holds testdata/api.txt against every exported symbol of every public package.
func TestGoldenAPI(t *testing.T) {
	var lines []string
	for _, p := range publicPackages(t) {
		lines = append(lines, api(p)...)
	}
	golden(t, "api.txt", lines)
}

// TestGoldenDeps holds testdata/deps.txt against the modules of the build list. "builds" marks a module that some
// package or example links, "tests" one that only tests link, "listed" one of which nothing is compiled: it only takes
// part in choosing versions. The marks are those of linux/amd64.
func TestGoldenDeps(t *testing.T) {
	for k, v := range map[string]string{"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "1"} {
		t.Setenv(k, v)
	}
	const moduleOf = "{{with .Module}}{{.Path}}{{end}}"
	builds := lineSet(goTool(t, "list", "-deps", "-f", moduleOf, "./..."))
	tests := lineSet(goTool(t, "list", "-deps", "-test", "-f", moduleOf, "./..."))
	var lines []string
	for m := range lineSet(goTool(t, "list", "-m", "-f", "{{if not .Main}}{{.Path}} {{.Version}}{{end}}", "all")) {
		name, _, _ := strings.Cut(m, " ")
		mark := "listed"
		switch {
		case builds[name]:
			mark = "builds"
		case tests[name]:
			mark = "tests"
		}
		lines = append(lines, m+" "+mark)
	}
	sort.Strings(lines)
	golden(t, "deps.txt", lines)
}

func TestGoldenDiff(t *testing.T) {
	require.Empty(t, diff([]string{"a", "b"}, []string{"a", "b"}))
	require.Equal(t, []string{"- b", "+ c"}, diff([]string{"a", "b"}, []string{"a", "c"}))
	require.Equal(t, []string{"- a"}, diff([]string{"a", "a"}, []string{"a"}))
}

// golden compares lines with the file testdata/name, or writes the file when the tests run with -update.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	require.NotEmpty(t, lines)
	file := filepath.Join(root(), "testdata", name)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "write it with: make golden")
	if text != string(want) {
		changes := diff(strings.Split(strings.TrimSuffix(string(want), "\n"), "\n"), lines)
		t.Errorf("testdata/%s is out of date. If the change is meant, run: make golden\n%s", name, strings.Join(changes, "\n"))
	}
}

// diff lists the lines that only one of the two has, in order. Golden files are sorted, so this reads as a diff.
func diff(old, now []string) (changes []string) {
	count := map[string]int{}
	for _, l := range now {
		count[l]++
	}
	for _, l := range old {
		if count[l]--; count[l] < 0 {
			changes = append(changes, "- "+l)
		}
	}
	clear(count)
	for _, l := range old {
		count[l]++
	}
	for _, l := range now {
		if count[l]--; count[l] < 0 {
			changes = append(changes, "+ "+l)
		}
	}
	return changes
}

// api returns one line for each exported symbol of a package: constants with their values, types with their exported
// fields and with all exported methods, promoted ones too.
func api(pkg *types.Package) (lines []string) {
	qualifier := func(p *types.Package) string {
		if p == pkg {
			return ""
		}
		return p.Name()
	}
	line := func(format string, args ...any) {
		lines = append(lines, "pkg "+called(strings.TrimPrefix(strings.TrimPrefix(pkg.Path(), module), "/"))+", "+fmt.Sprintf(format, args...))
	}
	typeString := func(t types.Type) string { return types.TypeString(t, qualifier) }
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			line("const %s %s = %s", name, typeString(obj.Type()), obj.Val().ExactString())
		case *types.Var:
			line("var %s %s", name, typeString(obj.Type()))
		case *types.Func:
			line("func %s%s", name, strings.TrimPrefix(typeString(obj.Type()), "func"))
		case *types.TypeName:
			if obj.IsAlias() {
				line("type %s = %s", name, typeString(types.Unalias(obj.Type())))
				continue
			}
			switch u := obj.Type().Underlying().(type) {
			case *types.Struct:
				line("type %s struct", name)
				for f := range u.Fields() {
					if f.Exported() && f.Embedded() {
						line("type %s struct, %s", name, typeString(f.Type()))
					} else if f.Exported() {
						line("type %s struct, %s %s", name, f.Name(), typeString(f.Type()))
					}
				}
			case *types.Interface:
				line("type %s interface", name)
				for m := range u.Methods() {
					if m.Exported() {
						line("type %s interface, %s%s", name, m.Name(), strings.TrimPrefix(typeString(m.Type()), "func"))
					} else {
						line("type %s interface, closed by an unexported method", name)
					}
				}
				continue
			default:
				line("type %s %s", name, typeString(u))
			}
			value := types.NewMethodSet(obj.Type())
			for sel := range types.NewMethodSet(types.NewPointer(obj.Type())).Methods() {
				m := sel.Obj()
				if !m.Exported() {
					continue
				}
				recv := name
				if value.Lookup(m.Pkg(), m.Name()) == nil {
					recv = "*" + name
				}
				line("method (%s) %s%s", recv, m.Name(), strings.TrimPrefix(typeString(sel.Type()), "func"))
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// publicPackages returns the module's packages that others may import, type-checked, in order of their paths.
func publicPackages(t *testing.T) []*types.Package {
	t.Helper()
	var packages []*types.Package
	for _, p := range strings.Fields(goTool(t, "list", "./...")) {
		dir, _ := inModule(p)
		if matches("internal/...", dir) || matches("examples/...", dir) || strings.Contains(dir, "/internal/") {
			continue
		}
		pkg, err := typesOf(t).Import(p)
		require.NoError(t, err)
		packages = append(packages, pkg)
	}
	return packages
}

// exports maps the import path of each package that the module builds to the file with its export data.
var exports struct {
	once sync.Once
	file map[string]string
	imp  types.Importer
}

// typesOf returns an importer of the module's packages and all they import, from what the compiler wrote for them.
func typesOf(t *testing.T) types.Importer {
	t.Helper()
	exports.once.Do(func() {
		exports.file = map[string]string{}
		for l := range lineSet(goTool(t, "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...")) {
			p, file, _ := strings.Cut(l, " ")
			exports.file[p] = file
		}
		exports.imp = importer.ForCompiler(token.NewFileSet(), "gc", func(p string) (io.ReadCloser, error) {
			file, ok := exports.file[p]
			if !ok {
				return nil, fmt.Errorf("no export data for %q", p)
			}
			return os.Open(file)
		})
	})
	require.NotNil(t, exports.imp, "go list -export failed in an earlier test")
	return exports.imp
}

func lineSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, l := range strings.Split(text, "\n") {
		if l != "" {
			set[l] = true
		}
	}
	return set
}
