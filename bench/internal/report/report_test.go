package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/bench/internal/report"
)

const output = `machine: Some CPU, 2 cores, Linux 6.1, amd64, go1.26.0
goos: linux
goarch: amd64
pkg: github.com/claystack/dvkeys/bench
cpu: Some CPU @ 2.50GHz
Unit sigs/s better=higher
BenchmarkSign
BenchmarkSign/by=software/roots=distinct/batch=1/cores=2
BenchmarkSign/by=software/roots=distinct/batch=1/cores=2-2         	       3	    437000 ns/op	      2200 blst-sigs/s	      2300 limit-sigs/s	       420.5 p50-µs	       510 p99-µs	      2288.3 sigs/s	         1.040 x-blst	         0.995 x-limit
BenchmarkSign/by=pkcs11-jit/roots=one/batch=1000/cores=1
--- SKIP: BenchmarkSign/by=pkcs11-jit/roots=one/batch=1000/cores=1
    sign_test.go:40: no SoftHSM: install softhsm2 | or not
BenchmarkOther/8-of-13
BenchmarkOther/8-of-13         	       1	  12 ns/op	  5 things/s
PASS
ok  	github.com/claystack/dvkeys/bench	1.2s
`

func read(t *testing.T, text string) *report.Results {
	t.Helper()
	r, err := readAll(text)
	require.NoError(t, err)
	return r
}

func readAll(text string) (*report.Results, error) {
	r := &report.Results{}
	for line := range strings.Lines(text) {
		if _, err := r.Line(line); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func TestParse(t *testing.T) {
	r := read(t, output)
	require.Equal(t, "Some CPU @ 2.50GHz", r.Config["cpu"])
	require.Len(t, r.Rows, 3)

	row := r.Rows[0]
	require.Equal(t, "Sign/by=software/roots=distinct/batch=1/cores=2", row.Name(), "without the suffix of GOMAXPROCS")
	require.Equal(t, 3, row.Count)
	var units []string
	for _, m := range row.Metrics {
		units = append(units, m.Unit)
	}
	require.Equal(t, []string{"sigs/s", "p50-µs", "p99-µs", "blst-sigs/s", "x-blst", "limit-sigs/s", "x-limit", "ns/op"}, units)
	rate, ok := row.Rate()
	require.True(t, ok)
	require.Equal(t, report.Metric{Unit: "sigs/s", Value: 2288.3}, rate)
	require.Equal(t, []string{"blst", "limit"}, row.Others())

	require.Equal(t, "no SoftHSM: install softhsm2 | or not", r.Rows[1].Skipped)
	require.Equal(t, "one", r.Rows[1].Keys[1].Value)
	require.Equal(t, []report.Key{{Value: "8-of-13"}}, r.Rows[2].Keys, "no key; only a suffix of one number is cut off")
}

func TestParseKinds(t *testing.T) {
	var r report.Results
	var kinds []report.Kind
	for line := range strings.Lines(output) {
		kind, err := r.Line(line)
		require.NoError(t, err)
		if kind != report.Other {
			kinds = append(kinds, kind)
		}
	}
	const config, started = report.Config, report.Started
	require.Equal(t, []report.Kind{config, config, config, config, config, started, started, report.Result, started, report.Skip, started, report.Result}, kinds)
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"BenchmarkX 3 4 ns/op 5\n":                  "3 numbers and units, pairs expected",
		"BenchmarkX 3 a ns/op\n":                    `"a" is not a number of ns/op`,
		"BenchmarkX 99999999999999999999 4 ns/op\n": "value out of range",
		"--- SKIP: BenchmarkX/y\nBenchmarkZ\n":      "X/y was skipped and does not say why",
	} {
		_, err := readAll(text)
		require.ErrorContains(t, err, want)
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	require.NoError(t, read(t, output).WriteMarkdown(&b))
	text := b.String()
	require.Contains(t, text, "Measured on: Some CPU, 2 cores, Linux 6.1, amd64, go1.26.0.\n")
	require.Contains(t, text, "## Signing\n")
	require.Contains(t, text, `| by | roots | batch | cores | sigs/s | p50 µs | p99 µs | blst | × blst | limit | × limit |
|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|
| software | distinct | 1 | 2 | 2,288 | 421 | 510 | 2,200 | 1.04 | 2,300 | 0.99 |
| pkcs11-jit | one | 1000 | 1 | not measured: no SoftHSM: install softhsm2 \| or not |  |  |  |  |  |  |
`)
	require.Contains(t, text, "## Other\n\n|  | things/s |\n|---|---:|\n| 8-of-13 | 5.00 |\n")
	require.NotContains(t, text, "ns/op")
	for line := range strings.Lines(text) {
		require.Equal(t, strings.TrimRight(line, " \n")+"\n", line, "no blanks at the end of a line")
	}
}

func TestSummary(t *testing.T) {
	const rows = `BenchmarkCombine/members=3-of-4/ids=consecutive	2	9 ns/op	1000 combines/s	1100 verification-combines/s	0.91 x-verification	0.97 x-limit
BenchmarkGuard/store=embedded/strategy=minimal/validators=1000/cores=1	2	9 ns/op	6000 sigs/s	1.75 x-blst	0.9 x-limit
BenchmarkGuard/store=embedded/strategy=minimal/validators=1000/cores=2	2	9 ns/op	7000 sigs/s	1.76 x-blst	0.9 x-limit
BenchmarkCombine/members=9-of-13/ids=ssv	2	9 ns/op	1000 combines/s	0.97 x-limit
`
	const want = `| what, on one core | rate | beside | times as fast | wanted | share of the limit |
|---|---:|---|---:|---:|---:|
| guard 1,000 attestations of 1,000 validators: check, record, sign | 6,000 sigs/s | raw blst, signing alone | 1.75 | ≥ 1.70 | 0.90 |
| combine and verify 3 of 4, from 96-byte forms | 1,000 combines/s | one verification | 0.91 | ≥ 0.87 | 0.97 |
`
	r := read(t, rows)
	var b strings.Builder
	require.NoError(t, r.WriteSummary(&b))
	require.Equal(t, want, b.String())
	b.Reset()
	require.NoError(t, r.WriteMarkdown(&b))
	require.Contains(t, b.String(), "\n## In short\n\n"+want+"\n## Combining")
	b.Reset()
	require.NoError(t, read(t, output).WriteMarkdown(&b))
	require.NotContains(t, b.String(), "In short", "of rows that say less there is none")

	const begin, end = "<!-- the summary of bench/RESULTS.md, written by make bench -->\n", "<!-- end of the summary -->\n"
	text, err := r.Replace("before\n" + begin + "old\n" + end + "after\n")
	require.NoError(t, err)
	require.Equal(t, "before\n"+begin+"\n"+want+"\n"+end+"after\n", text)
	again, err := r.Replace(text)
	require.NoError(t, err)
	require.Equal(t, text, again)
	for _, bad := range []string{"", begin, end, end + begin} {
		_, err := r.Replace(bad)
		require.ErrorContains(t, err, "no place for the summary")
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"1234567.8": "1,234,568", "999.6": "1,000", "99.96": "100", "99.94": "99.9", "10": "10.0", "9.996": "10.0", "9.99": "9.99", "0.0123": "0.01", "100000": "100,000",
	} {
		var b strings.Builder
		require.NoError(t, read(t, "BenchmarkX 1 "+text+" a/s\n").WriteMarkdown(&b))
		require.Contains(t, b.String(), "| "+want+" |")
	}
}

func TestSVG(t *testing.T) {
	var b strings.Builder
	hostile := strings.ReplaceAll(output, "by=software", `by=<&">`)
	require.NoError(t, read(t, hostile).WriteSVG(&b))
	elements, texts := map[string]int{}, ""
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
		case xml.CharData:
			texts += string(token) + "\n"
		}
	}
	require.Equal(t, 1, elements["svg"])
	require.Equal(t, 1+1+1, elements["rect"], "the ground, the legend's bar and one row: others have no limit or were skipped")
	require.Equal(t, 1+1, elements["circle"], "one baseline and its place in the legend")
	require.Contains(t, texts, "2,288 sigs/s")
	require.Contains(t, texts, `<&">, roots distinct, batch 1, cores 2`)
	require.Contains(t, b.String(), `width="389.7" height="11"`, "0.995 of the limit, which is 470/1.2 pixels away")

	b.Reset()
	require.NoError(t, new(report.Results).WriteSVG(&b), "of nothing")
}

func TestMachine(t *testing.T) {
	m := report.ThisMachine()
	require.NotEmpty(t, m.CPU)
	require.Positive(t, m.Cores)
	require.Contains(t, m.String(), m.Go)
	require.Equal(t, "x, 1 core, k, g", report.Machine{CPU: "x", Cores: 1, Kernel: "k", Go: "g"}.String())
}
