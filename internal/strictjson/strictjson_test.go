package strictjson_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/strictjson"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{`{}`, ` [1, {"a":1,"b":{"a":2}}] `, `"x"`, `null`, `1e9`, strings.Repeat("[", 16) + strings.Repeat("]", 16)} {
		require.NoError(t, strictjson.Check([]byte(good)), good)
	}
	for bad, want := range map[string]string{
		``:                      "is not one JSON value",
		`{`:                     "fault at byte 1 of 1",
		`{} {}`:                 "is not one JSON value",
		`{"a":1,"a":2}`:         `has the key "a" twice at byte 10`,
		`{"a":1,"\u0061":2}`:    `has the key "a" twice`,
		`[{"b":{"c":1,"c":1}}]`: `has the key "c" twice`,
		"\"\xff\"":              "is not UTF-8",
		strings.Repeat("[", 17) + strings.Repeat("]", 17): "nests deeper than 16",
	} {
		require.ErrorContains(t, strictjson.Check([]byte(bad)), want, bad)
	}
}

func TestDecode(t *testing.T) {
	var v struct{ A int }
	require.NoError(t, strictjson.Decode([]byte(`{"A":7}`), &v))
	require.Equal(t, 7, v.A)
	require.ErrorContains(t, strictjson.Decode([]byte(`{"B":7}`), &v), "unknown field")
	require.ErrorContains(t, strictjson.Decode([]byte(`{"A":7,"A":8}`), &v), "twice")
	require.ErrorContains(t, strictjson.Decode([]byte(`{"A":7}x`), &v), "not one JSON value")
	require.ErrorContains(t, strictjson.Decode([]byte(` null `), &v), "is null, expected an object")
	require.ErrorContains(t, strictjson.Decode([]byte(`{"A":"x"}`), &v), "cannot unmarshal string")
}

// text is a type that decodes itself.
type text string

func (x *text) UnmarshalText(b []byte) error { *x = text(b); return nil }

// TestDecodeExactNames holds that a key in another case than its field's name, which
// encoding/json would take, is refused at every depth.
func TestDecodeExactNames(t *testing.T) {
	type inner struct {
		Value text `json:"value,omitempty"`
		Plain int
	}
	type outer struct {
		To   string    `json:"to"`
		List []inner   `json:"list"`
		Two  [2]*inner `json:"two"`
		One  *inner    `json:"one"`
	}
	var v outer
	require.NoError(t, strictjson.Decode([]byte(`{"to":"a","list":[{"value":"b","Plain":1}],"two":[null,{"value":"c"}],"one":null}`), &v))
	require.Equal(t, outer{"a", []inner{{"b", 1}}, [2]*inner{nil, {"c", 0}}, nil}, v)
	for bad, name := range map[string]string{
		`{"to":"a","TO":"b"}`:         "TO",
		`{"To":"a"}`:                  "To",
		`{"list":[{},{"Value":"b"}]}`: "Value",
		`{"list":[{"plain":1}]}`:      "plain",
		`{"two":[{"VALUE":"b"}]}`:     "VALUE",
		"{\"li\u017ft\":[]}":          "li\u017ft", // a long s, which folds to s
	} {
		require.ErrorContains(t, strictjson.Decode([]byte(bad), &v), fmt.Sprintf("has the unknown field %q", name), bad)
	}
}

func TestObject(t *testing.T) {
	members, err := strictjson.Object([]byte(`{"a":[1],"A":"x"}`))
	require.NoError(t, err)
	require.Equal(t, `[1]`, string(members["a"]))
	require.Len(t, members, 2)
	for _, bad := range []string{`[]`, `null`, `3`, `{"a":1,"a":1}`, `{`} {
		_, err := strictjson.Object([]byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if strictjson.Check(b) == nil {
			require.NoError(t, strictjson.Check([]byte(strings.TrimSpace(string(b)))))
		}
	})
}
