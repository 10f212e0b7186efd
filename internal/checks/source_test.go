package checks

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maxLines is the length past which a file must be split. Past about 400 lines one looks for the second thing in it.
const maxLines = 600

// emptyNames say nothing of what they hold: no package and no file is called one of them.
var emptyNames = []string{"util", "utils", "common", "types", "helper", "helpers", "misc"}

func TestSource(t *testing.T) {
	for _, s := range mustSources(t) {
		for _, fault := range sourceFaults(s) {
			t.Error(fault)
		}
	}
}

// TestSourceFault shows the checker one fault of each kind.
func TestSourceFault(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a/x.go", "package util", "package util: the name says nothing"},
		{"a/helpers.go", "package a", "the file's name says nothing"},
		{"a/helpers_test.go", "package a", "the file's name says nothing"},
		{"a/x.go", "package a" + strings.Repeat("\n", maxLines+1), "601 lines"},
		{"a/x.go", "package a\nfunc init() {}", "init function"},
		{"a/x.go", "package a\nimport _ \"image/png\"", `blank import of "image/png"`},
		{"a/x.go", "package a\nimport \"fmt\"\nfunc f() { fmt.Println() }", "fmt.Println"},
		{"a/x.go", "package a\nimport \"os\"\nfunc f() { os.Exit(1) }", "os.Exit"},
		{"a/x.go", "package a\nfunc f() { println() }", "println"},
		{"a/x.go", "package a\nfunc F() {}", "F has no doc comment"},
		{"a/x.go", "package a\n// What it does.\nfunc F() {}", "comment of F should begin with its name"},
		{"a/x.go", "package a\ntype T struct{}", "T has no doc comment"},
		{"a/x.go", "package a\n// T is one.\ntype T struct{}\nfunc (t *T) M() {}", "T.M has no doc comment"},
		{"a/x.go", "package a\nvar V int", "V has no doc comment"},
		{"a/x.go", "package a\nconst (\n\tA = 1\n)", "A has no doc comment"},
	} {
		faults := sourceFaults(planted(t, c.file, c.text))
		if assert.NotEmpty(t, faults, "%s: %s", c.file, c.text) {
			assert.Contains(t, faults[0], c.want)
		}
	}
	good := "package a\n// T is one.\ntype T struct{}\n// A and B are numbers.\nconst (\n\tA = 1\n\tB = 2\n)\nfunc (t t) M() {}\n"
	require.Empty(t, sourceFaults(planted(t, "a/x.go", good)))
}

// TestPackageComments holds that every package has one package comment, and that a public one is an essay with an
// Example that runs. What serves tests only has none.
func TestPackageComments(t *testing.T) {
	type pkg struct {
		comment string
		example bool
	}
	packages := map[string]*pkg{}
	for _, s := range mustSources(t) {
		p := packages[s.dir]
		if p == nil {
			p = new(pkg)
			packages[s.dir] = p
		}
		if !s.test && s.file.Doc != nil {
			assert.Empty(t, p.comment, "%s: package %s has a second package comment", s.path, called(s.dir))
			p.comment = s.file.Doc.Text()
		}
		p.example = p.example || s.test && runnableExample(s)
	}
	for dir, p := range packages {
		name := path.Base(path.Join(module, dir))
		switch {
		case strings.HasPrefix(dir, "examples/"):
			assert.NotEmpty(t, p.comment, "%s: no package comment", dir)
		case strings.HasPrefix(dir, "internal/") || strings.Contains(dir, "/internal/"):
			assert.True(t, strings.HasPrefix(p.comment, "Package "+name+" "), "%s: the package comment should begin with \"Package %s\"", dir, name)
		default:
			assert.True(t, strings.HasPrefix(p.comment, "Package "+name+" "), "%s: the package comment should begin with \"Package %s\"", called(dir), name)
			assert.Greater(t, len(p.comment), 400, "%s: the package comment is not a short essay", called(dir))
			assert.True(t, p.example || matchesAny(testsOnly, dir), "%s: no Example with an Output comment", called(dir))
		}
	}
}

// sourceFaults says what is wrong with a file beside its imports.
func sourceFaults(s *source) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, s.path+": "+fmt.Sprintf(format, args...))
	}
	if name := strings.TrimSuffix(s.file.Name.Name, "_test"); slices.Contains(emptyNames, name) {
		fault("package %s: the name says nothing of what it holds", name)
	}
	if name := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test"); slices.Contains(emptyNames, name) {
		fault("the file's name says nothing of what it holds")
	}
	if s.lines > maxLines {
		fault("%d lines: a file has at most %d; look for the second thing in it", s.lines, maxLines)
	}
	if s.test {
		return faults
	}
	for _, spec := range s.file.Imports {
		if p := spec.Path.Value; spec.Name != nil && spec.Name.Name == "_" && p != `"embed"` {
			fault("blank import of %s: nothing registers itself by being imported", p)
		}
	}
	for _, decl := range s.file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			fault("an init function: what a program can reach is one visible line of that program")
		}
	}
	if s.file.Name.Name == "main" {
		return faults
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && speaks(call) != "" {
			fault("%s: a library neither prints nor ends the program", speaks(call))
		}
		return true
	})
	return append(faults, undocumented(s)...)
}

// speaks returns the name of a called function that prints or that ends the program, or "".
func speaks(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		if f.Name == "print" || f.Name == "println" {
			return f.Name
		}
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		if !ok {
			return ""
		}
		name := x.Name + "." + f.Sel.Name
		if slices.Contains([]string{"fmt.Print", "fmt.Printf", "fmt.Println", "os.Exit", "slog.Info", "slog.Warn", "slog.Error", "slog.Debug"}, name) {
			return name
		}
	}
	return ""
}

// undocumented names the exported declarations without a doc comment, or with one that does not begin with the name.
// The comment of a group of constants or variables serves all of it.
func undocumented(s *source) (faults []string) {
	need := func(name string, doc ...*ast.CommentGroup) {
		for _, d := range doc {
			if text := d.Text(); text != "" {
				words := strings.Fields(text)
				first := words[0]
				if first == "A" || first == "An" || first == "The" || first == "Deprecated:" {
					first = words[min(1, len(words)-1)]
				}
				short := name[strings.LastIndex(name, ".")+1:]
				if strings.TrimRightFunc(first, unicode.IsPunct) != short {
					faults = append(faults, fmt.Sprintf("%s: the comment of %s should begin with its name", s.path, name))
				}
				return
			}
		}
		faults = append(faults, fmt.Sprintf("%s: %s has no doc comment", s.path, name))
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				recv := receiver(d.Recv.List[0].Type)
				if !ast.IsExported(recv) || name == "Error" || name == "Unwrap" {
					continue // of an error, the type's comment says it
				}
				name = recv + "." + name
			}
			if d.Name.IsExported() {
				need(name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() {
						need(spec.Name.Name, spec.Doc, d.Doc)
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						documented := spec.Doc.Text() != "" || spec.Comment.Text() != "" || d.Doc.Text() != ""
						if name.IsExported() && !documented {
							need(name.Name)
						}
					}
				}
			}
		}
	}
	return faults
}

// receiver returns the name of a method's receiver type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// runnableExample reports whether the file has an Example whose output is checked.
func runnableExample(s *source) bool {
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Example") || f.Body == nil {
			continue
		}
		for _, c := range s.file.Comments {
			text := strings.ToLower(c.Text())
			if f.Body.Pos() < c.Pos() && c.End() <= f.Body.End() &&
				(strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")) {
				return true
			}
		}
	}
	return false
}
