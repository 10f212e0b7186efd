package checks

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wording is text that no file of the repository may hold. The patterns are spelt so that they do not match
// themselves.
type wording struct {
	pattern *regexp.Regexp
	why     string
	data    bool // also in testdata, where the words may stand by chance in base64
}

var wordings = []wording{
	{regexp.MustCompile(`(^|[^\w.~-])/(work|root|home/\w+)/`), "a path of one machine", true},
	{regexp.MustCompile(`/tmp/[\w]`), "a path of one machine; a test uses t.TempDir", false},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`), "unfinished work: do it, or open an issue", false},
	{regexp.MustCompile(`<!-- pas` + `te`), "text that is still to be filled in", false},
	{regexp.MustCompile(`\t +\n|[^\n\t ] +\n`), "blanks at the end of a line", false},
}

func TestText(t *testing.T) {
	files := 0
	require.NoError(t, walk(func(name string, content []byte) error {
		files++
		for _, fault := range textFaults(name, content) {
			t.Error(fault)
		}
		return nil
	}))
	require.NotZero(t, files)
}

// TestTextFault shows the checker one fault of each kind.
func TestTextFault(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"a.md", "see /wo" + "rk/x\n", "a path of one machine"},
		{"a.go", "dir := \"/ro" + "ot/x\"\n", "a path of one machine"},
		{"testdata/a.json", "\"/ho" + "me/me/x\"\n", "a path of one machine"},
		{"a.go", "// TO" + "DO later\n", "unfinished work"},
		{"Makefile", "\t# FIX" + "ME\n", "unfinished work"},
		{"a.md", "<!-- pas" + "te: x -->\n", "still to be filled in"},
		{"a.md", "word \nword\n", "blanks at the end"},
		{"a.md", "word", "no newline at the end"},
		{"a.md", "word\n\n", "empty line at the end"},
		{"a.md", "word\r\n", "carriage return"},
		{"a.md", "[x](absent.md)\n", "links to absent.md"},
		{"a.md", "`make absent`\n", "no target absent"},
	} {
		faults := textFaults(c.name, []byte(c.content))
		if assert.NotEmpty(t, faults, c.content) {
			assert.Contains(t, faults[0], c.want)
		}
	}
	require.Empty(t, textFaults("testdata/keys.json", []byte("TO"+"DO/XX"+"X\n")), "words in data are chance")
	require.Empty(t, textFaults("a.md", []byte("net/work/x, [Go](https://go.dev), `make test`\n")))
}

// textFaults says what is wrong with the text of a file. Files that are not UTF-8 text are passed over.
func textFaults(name string, content []byte) (faults []string) {
	if len(content) == 0 || !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return nil
	}
	fault := func(at int, format string, args ...any) {
		line := 1 + bytes.Count(content[:at], []byte("\n"))
		faults = append(faults, fmt.Sprintf("%s:%d: ", name, line)+fmt.Sprintf(format, args...))
	}
	data := strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/") || path.Base(name) == "go.sum"
	for _, w := range wordings {
		if at := w.pattern.FindIndex(content); at != nil && (w.data || !data) {
			fault(at[0], "%q: %s", strings.TrimSpace(string(content[at[0]:at[1]])), w.why)
		}
	}
	if data {
		return faults
	}
	if at := bytes.IndexByte(content, '\r'); at >= 0 {
		fault(at, "a carriage return: lines end in a newline")
	}
	if !bytes.HasSuffix(content, []byte("\n")) {
		fault(len(content), "no newline at the end of the file")
	} else if bytes.HasSuffix(content, []byte("\n\n")) {
		fault(len(content)-1, "an empty line at the end of the file")
	}
	if path.Ext(name) == ".md" {
		markdownFaults(name, content, fault)
	}
	return faults
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeCommand  = regexp.MustCompile("(?m)(?:`|^\\$? ?)make ([a-z][a-z-]*)")
)

// markdownFaults finds links to files and commands that do not exist.
func markdownFaults(name string, content []byte, fault func(int, string, ...any)) {
	for _, m := range markdownLink.FindAllSubmatchIndex(content, -1) {
		target, _, _ := strings.Cut(string(content[m[2]:m[3]]), "#")
		if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root(), path.Dir(name), target)); err != nil {
			fault(m[0], "links to %s, which does not exist", target)
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root(), "Makefile"))
	if err != nil {
		fault(0, "no Makefile: %v", err)
		return
	}
	for _, m := range makeCommand.FindAllSubmatchIndex(content, -1) {
		target := string(content[m[2]:m[3]])
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(makefile) {
			fault(m[0], "make %s: the Makefile has no target %s", target, target)
		}
	}
}
