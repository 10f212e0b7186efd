// Package strictjson reads JSON as encoding/json does, but refuses what has two
// readings: a key that occurs twice in an object, data after the value, and bytes
// that are not UTF-8.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
// fields are all the keys that there may be.
func Decode(b []byte, v any) error {
	if err := Check(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
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
