package ssv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is more than any of the files nests, and little enough for the
// recursion of decode.
const maxDepth = 16

// decode reads exactly one JSON value: objects as map[string]any, arrays as
// []any, numbers as json.Number. Unlike encoding/json it refuses a key that
// occurs twice in an object, and bytes that are not UTF-8.
func decode(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("is not UTF-8")
	}
	if err := json.Unmarshal(b, new(json.RawMessage)); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("is not one JSON value: fault at byte %d of %d", syntax.Offset, len(b))
		}
		return nil, errors.New("is not one JSON value")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return decodeValue(d, 0)
}

// decodeValue reads one value of d, whose input is known to be valid JSON.
func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("is not JSON at byte %d", d.InputOffset())
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("nests deeper than %d at byte %d", maxDepth, d.InputOffset())
	}
	var v any
	if open == '[' {
		v, err = decodeArray(d, depth+1)
	} else {
		v, err = decodeObject(d, depth+1)
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, fmt.Errorf("is not JSON at byte %d", d.InputOffset())
	}
	return v, nil
}

func decodeArray(d *json.Decoder, depth int) ([]any, error) {
	list := []any{}
	for d.More() {
		v, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func decodeObject(d *json.Decoder, depth int) (map[string]any, error) {
	object := map[string]any{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("is not JSON at byte %d", d.InputOffset())
		}
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("has the key %s twice at byte %d", quote(key), d.InputOffset())
		}
		if object[key], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	return object, nil
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
