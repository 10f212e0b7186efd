package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// headline is a row of the summary: one of the results, beside one of its baselines.
type headline struct {
	what    string // for the reader
	group   string
	keys    []Key
	lane    string  // the baseline
	beside  string  // what that is, for the reader
	atLeast float64 // how many times as fast as the baseline the row should be; 0 if nothing was set
}

var headlines = []headline{
	{"sign distinct roots, software backend", "Sign", keys("by", "software", "roots", "distinct", "batch", "1", "cores", "1"),
		"blst", "raw blst", 0.9},
	{"sign one root with 1,000 keys", "Sign", keys("by", "software", "roots", "one", "batch", "1000", "cores", "1"),
		"blst", "raw blst", 0},
	{"guard 1,000 attestations of 1,000 validators: check, record, sign", "Guard", keys("store", "embedded", "strategy", "minimal", "validators", "1000", "cores", "1"),
		"blst", "raw blst, signing alone", 1.7},
	{"… with the complete history", "Guard", keys("store", "embedded", "strategy", "complete", "validators", "1000", "cores", "1"),
		"blst", "raw blst, signing alone", 1.7},
	{"guard 100, history in PostgreSQL", "Guard", keys("store", "postgres", "strategy", "minimal", "validators", "100", "cores", "1"),
		"embedded", "history in a file", 0.5},
	{"… with the complete history", "Guard", keys("store", "postgres", "strategy", "complete", "validators", "100", "cores", "1"),
		"embedded", "history in a file", 0.5},
	{"combine and verify 3 of 4, from 96-byte forms", "Combine", keys("members", "3-of-4", "ids", "consecutive"),
		"verification", "one verification", 1 / 1.15},
	{"… 9 of 13", "Combine", keys("members", "9-of-13", "ids", "consecutive"),
		"verification", "one verification", 1 / 1.5},
	{"… 3 of 4, with ids of the SSV network", "Combine", keys("members", "3-of-4", "ids", "ssv"),
		"herumi", "verify each, recover, verify", 0},
	{"… 9 of 13, with ids of the SSV network", "Combine", keys("members", "9-of-13", "ids", "ssv"),
		"herumi", "verify each, recover, verify", 0},
	{"verify 1,000 signatures of one root", "Verify", keys("by", "dvkeys", "roots", "one", "batch", "1000", "cores", "1"),
		"blst", "raw blst, one by one", 0},
	{"open a file of 10,000 keys, ready to sign", "Open", keys("backend", "software", "keys", "10000", "cores", "1"),
		"eip2335", "EIP-2335 keystores", 0},
}

func keys(pairs ...string) (list []Key) {
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, Key{pair[0], pair[1]})
	}
	return list
}

// WriteSummary writes a short table: the rows that there are of those that say most, with what was to be reached.
func (r *Results) WriteSummary(w io.Writer) error {
	var b strings.Builder
	for _, h := range headlines {
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Group == h.group && slices.Equal(row.Keys, h.keys) })
		if i < 0 {
			continue
		}
		rate, measured := r.Rows[i].Rate()
		ratio, compared := r.Rows[i].Get("x-" + h.lane)
		limit, limited := r.Rows[i].Get("x-" + Limit)
		if !measured || !compared || !limited {
			continue
		}
		wanted := ""
		if h.atLeast > 0 {
			wanted = "≥ " + fixed(h.atLeast)
		}
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s | %s |\n", h.what, number(rate.Value), rate.Unit, h.beside, fixed(ratio), wanted, fixed(limit))
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(w, "| what, on one core | rate | beside | times as fast | wanted | share of the limit |\n|---|---:|---|---:|---:|---:|\n"+b.String())
	return err
}

// fixed writes a ratio: two decimals while they say something.
func fixed(v float64) string {
	if v >= 99.95 {
		return number(v)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// The lines in a text between which the summary stands.
const (
	summaryBegin = "<!-- the summary of bench/RESULTS.md, written by make bench -->\n"
	summaryEnd   = "<!-- end of the summary -->\n"
)

// Replace returns a text with the summary between its marks in place of what stood there.
func (r *Results) Replace(text string) (string, error) {
	before, rest, begins := strings.Cut(text, summaryBegin)
	_, after, ends := strings.Cut(rest, summaryEnd)
	if !begins || !ends {
		return "", fmt.Errorf("report: the text has no place for the summary: the lines %q and %q expected", strings.TrimSpace(summaryBegin), strings.TrimSpace(summaryEnd))
	}
	var b strings.Builder
	if err := r.WriteSummary(&b); err != nil {
		return "", err
	}
	return before + summaryBegin + "\n" + b.String() + "\n" + summaryEnd + after, nil
}
