package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MachineKey is the configuration key under which the output says where it was measured.
const MachineKey = "machine"

// WriteMarkdown writes the results as one table for each group.
func (r *Results) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprint(&b, "# Benchmarks\n\nWritten by `make bench`; edit nothing here.\n\n")
	if where := r.Config[MachineKey]; where != "" {
		fmt.Fprintf(&b, "Measured on: %s.\n\n", where)
	}
	fmt.Fprintln(&b, introduction)
	fmt.Fprint(&b, "\n![rates as a share of their limits](results.svg)\n")
	var short strings.Builder
	if err := r.WriteSummary(&short); err != nil {
		return err
	}
	if short.Len() > 0 {
		fmt.Fprintf(&b, "\n## In short\n\n%s", short.String())
	}
	for _, group := range r.groups() {
		rows := r.of(group)
		text := about(group)
		fmt.Fprintf(&b, "\n## %s\n\n", text.title)
		if text.note != "" {
			fmt.Fprintf(&b, "%s\n\n", text.note)
		}
		table(&b, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const introduction = "Each row was measured in turns with its baselines and its limit, in rounds of one turn each, so that whatever " +
	"else the machine did fell on all of them. Rates are those of the median turn. p50 and p99 are the latencies of one " +
	"operation, in µs: of the whole batch where there is one; of fewer than a hundred operations p99 is the slowest. " +
	"“× name” says how many times as fast as that baseline the row is, by the fastest tenth of the turns of both, which the rest " +
	"of the machine disturbed least: where it disturbs, that is not the ratio of the two rates. The limit runs only the primitives that the work can " +
	"not be done without, with raw blst and keys in ordinary memory; “× limit” is 1 where nothing is lost."

// groups returns the groups in the order of the catalog, then those that it does not have, in the order of their rows.
func (r *Results) groups() (names []string) {
	for _, row := range r.Rows {
		if !slices.Contains(names, row.Group) {
			names = append(names, row.Group)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(position(a), position(b)) })
	return names
}

func (r *Results) of(group string) (rows []Row) {
	for _, row := range r.Rows {
		if row.Group == group {
			rows = append(rows, row)
		}
	}
	return rows
}

// table writes the rows of one group. Its columns are the keys and the units of all of them.
func table(b *strings.Builder, rows []Row) {
	var keys, units []string
	for _, row := range rows {
		for _, k := range row.Keys {
			if !slices.Contains(keys, k.Name) {
				keys = append(keys, k.Name)
			}
		}
		for _, m := range row.Metrics {
			if place(m.Unit) < "6" && !slices.Contains(units, m.Unit) {
				units = append(units, m.Unit)
			}
		}
	}
	slices.SortStableFunc(units, func(a, c string) int { return strings.Compare(place(a), place(c)) })
	for _, k := range keys {
		fmt.Fprintf(b, "| %s ", k)
	}
	for _, u := range units {
		fmt.Fprintf(b, "| %s ", heading(u))
	}
	fmt.Fprintf(b, "|\n%s%s|\n", strings.Repeat("|---", len(keys)), strings.Repeat("|---:", len(units)))
	for _, row := range rows {
		for _, name := range keys {
			i := slices.IndexFunc(row.Keys, func(k Key) bool { return k.Name == name })
			value := ""
			if i >= 0 {
				value = escape(row.Keys[i].Value)
			}
			fmt.Fprintf(b, "| %s ", value)
		}
		for i, u := range units {
			text := ""
			if v, ok := row.Get(u); ok {
				text = number(v)
				if strings.HasPrefix(u, "x-") {
					text = fixed(v)
				}
			} else if row.Skipped != "" && i == 0 {
				text = "not measured: " + escape(row.Skipped)
			}
			fmt.Fprintf(b, "| %s ", text)
		}
		fmt.Fprint(b, "|\n")
	}
}

// heading returns what a column is called: the rates of others lose the unit, which is that of the row's own.
func heading(unit string) string {
	if name, ok := strings.CutPrefix(unit, "x-"); ok {
		return "× " + name
	}
	if strings.HasSuffix(unit, "-µs") {
		return strings.TrimSuffix(unit, "-µs") + " µs"
	}
	if i := strings.LastIndex(unit, "-"); i > 0 && strings.HasSuffix(unit, "/s") {
		return unit[:i]
	}
	return unit
}

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// number writes three significant digits at least, and thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
