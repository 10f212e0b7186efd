// Package strictjson reads JSON as encoding/json does, but refuses what has two
// readings: a key that occurs twice in an object, a key that is a field's name but
// for its case, data after the value, and bytes that are not UTF-8.
package strictjson

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest: more than any file of this
// library does.
const MaxDepth = 16

// Check returns an error unless b is exactly one JSON value, in UTF-8, in which no
// object has a key twice. The error says what is wrong at which byte, to be put
// after the name of what was read.
func Check(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("is not UTF-8")
	}
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(b, new(json.RawMessage)); {
	case errors.As(err, &syntax):
		return fmt.Errorf("is not one JSON value: fault at byte %d of %d", syntax.Offset, len(b))
	case err != nil:
		return errors.New("is not one JSON value")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return uniqueKeys(d, 0)
}

// uniqueKeys reads one value, which is known to be valid JSON.
func uniqueKeys(d *json.Decoder, depth int) error {
	t, err := d.Token()
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return err
	}
	if depth == MaxDepth {
		return fmt.Errorf("nests deeper than %d at byte %d", MaxDepth, d.InputOffset())
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := t.(string)
			if seen[key] {
				return fmt.Errorf("has the key %.40q twice at byte %d", key, d.InputOffset())
			}
			seen[key] = true
		}
		if err := uniqueKeys(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// Decode checks b as Check does and decodes it into v, a pointer to a struct, whose
// fields are all the keys that there may be, by their exact names. encoding/json by
// itself takes a name in any case, so that {"to":1,"TO":2} has the value 2 to it and
// 1 to most other readers.
func Decode(b []byte, v any) error {
	if err := Check(b); err != nil {
		return err
	}
	if string(bytes.TrimSpace(b)) == "null" {
		return errors.New("is null, expected an object")
	}
	if err := exactNames(b, reflect.TypeOf(v)); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

var (
	decodesJSON = reflect.TypeFor[json.Unmarshaler]()
	decodesText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// exactNames returns an error if an object of b, which is valid JSON for a value of
// type t, has a key that is not the name of a field. What decodes itself is passed
// over, and so is a value of the wrong kind: decoding says so.
func exactNames(b []byte, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(decodesJSON) || p.Implements(decodesText) {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		var items []json.RawMessage
		if json.Unmarshal(b, &items) != nil {
			return nil
		}
		for _, item := range items {
			if err := exactNames(item, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Struct:
		var members map[string]json.RawMessage
		if json.Unmarshal(b, &members) != nil {
			return nil
		}
		fields := make(map[string]reflect.Type, t.NumField())
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[cmp.Or(name, f.Name)] = f.Type
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			field, known := fields[name]
			if !known {
				return fmt.Errorf("has the unknown field %.40q", name)
			}
			if err := exactNames(members[name], field); err != nil {
				return err
			}
		}
	}
	return nil
}

// Object checks b as Check does and returns the members of the one object that it
// is. Unlike the fields of a struct, which encoding/json matches in any case, they
// have their exact names.
func Object(b []byte) (map[string]json.RawMessage, error) {
	if err := Check(b); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, errors.New("is not a JSON object")
	}
	return members, nil
}
