package checks

import (
	"go/ast"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secretRoots are the types in which a secret lies. What holds one of them, however deep, holds a secret.
var secretRoots = []string{
	module + "/internal/secret.Buffer",
	module + "/internal/secret.Box",
	module + "/internal/secret.Key",
	"crypto/rsa.PrivateKey",
}

// holders returns every named type of this module, exported or not, that is one of secretRoots or holds one in a
// field, an element or behind a pointer, as "import/path.Name". It cannot see what an interface or a function holds:
// those are looked into when a value is printed (see visitor).
func holders(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for line := range lineSet(goTool(t, "list", "-f", "{{.ImportPath}} {{.Dir}} {{range .GoFiles}}{{.}},{{end}}{{range .CgoFiles}}{{.}},{{end}}", "./...")) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue // a package of tests only
		}
		dir, err := filepath.Rel(root(), fields[1])
		require.NoError(t, err)
		if matchesAny(testsOnly, filepath.ToSlash(dir)) {
			continue
		}
		var files []*ast.File
		for _, s := range mustSources(t) {
			if path.Dir(s.path) == filepath.ToSlash(dir) && slices.Contains(strings.Split(fields[2], ","), path.Base(s.path)) {
				files = append(files, s.file)
			}
		}
		for _, name := range holdersIn(t, fields[0], files) {
			found[name] = true
		}
	}
	return found
}

// holdersIn type-checks the declarations of one package and returns its holders, sorted.
func holdersIn(t *testing.T, importPath string, files []*ast.File) []string {
	t.Helper()
	config := types.Config{Importer: typesOf(t), IgnoreFuncBodies: true, FakeImportC: true}
	pkg, err := config.Check(importPath, fset, files, nil)
	require.NoError(t, err)
	var found []string
	for _, name := range pkg.Scope().Names() {
		obj, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if ok && !obj.IsAlias() && holds(obj.Type(), map[types.Type]bool{}) {
			found = append(found, importPath+"."+name)
		}
	}
	return found
}

// holds reports whether a type is a secret root or has one in it.
func holds(t types.Type, seen map[types.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		return holds(types.Unalias(t), seen)
	case *types.Named:
		if p := t.Obj().Pkg(); p != nil && slices.Contains(secretRoots, p.Path()+"."+t.Obj().Name()) {
			return true
		}
		for arg := range t.TypeArgs().Types() {
			if holds(arg, seen) {
				return true
			}
		}
		return holds(t.Underlying(), seen)
	case *types.Pointer:
		return holds(t.Elem(), seen)
	case *types.Slice:
		return holds(t.Elem(), seen)
	case *types.Array:
		return holds(t.Elem(), seen)
	case *types.Chan:
		return holds(t.Elem(), seen)
	case *types.Map:
		return holds(t.Key(), seen) || holds(t.Elem(), seen)
	case *types.Struct:
		for f := range t.Fields() {
			if holds(f.Type(), seen) {
				return true
			}
		}
	}
	return false
}

// missing returns the holders that no value of the table showed and that are not excused, and the excuses that excuse
// nothing.
func missing(holders, visited map[string]bool, excused map[string]string) (faults []string) {
	for _, name := range slices.Sorted(maps.Keys(holders)) {
		if !visited[name] && excused[name] == "" {
			faults = append(faults, name+" holds a secret: add a value of it to secretValues, so that all that can print it is tried")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(excused)) {
		if !holders[name] || visited[name] {
			faults = append(faults, name+" needs no excuse: take it off the list")
		}
	}
	return faults
}

// TestHoldersFault shows the search types that hold a secret in each way, and some that hold none.
func TestHoldersFault(t *testing.T) {
	const text = `package planted

import (
	"crypto/rsa"
	"` + module + `/internal/secret"
)

type direct struct{ *secret.Buffer }
type deep struct{ m map[string][]*direct }
type alias = deep
type throughAlias struct{ a [2]alias }
type generic[T any] struct{ t T }
type instance struct{ g generic[*secret.Key] }
type named deep
type box struct{ c chan secret.Box }
type key struct{ k *rsa.PrivateKey }
type loop struct{ next *loop; e error }
type public struct{ k rsa.PublicKey }
type function func(*secret.Buffer)
`
	s := planted(t, "planted/x.go", text)
	require.Equal(t, []string{"p.box", "p.deep", "p.direct", "p.instance", "p.key", "p.named", "p.throughAlias"},
		holdersIn(t, "p", []*ast.File{s.file}))

	a, b := map[string]bool{"a": true}, map[string]bool{"b": true}
	require.Contains(t, missing(a, b, nil)[0], "a holds a secret")
	require.Empty(t, missing(a, a, nil))
	require.Empty(t, missing(a, b, map[string]string{"a": "why"}))
	require.Contains(t, missing(a, a, map[string]string{"a": "why"})[0], "needs no excuse")
	require.Contains(t, missing(a, a, map[string]string{"c": "why"})[0], "needs no excuse")
}
