// Package vectors finds the third-party test vectors and reads them. Only tests import it.
//
// The vectors are not part of the repository: they lie in ../shared/vectors beside the module root, or in the folder
// that the environment variable DVKEYS_VECTORS names. A clone without them still passes its tests: whatever needs a
// vector is skipped and says so. Where CI=true a missing folder is a failure, and a folder or pattern that matches no
// file is always one, so that no vector test can pass by reading nothing.
package vectors

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// Dir returns the folder of the vectors. Where it is absent Dir skips the test with the reason, or fails it when
// CI=true or when DVKEYS_VECTORS names a folder that does not exist.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, skip, err := find(os.Getenv("DVKEYS_VECTORS"), moduleRoot(), os.Getenv("CI") == "true")
	switch {
	case err != nil:
		tb.Fatal(err)
	case skip != "":
		tb.Skip(skip)
	}
	return dir
}

// Files returns the files below Dir that match the glob pattern (as in path/filepath.Match), sorted. No match fails
// the test.
func Files(tb testing.TB, glob string) []string {
	tb.Helper()
	files, err := match(Dir(tb), glob)
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// Read returns the content of the file name, a slash-separated path below Dir. It fails the test when it cannot.
func Read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(tb), filepath.FromSlash(name)))
	if err != nil {
		tb.Fatalf("vectors: %v", err)
	}
	return b
}

// JSON decodes the file name, a slash-separated path below Dir, into v. It fails the test when it cannot. A vector
// with integers beyond 2^53 declares json.Number fields, or decodes what Read returns.
func JSON(tb testing.TB, name string, v any) {
	tb.Helper()
	if err := json.Unmarshal(Read(tb, name), v); err != nil {
		tb.Fatalf("vectors: %s: %v", name, err)
	}
}

// find says where the vectors are: a folder, or why the test is to be skipped, or why it fails.
func find(env, root string, ci bool) (dir, skip string, err error) {
	if env != "" {
		if !isDir(env) {
			return "", "", fmt.Errorf("vectors: DVKEYS_VECTORS names %q, which is not a folder", env)
		}
		return env, "", nil
	}
	dir = filepath.Join(root, "..", "shared", "vectors")
	if isDir(dir) {
		return dir, "", nil
	}
	reason := fmt.Sprintf("vectors: no test vectors at %s; set DVKEYS_VECTORS to the folder that holds them", dir)
	if ci {
		return "", "", fmt.Errorf("%s (CI=true: a missing folder is a failure)", reason)
	}
	return "", reason, nil
}

func match(dir, glob string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(glob)))
	if err != nil {
		return nil, fmt.Errorf("vectors: pattern %q: %v", glob, err)
	}
	files = slices.DeleteFunc(files, isDir)
	if len(files) == 0 {
		return nil, fmt.Errorf("vectors: no file below %s matches %q", dir, glob)
	}
	return files, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// moduleRoot is the first folder at or above this source file that holds a go.mod, or, where the path of the source
// was trimmed from the binary, at or above the working directory (go test runs a test in its package's folder).
func moduleRoot() string {
	start, _ := os.Getwd()
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		start = filepath.Dir(file)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return start
		}
	}
}
