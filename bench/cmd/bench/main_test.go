package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func program(args ...string) (out, diag string, err error) {
	var o, d bytes.Buffer
	err = run(context.Background(), args, &o, &d)
	return o.String(), d.String(), err
}

// TestTrial runs every row once, with few keys, and then makes the same files from what was printed.
func TestTrial(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	out, diag, err := program("-short", "-benchtime", "1x", "-out", dir)
	require.NoError(t, err, "%s%s", out, diag)
	require.Regexp(t, `(?m)^machine: .*\n`, out)
	require.Regexp(t, `(?m)^Unit combines/s better=higher\n`, out)
	require.Regexp(t, `(?m)^BenchmarkCombine/members=3-of-4/ids=ssv\S* .* combines/s`, out)

	names := []string{"RESULTS.md", "results.svg", "results.txt"}
	for _, name := range names {
		require.Contains(t, diag, "wrote "+filepath.Join(dir, name))
	}
	_, _, err = program("-from", filepath.Join(dir, "results.txt"), "-out", again)
	require.NoError(t, err)
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
	table, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	require.NoError(t, err)
	plot, err := os.ReadFile(filepath.Join(dir, "results.svg"))
	require.NoError(t, err)
	for _, title := range []string{"Signing", "Verifying", "Combining partial signatures", "Slashing protection", "Guarded signing, end to end", "Opening the key store"} {
		require.Contains(t, string(table), "\n## "+title+"\n")
		require.Contains(t, string(plot), ">"+title+"<")
	}
	if os.Getenv("CI") == "true" {
		require.NotContains(t, string(table), "not measured", "what is measured is installed there")
	}
}

// TestRecorded holds that the table, the plot and the README's summary are those of the recorded run.
func TestRecorded(t *testing.T) {
	recorded, dir := filepath.Join("..", ".."), t.TempDir()
	readme := filepath.Join(dir, "README.md")
	want, err := os.ReadFile(filepath.Join(recorded, "..", "README.md"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(readme, want, 0o600))
	_, diag, err := program("-from", filepath.Join(recorded, "results.txt"), "-out", dir, "-readme", readme)
	require.NoError(t, err)
	require.Contains(t, diag, "wrote "+readme)
	got, err := os.ReadFile(readme)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "README.md")
	for _, name := range []string{"RESULTS.md", "results.svg"} {
		want, err := os.ReadFile(filepath.Join(recorded, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	_, _, err := program("-bench", "Nothing", "-out", dir)
	require.ErrorContains(t, err, `no benchmark matches "Nothing"`)
	_, _, err = program("-from", filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = program("-from", filepath.Join("..", "..", "results.txt"), "-readme", filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = program("extra")
	require.ErrorContains(t, err, `unexpected argument "extra"`)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestProgress(t *testing.T) {
	p := &progress{total: 8, done: 2, columns: 60}
	require.Equal(t, "[#####...............] 2/8, about 30s left  Sign/by=blst/ro", p.line("Sign/by=blst/roots=one", 10*time.Second))
	p.done, p.columns = 8, 200
	require.Equal(t, "[####################] 8/8  x", p.line("x", time.Second))
	require.Equal(t, "[....................] 0/0  x", (&progress{columns: 80, total: 0}).line("x", 0))

	var b bytes.Buffer
	p = newProgress(&b, 3)
	p.show("x")
	p.clear()
	require.Zero(t, b.Len(), "nothing where there is no terminal")
}
