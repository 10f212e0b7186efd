package checks

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A README snippet is a function of a compiled file, or, if it does not begin with "func ", the body of one (an Example
// without its Output comment), and is marked so:
//
//	<!-- example: path/to/example_test.go#ExampleName -->
//	```go
//	…
//	```
var (
	exampleMark = regexp.MustCompile(`^<!-- example: (\S+)#(\w+) -->$`)
	outputLine  = regexp.MustCompile(`(?i)^\s*// (unordered )?output:`)
)

// TestREADME holds every Go snippet of the README to be the body of the Example that it names.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(), "README.md"))
	require.NoError(t, err)
	for _, fault := range readmeFaults(string(text), mustSources(t), os.ReadFile) {
		t.Error(fault)
	}
}

// TestREADMEFault shows the checker one fault of each kind.
func TestREADMEFault(t *testing.T) {
	const code = "package x\n\nfunc ExampleX() {\n\tfor {\n\t\tf()\n\t}\n\n\tg() // why\n\t// Output: 7\n}\n"
	const body = "for {\n\tf()\n}\n\ng() // why\n"
	read := func(string) ([]byte, error) { return []byte(code), nil }
	sources := []*source{planted(t, "a/x_test.go", code)}
	const mark = "<!-- example: a/x_test.go#ExampleX -->\n"
	faults := func(text string) []string { return readmeFaults(text, sources, read) }

	require.Empty(t, faults("# x\n"+mark+"```go\n"+body+"```\n"))
	require.Empty(t, faults(mark+"```go\n"+strings.TrimPrefix(code, "package x\n\n")+"```\n"), "a whole function")
	for _, c := range []struct{ text, want string }{
		{"# x\n", "no Go snippet"},
		{"```go\n" + body + "```\n", "without a mark"},
		{mark + "\n```go\n" + body + "```\n", "a mark without a Go snippet"},
		{mark + "text\n", "a mark without a Go snippet"},
		{mark + "```go\n" + body + "h()\n```\n", "differs"},
		{mark + "```go\n" + strings.Replace(body, "why", "not", 1) + "```\n", "differs"},
		{strings.Replace(mark, "#ExampleX", "#ExampleY", 1) + "```go\n" + body + "```\n", "has no function ExampleY"},
		{strings.Replace(mark, "a/x", "b/x", 1) + "```go\n" + body + "```\n", "b/x_test.go is not a Go file"},
		{mark + "```go\n" + body, "does not end"},
	} {
		found := faults(c.text)
		if assert.NotEmpty(t, found, c.text) {
			assert.Contains(t, found[0], c.want)
		}
	}
}

// readmeFaults compares the Go snippets of a Markdown text with the functions that their marks name.
func readmeFaults(text string, sources []*source, read func(string) ([]byte, error)) (faults []string) {
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("README.md:%d: ", line+1)+fmt.Sprintf(format, args...))
	}
	lines := strings.Split(text, "\n")
	snippets := 0
	for i := 0; i < len(lines); i++ {
		mark := exampleMark.FindStringSubmatch(lines[i])
		start := i
		if mark != nil {
			start++
		}
		if start >= len(lines) || !strings.HasPrefix(lines[start], "```go") {
			if mark != nil {
				fault(i, "a mark without a Go snippet on the next line")
			}
			continue
		}
		snippets++
		end := start + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		if end == len(lines) {
			fault(start, "the snippet does not end")
			break
		}
		i = end
		if mark == nil {
			fault(start, "a Go snippet without a mark <!-- example: path/to/example_test.go#ExampleName --> on the line above")
			continue
		}
		got := strings.Join(lines[start+1:end], "\n")
		want, err := function(mark[1], mark[2], !strings.HasPrefix(got, "func "), sources, read)
		switch {
		case err != nil:
			fault(start, "%v", err)
		case got != want:
			fault(start, "the snippet differs from %s in %s, which is:\n%s", mark[2], mark[1], want)
		}
	}
	if snippets == 0 {
		fault(0, "no Go snippet at all")
	}
	return faults
}

// function returns the text of a function, or of its body: that without its indent, and up to its Output comment.
func function(file, name string, bodyOnly bool, sources []*source, read func(string) ([]byte, error)) (string, error) {
	i := slices.IndexFunc(sources, func(s *source) bool { return s.path == file })
	if i < 0 {
		return "", fmt.Errorf("%s is not a Go file of this module", file)
	}
	content, err := read(filepath.Join(root(), filepath.FromSlash(file)))
	if err != nil {
		return "", err
	}
	text := func(from, to token.Pos) string {
		return string(content[fset.Position(from).Offset:fset.Position(to).Offset])
	}
	for _, decl := range sources[i].file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Name.Name != name || f.Body == nil {
			continue
		}
		if !bodyOnly {
			return text(f.Type.Pos(), f.End()), nil
		}
		var kept []string
		for line := range strings.SplitSeq(text(f.Body.Lbrace+1, f.Body.Rbrace), "\n") {
			if outputLine.MatchString(line) {
				break
			}
			kept = append(kept, strings.TrimPrefix(line, "\t"))
		}
		return strings.TrimSpace(strings.Join(kept, "\n")), nil
	}
	return "", fmt.Errorf("%s has no function %s", file, name)
}
