package ssv

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/claystack/dvkeys/internal/strictjson"
)

// decode reads exactly one JSON value: objects as map[string]any, arrays as
// []any, numbers as json.Number. It refuses what [strictjson.Check] does.
func decode(b []byte) (v any, err error) {
	if err := strictjson.Check(b); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// object asserts that v is an object with all required keys, perhaps some of
// the optional ones, and no other. It returns nil when v is no object.
func (r *faults) object(v any, path string, required []string, optional ...string) map[string]any {
	o, ok := v.(map[string]any)
	if !ok {
		r.add(path, "is %s, want an object", kind(v))
		return nil
	}
	for _, k := range required {
		if _, ok := o[k]; !ok {
			r.add(join(path, k), "is missing")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(required, k) && !slices.Contains(optional, k) {
			r.add(path, "has an unknown field %s", quote(k))
		}
	}
	return o
}

// array returns the array o[key]. A missing key is object's fault to report.
func (r *faults) array(o map[string]any, key, path string) []any {
	v, ok := o[key]
	list, isList := v.([]any)
	if ok && !isList {
		r.add(join(path, key), "is %s, want an array", kind(v))
	}
	return list
}

// text returns the string o[key], and whether there is one.
func (r *faults) text(o map[string]any, key, path string) (string, bool) {
	v, ok := o[key]
	s, isText := v.(string)
	if ok && !isText {
		r.add(join(path, key), "is %s, want a string", kind(v))
	}
	return s, isText
}

// number returns the unsigned integer o[key].
func (r *faults) number(o map[string]any, key, path string) uint64 {
	v, ok := o[key]
	if !ok {
		return 0
	}
	return r.integer(v, join(path, key))
}

// integer returns v, which must be written as an unsigned decimal integer of at
// most 64 bits: no sign, fraction or exponent, no quotes.
func (r *faults) integer(v any, path string) uint64 {
	number, ok := v.(json.Number)
	if !ok {
		r.add(path, "is %s, want a whole number", kind(v))
		return 0
	}
	n, err := strconv.ParseUint(number.String(), 10, 64)
	if err != nil {
		r.add(path, "is %s, want a whole number of at most %d", clip(number.String()), uint64(math.MaxUint64))
		return 0
	}
	return n
}

// kind names the JSON type of a decoded value.
func kind(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "null"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// quote makes a text of the input fit for an error message.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const most = 32
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
