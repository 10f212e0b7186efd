package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pattern is a secret that shows in whatever form it is printed.
var pattern = bytes.Repeat([]byte("hIdDeN\x9e\x9f"), 4)

// leaks reports the forms of pattern that occur in s: as text, in base64, and as fmt prints bytes.
func leaks(s string) (forms []string) {
	all := []string{string(pattern[:6]), base64.StdEncoding.EncodeToString(pattern[:6])}
	for _, verb := range []string{"%v", "%x", "% x", "%# x", "%#v", "%b", "%o"} {
		form := fmt.Sprintf(verb, pattern[:8])
		all = append(all, strings.Trim(strings.TrimPrefix(form, "[]byte"), "[]{}"))
	}
	for _, form := range all {
		if strings.Contains(strings.ToLower(s), strings.ToLower(form)) {
			forms = append(forms, form)
		}
	}
	return forms
}

// holders returns each secret type holding pattern, as a pointer and as a copied struct, by name.
func holders(t *testing.T) map[string]any {
	buf, err := Copy(pattern)
	require.NoError(t, err)
	large, err := Copy(bytes.Repeat(pattern, 8))
	require.NoError(t, err)
	box, err := Seal(pattern)
	require.NoError(t, err)
	key, err := TakeKey(bytes.Clone(pattern))
	require.NoError(t, err)
	t.Cleanup(func() { buf.Destroy(); large.Destroy(); box.Destroy(); key.Destroy() })
	return map[string]any{
		"*Buffer": buf, "large *Buffer": large, "*Box": box, "*Key": key,
		"Buffer": copied(buf), "Box": copied(box), "Key": copied(key),
	}
}

// copied returns *p, which must not be copied; somebody will.
func copied[T any](p *T) any { return *p }

var verbs = func() (v []string) {
	for _, flag := range []string{"", "+", "#", "-", " ", "0", "# ", "+#", "40", ".2", "-40.1"} {
		for c := '!'; c <= '~'; c++ {
			if strings.ContainsRune("%+-# 0123456789.*[", c) {
				continue
			}
			v = append(v, "%"+flag+string(c))
		}
	}
	return v
}()

func TestRedactsEveryVerb(t *testing.T) {
	for name, v := range holders(t) {
		for _, verb := range verbs {
			if strings.ContainsAny(verb, "Tpw") { // fmt itself prints type, address and wrongly used %w
				require.Empty(t, leaks(fmt.Sprintf(verb, v)), "%s %s", name, verb)
				continue
			}
			require.Equal(t, "[secret]", fmt.Sprintf(verb, v), "%s %s", name, verb)
		}
		require.Equal(t, "[secret]", fmt.Sprint(v), name)
		require.Equal(t, "[secret]\n", fmt.Sprintln(v), name)
		require.Equal(t, "[secret]", v.(fmt.Stringer).String(), name)
		require.Equal(t, "[secret]", v.(fmt.GoStringer).GoString(), name)
		require.Equal(t, "x: [secret]", fmt.Errorf("x: %v", v).Error(), name)
	}
}

// fmt walks into unexported fields without calling their methods, and so do slices, maps and interfaces in them.
func TestRedactsInsideStructs(t *testing.T) {
	for name, v := range holders(t) {
		for _, in := range []any{
			struct{ S any }{v}, struct{ s any }{v}, &struct{ s any }{v}, []any{v}, map[string]any{"k": v}, &v,
			struct{ s []any }{[]any{v}}, struct{ s map[string]any }{map[string]any{"k": v}}, struct{ s *any }{&v},
		} {
			for _, verb := range verbs {
				require.Empty(t, leaks(fmt.Sprintf(verb, in)), "%s %T %s", name, in, verb)
			}
		}
	}
}

func TestRedactsEncodings(t *testing.T) {
	for name, v := range holders(t) {
		out, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, `"[secret]"`, string(out), name)
		out, err = json.Marshal(map[string]any{"a": []any{v}, "b": struct{ F any }{v}})
		require.NoError(t, err)
		require.Equal(t, `{"a":["[secret]"],"b":{"F":"[secret]"}}`, string(out), name)
		out, err = xml.Marshal(struct {
			XMLName struct{} `xml:"x"`
			F       any
		}{F: v})
		require.NoError(t, err)
		require.Equal(t, `<x><F>[secret]</F></x>`, string(out), name)

		var b bytes.Buffer
		_ = gob.NewEncoder(&b).Encode(v)
		require.Empty(t, leaks(b.String()), name)
	}
}

func TestRedactsLogs(t *testing.T) {
	for name, v := range holders(t) {
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			l := slog.New(handler(&b)).With("with", v)
			l.Info("text", "k", v, slog.Group("g", "k", v), "in", struct{ F any }{v}, "list", []any{v})
			require.Empty(t, leaks(b.String()), name)
			require.Contains(t, b.String(), "[secret]", name)
		}
	}
}

// What a caller embeds Redacted in prints the same way.
func TestRedactedEmbedded(t *testing.T) {
	type mine struct {
		Redacted
		S []byte
	}
	v := mine{S: pattern}
	for _, v := range []any{v, &v} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			require.Equal(t, "[secret]", fmt.Sprintf(verb, v))
		}
		out, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, `"[secret]"`, string(out))
	}
}

// The check can fail: it sees the pattern in a plain slice, whatever prints it.
func TestLeaksSeesLeaks(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%# X", "%d", "%b", "%o"} {
		require.NotEmpty(t, leaks(fmt.Sprintf(verb, pattern)), verb)
	}
	out, err := json.Marshal(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, leaks(string(out)))
	require.Empty(t, leaks("[secret]"))
}
