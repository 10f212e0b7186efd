package keyshare_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/secret/memscan"
	"github.com/claystack/dvkeys/keyshare"
)

// Keys and shares print as their public keys, in every format, and never as anything of the secret.
func TestSecretsPrintAsPublicKeys(t *testing.T) {
	k, _, shares := split(t, 2, 7, 8)
	for _, s := range []struct {
		secret keyshare.Secret
		values []any
	}{
		{k, []any{k, *k, struct{ Key *keyshare.SecretKey }{k}, struct{ Key keyshare.SecretKey }{*k}, []*keyshare.SecretKey{k}, map[int]keyshare.Secret{1: k}}},
		{shares[0], []any{shares[0], *shares[0], struct{ Share *keyshare.Share }{shares[0]}, []keyshare.Share{*shares[0]}, map[int]keyshare.Key{1: shares[0]}}},
	} {
		public := s.secret.PublicKey().String()
		var all strings.Builder
		for _, v := range s.values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%e", "%t", "%c", "%U"} {
				text := fmt.Sprintf(verb, v)
				require.Contains(t, text, public, "%T %s", v, verb)
				all.WriteString(text)
			}
			b, err := json.Marshal(v)
			require.NoError(t, err)
			require.Contains(t, string(b), public)
			all.Write(b)
			for _, h := range []slog.Handler{slog.NewTextHandler(&all, nil), slog.NewJSONHandler(&all, nil)} {
				slog.New(h).Info("signing", "key", v, slog.Group("g", "key", v))
			}
		}
		// fmt calls no method on what it finds in an unexported field; it prints addresses and public points there.
		hidden := struct {
			key   *keyshare.SecretKey
			share keyshare.Share
		}{k, *shares[0]}
		fmt.Fprintf(&all, "%v %+v %#v", hidden, hidden, hidden)

		require.NoError(t, s.secret.Use(func(b []byte) error {
			for i := range len(b) - 3 {
				piece := b[i : i+4]
				for _, form := range []string{"%x", "%X", "%d", "%s"} {
					text := strings.Trim(fmt.Sprintf(form, piece), "[]")
					require.False(t, strings.Contains(all.String(), text), "bytes %d to %d of the secret, as %s", i, i+3, form)
				}
			}
			return nil
		}))
	}
}

// TestNoCopyStays searches the whole memory of the process for a key and for a share of it, in bytes and as text, after
// they were used in every way and destroyed, and also before, when they are at rest.
func TestNoCopyStays(t *testing.T) {
	operators := rsaKeys()
	k := generate(t)
	wanted := map[string]memscan.Pattern{"key": pattern(t, k)}
	g, shares, err := keyshare.Split(k, 2, []keyshare.Index{7, 8, 9})
	require.NoError(t, err)
	for _, s := range shares {
		wanted[fmt.Sprintf("share of %d", s.Index())] = pattern(t, s)
		wanted[fmt.Sprintf("text of the share of %d", s.Index())] = textPattern(t, s)
	}
	again := func(keyshare.Secret) *keyshare.SecretKey {
		var copied *keyshare.SecretKey
		require.NoError(t, k.Use(func(b []byte) (err error) { copied, err = keyshare.ParseSecretKey(b); return err }))
		return copied
	}(k)

	use := func(t require.TestingT, round byte) {
		_, err := k.SignRoots(context.Background(), keyshare.Root{round}, keyshare.Root{1, round}, keyshare.Root{})
		require.NoError(t, err)
		require.True(t, k.Equal(again))
		_, more, err := keyshare.Split(k, 3, []keyshare.Index{1, 2, 3, 4})
		require.NoError(t, err)
		for _, s := range more {
			s.Destroy()
		}
		parsed, wire := partialsOf(t, keyshare.Root{2, round}, shares)
		_, err = g.Combine(keyshare.Root{2, round}, parsed)
		require.NoError(t, err)
		_, err = g.CombineBytes(keyshare.Root{2, round}, wire)
		require.NoError(t, err)
		for i, s := range shares[:2] {
			_, err := s.Seal(keyshare.Operator{ID: s.Index(), PublicKey: &operators[i].PublicKey})
			require.NoError(t, err)
		}
		_ = fmt.Sprintf("%v %#v %v", k, shares, again)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 3 {
				use(t, byte(3*i+j))
			}
		})
	}
	wg.Wait()
	requireAbsent(t, wanted, "at rest")

	k.Destroy()
	again.Destroy()
	for _, s := range shares {
		s.Destroy()
	}
	requireAbsent(t, wanted, "after Destroy")
	runtime.KeepAlive(shares)

	// The search does find a copy, and a text, that somebody keeps.
	k = generate(t)
	p := pattern(t, k)
	var kept []byte
	var text string
	require.NoError(t, k.Use(func(b []byte) error {
		kept, text = append(kept, b...), fmt.Sprintf("%x", b)
		return nil
	}))
	hits, err := memscan.Find(p)
	require.NoError(t, err)
	forms := map[string]bool{}
	for _, h := range hits {
		forms[h.Form] = true
	}
	require.True(t, forms[memscan.Bytes] && forms[memscan.Hex], "%v", hits)
	runtime.KeepAlive(kept)
	runtime.KeepAlive(text)
}

// pattern masks the secret where it lies, in guarded memory, so that the test makes no copy.
func pattern(t *testing.T, s keyshare.Secret) (p memscan.Pattern) {
	require.NoError(t, s.Use(func(b []byte) (err error) { p, err = memscan.Mask(b); return err }))
	return p
}

// textPattern masks the 64 hex digits of the secret, which sealing writes and, word by word, reverses.
func textPattern(t *testing.T, s keyshare.Secret) (p memscan.Pattern) {
	text, err := secret.New(64)
	require.NoError(t, err)
	defer text.Destroy()
	require.NoError(t, s.Use(func(b []byte) (err error) {
		hex.Encode(text.Bytes(), b)
		p, err = memscan.Mask(text.Bytes())
		return err
	}))
	return p
}

func requireAbsent(t *testing.T, wanted map[string]memscan.Pattern, when string) {
	t.Helper()
	for name, p := range wanted {
		hits, err := memscan.Find(p)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		require.NoError(t, err)
		for _, h := range hits {
			t.Errorf("%s, %s: found as %s at %#x in %s", when, name, h.Form, h.Address, h.Mapping)
		}
	}
}
