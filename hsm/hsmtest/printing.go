package hsmtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

// testNoSecretPrints imports a secret that it knows and looks for it in every way to print what the backend returns.
func testNoSecretPrints(t *testing.T, s *suite) {
	b := s.backend(t)
	secret := newSecret(t)
	to, _ := operators(t)
	k, err := b.Import(t.Context(), "known", secret)
	require.NoError(t, err)
	opened, err := b.Open(t.Context(), k.PublicKey())
	require.NoError(t, err)
	requireSigns(t, opened)
	group, sealed, err := k.Split(t.Context(), 3, to)
	require.Equal(t, s.options.NoSplit, err != nil, "%v", err)
	_, exists := b.Import(t.Context(), "another", secret)
	require.Error(t, exists)
	_, mismatch := b.Import(t.Context(), "", lyingSecret{newSecret(t).PublicKey(), secret.Use})
	require.Error(t, mismatch)
	_, invalid := b.Import(t.Context(), "", lyingSecret{secret.PublicKey(), func(f func([]byte) error) error {
		return secret.Use(func(plain []byte) error { return f(append([]byte{0}, plain...)) })
	}})
	require.Error(t, invalid)

	forms := forms(bytesOf(t, secret))
	for name, v := range map[string]any{
		"backend": b, "key": k, "opened key": opened, "info": b.Info(), "group": group, "sealed": sealed,
		"keys": []hsm.Key{k}, "map": map[keyshare.PublicKey]hsm.Key{k.PublicKey(): k}, "field": struct{ K hsm.Key }{k},
		"error of a second import": exists, "error of another's public key": mismatch, "error of an invalid secret": invalid,
	} {
		for how, text := range printed(v) {
			for form, s := range forms {
				require.NotContains(t, text, s, "%s prints its secret by %s, as %s", name, how, form)
			}
		}
	}
}

// printed returns what a value becomes by each usual way to print it.
func printed(v any) map[string]string {
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	if text, err := json.Marshal(v); err == nil {
		out["json"] = string(text)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	out["slog"] = log.String()
	return out
}

// forms returns the ways in which a secret could be written, in either byte order.
func forms(secret []byte) map[string]string {
	little := slices.Clone(secret)
	slices.Reverse(little)
	out := map[string]string{}
	for order, b := range map[string][]byte{"big-endian": secret, "little-endian": little} {
		list := strings.Trim(fmt.Sprint(b), "[]")
		for form, s := range map[string]string{
			"bytes": string(b), "quoted bytes": strings.Trim(fmt.Sprintf("%q", b), `"`),
			"hex": hex.EncodeToString(b), "upper-case hex": strings.ToUpper(hex.EncodeToString(b)),
			"base64": strings.TrimRight(base64.StdEncoding.EncodeToString(b), "="), "URL base64": base64.RawURLEncoding.EncodeToString(b),
			"numbers": list, "numbers with commas": strings.ReplaceAll(list, " ", ", "), "numbers in JSON": strings.ReplaceAll(list, " ", ","),
			"Go syntax": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"),
			"decimal":   new(big.Int).SetBytes(b).String(),
		} {
			out[form+", "+order] = s
		}
	}
	return out
}
