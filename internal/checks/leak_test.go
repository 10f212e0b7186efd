package checks

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// window is how many bytes in a row of a secret must not be found.
const window = 4

// A needle is what is looked for in text: secrets in either byte order, in any of the ways in which Go prints bytes.
type needle struct {
	windows map[uint32]bool
	decimal []string // the beginnings of the secrets written as one number
}

func newNeedle(secrets ...[]byte) needle {
	n := needle{windows: map[uint32]bool{}}
	for _, secret := range secrets {
		reversed := slices.Clone(secret)
		slices.Reverse(reversed)
		for _, b := range [][]byte{secret, reversed} {
			for i := 0; i+window <= len(b); i++ {
				n.windows[binary.BigEndian.Uint32(b[i:])] = true
			}
			if d := new(big.Int).SetBytes(b).String(); len(d) >= 12 {
				n.decimal = append(n.decimal, d[:12])
			}
		}
	}
	return n
}

// in returns how a secret, or a run of one, is written in the text, or "".
func (n needle) in(text string) string {
	for _, d := range n.decimal {
		if strings.Contains(text, d) {
			return "as a decimal number"
		}
	}
	for _, r := range readings {
		for _, b := range r.bytes(text) {
			for i := 0; i+window <= len(b); i++ {
				if n.windows[binary.BigEndian.Uint32(b[i:])] {
					return r.name
				}
			}
		}
	}
	return ""
}

// readings are the ways to read bytes out of a text. Each returns every run of bytes that it can see.
var readings = []struct {
	name  string
	bytes func(string) [][]byte
}{
	{"as raw bytes", func(s string) [][]byte { return [][]byte{[]byte(s)} }},
	{"as escaped text", unescaped},
	{"as one character a byte", characters},
	{"as hexadecimal", hexadecimal},
	{"as a list of numbers", numbers},
	{"as base64", inBase64},
}

func unescaped(s string) [][]byte {
	if !strings.Contains(s, `\`) {
		return nil
	}
	var out []byte
	for s != "" {
		c, multibyte, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			c, multibyte, rest = rune(s[0]), false, s[1:]
		}
		if s = rest; multibyte && c > 0xff {
			out = append(out, string(c)...)
		} else {
			out = append(out, byte(c))
		}
	}
	return [][]byte{out}
}

func characters(s string) [][]byte {
	var out []byte
	for _, c := range s {
		if c != ' ' {
			out = append(out, byte(c))
		}
	}
	return [][]byte{out}
}

// hexadecimal reads every digit, at both alignments, over whatever separates them.
func hexadecimal(s string) [][]byte {
	digits := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' {
			return c
		}
		return -1
	}, strings.ReplaceAll(s, "0x", ""))
	var out [][]byte
	for _, d := range []string{digits, digits[min(1, len(digits)):]} {
		b, _ := hex.DecodeString(d[:len(d)/2*2])
		out = append(out, b)
	}
	return out
}

// numbers reads consecutive words that are numbers below 256, in each base.
func numbers(s string) [][]byte {
	words := strings.FieldsFunc(s, func(c rune) bool { return !alphanumeric(c) })
	var out [][]byte
	for _, base := range []int{2, 8, 10, 16} {
		run := []byte(nil)
		for _, w := range words {
			if len(w) > 2 && w[0] == '0' && strings.IndexByte("xXob", w[1]) >= 0 {
				w = w[2:]
			}
			if n, ok := small(w, base); ok {
				run = append(run, n)
			} else if w != "U" { // U+0041
				out, run = append(out, run), nil
			}
		}
		out = append(out, run)
	}
	return out
}

// small parses a number of one byte.
func small(word string, base int) (n byte, ok bool) {
	if len(word) == 0 || len(word) > 8 {
		return 0, false
	}
	u, err := strconv.ParseUint(word, base, 8)
	return byte(u), err == nil
}

func alphanumeric(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// inBase64 reads either alphabet, at each alignment.
func inBase64(s string) [][]byte {
	var out [][]byte
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	for _, run := range strings.FieldsFunc(s, func(c rune) bool { return !alphanumeric(c) && c != '+' && c != '/' }) {
		for skip := 0; skip < 4 && skip < len(run); skip++ {
			part := run[skip:]
			if len(part)%4 == 1 {
				part = part[:len(part)-1]
			}
			b, _ := base64.RawStdEncoding.DecodeString(part)
			out = append(out, b)
		}
	}
	return out
}

// TestNeedle shows that a run of four bytes of a secret is found however it is written, and that other text is not
// taken for it.
func TestNeedle(t *testing.T) {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i*i*7 + 13*i + 0x91)
	}
	n := newNeedle(secret)
	reversed := slices.Clone(secret)
	slices.Reverse(reversed)
	for _, b := range [][]byte{secret, reversed, secret[9:13], secret[28:], secret[:4]} {
		for _, verb := range []string{
			"%s", "%x", "%X", "% x", "%#x", "%# x", "%q", "%+q", "%v", "%d", "%#v", "%o", "%O", "%b", "%c", "%U", "%03d",
		} {
			text := fmt.Sprintf("key{"+verb+"}", b)
			require.NotEmpty(t, n.in(text), "%s: %s", verb, text)
			text = fmt.Sprintf("key{"+verb+"}", string(b))
			require.True(t, n.in(text) != "" || strings.Contains(text, "%!"), "string, %s: %s", verb, text)
			text = fmt.Sprintf("key{"+verb+"}", [4]byte(b[:4]))
			require.True(t, n.in(text) != "" || strings.Contains(text, "%!"), "array, %s: %s", verb, text)
		}
		for skip := range 3 { // at each alignment of a longer base64 text
			text := base64.StdEncoding.EncodeToString(append(make([]byte, skip), b...))
			require.NotEmpty(t, n.in(`{"k":"`+text+`"}`), text)
			require.NotEmpty(t, n.in("k="+strings.NewReplacer("+", "-", "/", "_").Replace(text)), text)
		}
	}
	require.NotEmpty(t, n.in(new(big.Int).SetBytes(secret).String()))
	require.NotEmpty(t, n.in(new(big.Int).SetBytes(reversed).String()))

	require.Empty(t, n.in(fmt.Sprintf("%x", secret[:3])), "three bytes are chance")
	require.Empty(t, n.in(fmt.Sprintf("%x %v %q", make([]byte, 48), make([]byte, 48), "[secret]")))
	require.Empty(t, n.in(""))
}
