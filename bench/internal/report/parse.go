// Package report reads the output of the benchmarks as it comes and writes it as a Markdown table and an SVG plot.
package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Row is one line of results.
type Row struct {
	Group   string // the benchmark: Sign, of BenchmarkSign
	Keys    []Key  // what its name says beyond that, in order
	Count   int    // rounds
	Metrics []Metric
	Skipped string // why there are no results
}

// Key is one key=value of a benchmark's name.
type Key struct{ Name, Value string }

// Metric is a number of a row with its unit.
type Metric struct {
	Unit  string
	Value float64
}

// Get returns the number with that unit.
func (r Row) Get(unit string) (float64, bool) {
	i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Unit == unit })
	if i < 0 {
		return 0, false
	}
	return r.Metrics[i].Value, true
}

// Rate returns the row's own rate, the one unit with a slash that names no other lane.
func (r Row) Rate() (Metric, bool) {
	for _, m := range r.Metrics {
		if isRate(m.Unit) {
			return m, true
		}
	}
	return Metric{}, false
}

func isRate(unit string) bool { return strings.HasSuffix(unit, "/s") && !strings.Contains(unit, "-") }

// Others returns the names of the lanes beside the row's own: its baselines, then the limit.
func (r Row) Others() (names []string) {
	for _, m := range r.Metrics {
		if name, ok := strings.CutPrefix(m.Unit, "x-"); ok && name != Limit {
			names = append(names, name)
		}
	}
	if _, ok := r.Get("x-" + Limit); ok {
		names = append(names, Limit)
	}
	return names
}

// Limit is the name of the lane that runs only what can not be done without.
const Limit = "limit"

// Name returns how the benchmark is called without the prefix.
func (r Row) Name() string {
	name := r.Group
	for _, k := range r.Keys {
		name += "/" + k.String()
	}
	return name
}

// String returns key=value, or the value alone if it has no key.
func (k Key) String() string {
	if k.Name == "" {
		return k.Value
	}
	return k.Name + "=" + k.Value
}

// Results are what a run of the benchmarks printed.
type Results struct {
	Config map[string]string // goos, goarch, cpu and so on
	Rows   []Row

	started  string // the benchmark that began last
	skipping string // the one whose reason comes in the next line
}

var (
	configLine = regexp.MustCompile(`^([a-z][a-z0-9-]*): +(\S.*)$`)
	skipLine   = regexp.MustCompile(`^--- SKIP: Benchmark(\S+)$`)
	reasonLine = regexp.MustCompile(`^ +\w+\.go:\d+: (.*)$`)
	resultLine = regexp.MustCompile(`^Benchmark(\S+)\s+(\d+)\s+(\S.*)$`)
	startLine  = regexp.MustCompile(`^Benchmark(\S+)$`)
	cpuSuffix  = regexp.MustCompile(`-\d+$`)
)

// Kind is what a line of the output was.
type Kind int

// The kinds of lines.
const (
	Other   Kind = iota
	Config       // a line that says where the benchmarks ran
	Started      // a benchmark begins
	Result       // a row was added
	Skip         // a row without results was added
)

// Line takes the next line of the output of `go test -v -bench` and says what it was. A line that begins like a result but
// is none is an error.
func (r *Results) Line(line string) (Kind, error) {
	line = strings.TrimRight(line, " \t\r\n")
	if r.skipping != "" {
		name := r.skipping
		r.skipping = ""
		if m := reasonLine.FindStringSubmatch(line); m != nil {
			row := named(name)
			row.Skipped = m[1]
			r.Rows = append(r.Rows, row)
			return Skip, nil
		}
		return Other, fmt.Errorf("report: benchmark %s was skipped and does not say why", name)
	}
	if m := configLine.FindStringSubmatch(line); m != nil {
		if r.Config == nil {
			r.Config = map[string]string{}
		}
		r.Config[m[1]] = m[2]
		return Config, nil
	}
	if m := skipLine.FindStringSubmatch(line); m != nil {
		r.skipping = m[1]
		return Other, nil
	}
	if m := startLine.FindStringSubmatch(line); m != nil {
		r.started = m[1]
		return Started, nil
	}
	m := resultLine.FindStringSubmatch(line)
	if m == nil {
		return Other, nil
	}
	name := m[1]
	if name != r.started { // then it ends in the number of cores
		name = cpuSuffix.ReplaceAllString(name, "")
	}
	row := named(name)
	var err error
	if row.Count, err = strconv.Atoi(m[2]); err != nil {
		return Other, fmt.Errorf("report: %s: %w", row.Name(), err)
	}
	fields := strings.Fields(m[3])
	if len(fields)%2 != 0 {
		return Other, fmt.Errorf("report: %s: %d numbers and units, pairs expected", row.Name(), len(fields))
	}
	for i := 0; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return Other, fmt.Errorf("report: %s: %q is not a number of %s", row.Name(), fields[i], fields[i+1])
		}
		row.Metrics = append(row.Metrics, Metric{fields[i+1], value})
	}
	slices.SortStableFunc(row.Metrics, func(a, b Metric) int { return cmp.Compare(place(a.Unit), place(b.Unit)) })
	r.Rows = append(r.Rows, row)
	return Result, nil
}

// named splits the name of a benchmark.
func named(name string) Row {
	group, rest, _ := strings.Cut(name, "/")
	row := Row{Group: group}
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if key, value, ok := strings.Cut(part, "="); ok {
			row.Keys = append(row.Keys, Key{key, value})
		} else {
			row.Keys = append(row.Keys, Key{"", part})
		}
	}
	return row
}

// place orders units: the rate, the latencies, then each baseline with its ratio, then the limit with its own.
func place(unit string) string {
	switch {
	case isRate(unit):
		return "1"
	case strings.HasPrefix(unit, "p"):
		return "2" + unit
	case unit == "x-"+Limit:
		return "5"
	case strings.HasPrefix(unit, Limit+"-"):
		return "4"
	case strings.HasPrefix(unit, "x-"):
		return "3" + unit[2:] + "~"
	case strings.HasSuffix(unit, "/s"):
		return "3" + unit[:strings.LastIndex(unit, "-")]
	}
	return "6" + unit
}
