package checks

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%#x", "%q", "%+q", "%#q", "%d", "%o", "%O", "%b", "%c", "%U", "%t", "%e", "%g", "%p",
}

// printed returns every text that Go's printers make of a value: fmt with each verb, json, xml, gob, text and binary
// marshalling, slog as text and as JSON; of the value, of a pointer to it, and of both inside structs, slices and maps.
func printed(v reflect.Value) map[string]string {
	texts := map[string]string{}
	for how, w := range wrapped(v) {
		for _, verb := range verbs {
			texts[how+" with "+verb] = fmt.Sprintf(verb, w)
		}
		texts[how+" in an error"] = fmt.Errorf("wrapped: %w", fmt.Errorf("%v", w)).Error()
		add := func(encoder string, encode func() ([]byte, error)) {
			b, err := encode()
			texts[how+" in "+encoder] = fmt.Sprintf("%s%v", b, err)
		}
		add("json", func() ([]byte, error) { return json.Marshal(w) })
		add("xml", func() ([]byte, error) { return xml.Marshal(w) })
		add("gob", func() ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(w)
			return b.Bytes(), err
		})
		if m, ok := w.(encoding.TextMarshaler); ok {
			add("text", m.MarshalText)
		}
		if m, ok := w.(encoding.BinaryMarshaler); ok {
			add("binary", m.MarshalBinary)
		}
		var log bytes.Buffer
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, options), slog.NewJSONHandler(&log, options)} {
			logger := slog.New(h)
			logger.Info("message", "value", w, slog.Group("group", "value", w))
			logger.With("value", w).Warn(fmt.Sprint(w))
		}
		texts[how+" in slog"] = log.String()
	}
	return texts
}

// wrapped returns a value, a pointer to it, and both as an exported and an unexported field, an element and a map entry.
func wrapped(v reflect.Value) map[string]any {
	forms := map[string]any{}
	pointer := reflect.New(v.Type())
	pointer.Elem().Set(v)
	for name, f := range map[string]reflect.Value{"value": v, "pointer": pointer} {
		forms[name] = f.Interface()
		st := reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "Exported", Type: f.Type()},
			{Name: "unexported", Type: f.Type(), PkgPath: module},
		})).Elem()
		st.Field(0).Set(f)
		reflect.NewAt(f.Type(), unsafe.Pointer(st.Field(1).UnsafeAddr())).Elem().Set(f)
		forms[name+" in a struct"] = st.Interface()
		forms[name+" in a pointed-to struct"] = st.Addr().Interface()
		forms[name+" in a slice"] = reflect.Append(reflect.MakeSlice(reflect.SliceOf(f.Type()), 0, 1), f).Interface()
		m := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), f.Type()))
		m.SetMapIndex(reflect.ValueOf("key"), f)
		forms[name+" in a map"] = m.Interface()
		forms[name+" in an interface"] = []any{f.Interface()}
	}
	return forms
}

// A visitor goes through a value and all that it holds, through unexported fields and interfaces too, and looks at what
// is printed of every value of a named type of this module.
type visitor struct {
	needle  needle
	own     func(reflect.Type) bool // whether a type is to be printed for itself
	visited map[string]int          // how many values of a type were printed, by "import/path.Name"
	seen    map[visit]bool
	faults  []string
}

type visit struct {
	at  unsafe.Pointer
	typ reflect.Type
}

func newVisitor(secrets [][]byte, own func(reflect.Type) bool) *visitor {
	return &visitor{needle: newNeedle(secrets...), own: own, visited: map[string]int{}, seen: map[visit]bool{}}
}

// look prints the value and goes into it. v is addressable, so that unexported fields can be read.
func (c *visitor) look(where string, v reflect.Value) {
	if at := (visit{unsafe.Pointer(v.UnsafeAddr()), v.Type()}); c.seen[at] {
		return
	} else {
		c.seen[at] = true
	}
	if name := typeName(v.Type()); name != "" && c.own(v.Type()) && c.visited[name] < 2 { // two of a kind are enough
		c.visited[name]++
		c.check(where, v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.look(where, v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			held := reflect.New(v.Elem().Type()).Elem()
			held.Set(v.Elem())
			c.look(where, held)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != "" && !c.own(v.Type()) {
			return // another module's struct; its fields may be guarded by locks that are not ours
		}
		for i := range v.NumField() {
			f := v.Field(i)
			c.look(where+"."+v.Type().Field(i).Name, reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
		}
	case reflect.Slice, reflect.Array:
		if !plain(v.Type().Elem().Kind()) {
			for i := range min(v.Len(), 4) {
				c.look(where+"[]", v.Index(i))
			}
		}
	case reflect.Map:
		for iter, n := v.MapRange(), 0; iter.Next() && n < 4; n++ {
			for _, part := range []reflect.Value{iter.Key(), iter.Value()} {
				held := reflect.New(part.Type()).Elem()
				held.Set(part)
				c.look(where+"[]", held)
			}
		}
	}
}

// check records in how many ways what is printed of v shows a secret, and the first of them.
func (c *visitor) check(where string, v reflect.Value) {
	looked := map[string]string{}
	var shown []string
	for how, text := range printed(v) {
		as, done := looked[text]
		if !done {
			as = c.needle.in(text)
			looked[text] = as
		}
		if as != "" {
			shown = append(shown, how+" "+as)
		}
	}
	if len(shown) > 0 {
		c.faults = append(c.faults, fmt.Sprintf("%s (%s) shows its secret when printed in %d ways, such as %s", where, v.Type(), len(shown), slices.Min(shown)))
	}
}

// typeName returns "import/path.Name" for a named type and "" for any other.
func typeName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	if t.PkgPath() == "" {
		return ""
	}
	return t.PkgPath() + "." + name
}

func plain(k reflect.Kind) bool {
	return k <= reflect.Complex128 || k == reflect.String
}

type (
	leakyBytes   struct{ secret []byte }
	leakyArray   [32]byte
	leakyString  struct{ s string }
	leakyJSON    struct{ leakyHidden }
	leakyLog     struct{ leakyHidden }
	leakyPointer struct{ leakyHidden }
	leakyNested  struct{ any }
	leakyHidden  struct{ get func() []byte }
	leakyBehind  struct{ secret *[32]byte } // fmt follows one pointer of an unexported field when the verb does not fit
	hiding       struct{ secret **[32]byte }
)

func (l leakyJSON) MarshalJSON() ([]byte, error) { return json.Marshal(l.get()) }
func (l leakyLog) LogValue() slog.Value          { return slog.AnyValue(l.get()) }
func (l *leakyPointer) String() string           { return fmt.Sprintf("%X", l.get()) }
func (leakyBehind) Format(f fmt.State, _ rune)   { fmt.Fprint(f, "[secret]") }
func (hiding) Format(f fmt.State, _ rune)        { fmt.Fprint(f, "[secret]") }

// TestVisitorFault shows the visitor types that leak, each in another way, and one that does not.
func TestVisitorFault(t *testing.T) {
	var secret [32]byte
	for i := range secret {
		secret[i] = byte(i*i + 31*i + 200)
	}
	get := leakyHidden{func() []byte { return secret[:] }}
	visit := func(v any) *visitor {
		c := newVisitor([][]byte{secret[:]}, func(t reflect.Type) bool { return strings.HasPrefix(t.PkgPath(), module) })
		c.look("value", reflect.ValueOf(&v).Elem())
		return c
	}
	for _, v := range []any{
		leakyBytes{secret[:]}, &leakyBytes{secret[:]}, leakyArray(secret), leakyString{string(secret[:])}, leakyJSON{get}, leakyLog{get},
		&leakyPointer{get}, leakyNested{leakyJSON{get}}, &leakyNested{&leakyLog{get}}, map[string]leakyArray{"a": leakyArray(secret)},
		[]leakyNested{{nil}, {leakyPointer{get}}}, leakyBehind{&secret},
	} {
		assert.NotEmpty(t, visit(v).faults, "%T", v)
	}
	behind := &secret
	c := visit(&hiding{&behind})
	require.Empty(t, c.faults)
	require.Equal(t, 1, c.visited[module+"/internal/checks.hiding"])
}
