package eip2335

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fields reads the members of one JSON object and remembers the first fault.
type fields struct {
	at      string // the object's name and a dot
	members map[string]json.RawMessage
	err     *error
}

// fail names a member and what is wrong with it, unless an earlier fault was found.
func (f fields) fail(name, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s%.40s %s", f.at, name, fmt.Sprintf(format, args...))
	}
}

// only refuses members of other names.
func (f fields) only(names ...string) {
	for member := range f.members {
		if !slices.Contains(names, member) {
			f.fail(member, "is an unknown key")
		}
	}
}

// object returns the members of a member that is an object; one that is not required may be missing or null.
func (f fields) object(name string, required bool) fields {
	inner := fields{at: f.at + name + ".", err: f.err}
	raw, ok := f.members[name]
	switch {
	case !required && (!ok || string(raw) == "null"):
	case !ok:
		f.fail(name, "is missing")
	case json.Unmarshal(raw, &inner.members) != nil || inner.members == nil:
		f.fail(name, "is not a JSON object")
	}
	return inner
}

// text returns a member that is a string; one that is not required may be missing or null.
func (f fields) text(name string, required bool) (s string) {
	raw, ok := f.members[name]
	switch {
	case !required && (!ok || string(raw) == "null"):
	case !ok:
		f.fail(name, "is missing")
	case string(raw) == "null" || json.Unmarshal(raw, &s) != nil:
		f.fail(name, "is not a string")
	}
	return s
}

// is refuses a member that is not exactly this string.
func (f fields) is(name, want string) {
	if s := f.text(name, true); s != want {
		f.fail(name, "is %.40q, expected %q", s, want)
	}
}

// hex returns the bytes of a member in hex, of either case and with or without 0x.
func (f fields) hex(name string) []byte {
	s := f.text(name, true)
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		f.fail(name, "is not hex, or of an odd number of digits")
	}
	return b
}

// integer returns a member that is a whole number below 2^53. Files are found with the number in quotes, or written as a
// floating-point one.
func (f fields) integer(name string) uint64 {
	raw, ok := f.members[name]
	if !ok {
		f.fail(name, "is missing")
		return 0
	}
	var n json.Number // takes a string, too, if a number is in it
	if json.Unmarshal(raw, &n) == nil {
		if i, err := strconv.ParseUint(n.String(), 10, 53); err == nil {
			return i
		}
		if x, err := n.Float64(); err == nil && x >= 0 && x < 1<<53 && x == math.Trunc(x) {
			return uint64(x)
		}
	}
	f.fail(name, "is not a whole number from 0 to 2^53-1")
	return 0
}
