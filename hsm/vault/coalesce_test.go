package vault_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
)

// signingFake answers sign for keys that it has, and counts how many requests and roots came.
func signingFake(t *testing.T, keys map[string]*keyshare.SecretKey) *fake {
	f := newFake(t)
	publicKeys := map[string]string{}
	for name, k := range keys {
		publicKeys[name] = k.PublicKey().String()
	}
	f.on("PUT dvkeys/keys", keysOf(publicKeys))
	f.on("PUT dvkeys/split", splits(keys))
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/dvkeys/sign" {
			inner.ServeHTTP(w, r)
			return
		}
		var many wire.SignMany
		if err := json.NewDecoder(r.Body).Decode(&many); err != nil {
			refuse(400, err.Error())(w, r)
			return
		}
		n := 0
		for _, one := range many.Requests {
			n += len(one.Roots)
		}
		f.mu.Lock()
		f.seen = append(f.seen, call{route: fmt.Sprintf("%d roots", n)})
		f.mu.Unlock()
		var answer wire.SignedMany
		for _, one := range many.Requests {
			k := keys[one.Name]
			if one.Name == "gone" {
				answer.Results = append(answer.Results, wire.SignedKey{Fault: &wire.Fault{Code: wire.NotFound, Text: "there is no such key"}})
				continue
			}
			var signed wire.SignedKey
			for _, text := range one.Roots {
				root, err := hex.DecodeString(text[2:])
				if err != nil || len(root) != 32 {
					refuse(400, "a root that is none")(w, r)
					return
				}
				sigs, err := k.SignRoots(r.Context(), keyshare.Root(root))
				if err != nil {
					refuse(500, err.Error())(w, r)
					return
				}
				signed.Signatures = append(signed.Signatures, sigs[0].String())
			}
			answer.Results = append(answer.Results, signed)
		}
		data(answer)(w, r)
	})
	return f
}

// TestCoalesce joins calls for several keys. How many go into one request is tested with TestJoiner.
func TestCoalesce(t *testing.T) {
	keys := map[string]*keyshare.SecretKey{"a": newKey(t), "b": newKey(t), "gone": newKey(t)}
	f := signingFake(t, keys)
	c := f.config()
	c.Coalesce = 20 * time.Millisecond
	b := f.open(c)
	open := map[string]hsm.Key{}
	for name := range keys {
		k, err := b.Generate(t.Context(), name)
		require.NoError(t, err)
		open[name] = k
	}
	var done sync.WaitGroup
	for i := range 40 {
		done.Go(func() {
			name := []string{"a", "b"}[i%2]
			roots := []keyshare.Root{{byte(i)}, {byte(i), 1}}[:1+i%3/2]
			sigs, err := open[name].SignRoots(t.Context(), roots...)
			if err != nil || len(sigs) != len(roots) {
				t.Errorf("call %d: %d signatures, %v", i, len(sigs), err)
				return
			}
			for j, s := range sigs {
				if !open[name].PublicKey().Verify(roots[j], s) {
					t.Errorf("call %d has another's signature", i)
				}
			}
		})
	}
	var gone error
	done.Go(func() { _, gone = open["gone"].SignRoots(t.Context(), keyshare.Root{}) })
	done.Wait()
	require.ErrorIs(t, gone, hsm.ErrNotFound, "and the others are not sunk by it")

	// More than fit into one request.
	roots := make([]keyshare.Root, wire.MaxRoots-1)
	errs := make([]error, 3)
	for i := range errs {
		done.Go(func() { _, errs[i] = open["gone"].SignRoots(t.Context(), roots...) })
	}
	done.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, hsm.ErrNotFound)
	}
	require.Len(t, f.calls(fmt.Sprintf("%d roots", len(roots))), 3)
}

// splits answers split for keys that it has.
func splits(keys map[string]*keyshare.SecretKey) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var want wire.SplitMany
		_ = json.NewDecoder(r.Body).Decode(&want)
		var to []keyshare.Operator
		for _, o := range want.Operators {
			k, err := x509.ParsePKIXPublicKey(o.PublicKey)
			if err != nil {
				refuse(400, err.Error())(w, r)
				return
			}
			to = append(to, keyshare.Operator{ID: keyshare.Index(o.ID), PublicKey: k.(*rsa.PublicKey)})
		}
		answer := wire.SplittedMany{Results: make([]wire.SplittedKey, len(want.Requests))}
		for i, one := range want.Requests {
			if one.Name == "gone" {
				answer.Results[i].Fault = &wire.Fault{Code: wire.NotFound, Text: "there is no such key"}
				continue
			}
			group, sealed, err := hsm.Split(r.Context(), keys[one.Name], want.Threshold, to)
			if err != nil {
				refuse(400, err.Error())(w, r)
				return
			}
			text, _ := json.Marshal(group)
			answer.Results[i].Group = string(text)
			for _, s := range sealed {
				answer.Results[i].Sealed = append(answer.Results[i].Sealed, wire.Sealed{ID: uint64(s.ID), PublicKey: s.PublicKey.String(), Ciphertext: s.Ciphertext})
			}
		}
		data(answer)(w, r)
	}
}

// TestCoalesceKeys joins calls that make and split keys: those that split go together if threshold and operators are the same.
func TestCoalesceKeys(t *testing.T) {
	keys := map[string]*keyshare.SecretKey{"a": newKey(t), "b": newKey(t), "c": newKey(t), "gone": newKey(t)}
	f := signingFake(t, keys)
	c := f.config()
	c.Coalesce = time.Second
	b := f.open(c)
	made, errs := map[string]hsm.Key{}, map[string]error{}
	var mu sync.Mutex
	var done sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "gone", "denied"} {
		done.Go(func() {
			k, err := b.Generate(t.Context(), name)
			mu.Lock()
			defer mu.Unlock()
			made[name], errs[name] = k, err
		})
	}
	done.Wait()
	require.Len(t, f.calls("PUT dvkeys/keys"), 1)
	for name, k := range keys {
		require.NoError(t, errs[name])
		require.Equal(t, k.PublicKey(), made[name].PublicKey(), "each gets his own")
	}
	require.ErrorIs(t, errs["denied"], hsm.ErrDenied, "and the others are not sunk by it")

	all := operators(t, 4)
	groups := map[string]*keyshare.Group{}
	for name, to := range map[string][]keyshare.Operator{"a": all[:3], "b": all[:3], "gone": all[:3], "c": all[1:]} {
		done.Go(func() {
			group, sealed, err := made[name].Split(t.Context(), 2, to)
			mu.Lock()
			defer mu.Unlock()
			groups[name], errs[name] = group, err
			if err == nil && len(sealed) != len(to) {
				t.Errorf("%s: %d shares", name, len(sealed))
			}
		})
	}
	done.Wait()
	require.Len(t, f.calls("PUT dvkeys/split"), 2)
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, errs[name], name)
		require.Equal(t, keys[name].PublicKey(), groups[name].PublicKey())
	}
	require.ErrorIs(t, errs["gone"], hsm.ErrNotFound)
	_, _, err := made["a"].Split(t.Context(), 2, all[:3])
	require.NoError(t, err)
	require.Len(t, f.calls("PUT dvkeys/split"), 3, "later ones are asked anew")
}

// TestCoalescedKeysAreMadeOnce repeats a request for many keys whose answer was lost, without and with labels.
func TestCoalescedKeysAreMadeOnce(t *testing.T) {
	f := newFake(t)
	c := f.config()
	c.Coalesce = time.Second
	b := f.open(c)
	pk := newKey(t).PublicKey().String()
	f.on("PUT dvkeys/keys", sequence(cut, refuse(503, "Vault is sealed"), func(w http.ResponseWriter, r *http.Request) {
		var want wire.CreateMany
		_ = json.NewDecoder(r.Body).Decode(&want)
		answer := wire.CreatedMany{}
		for _, k := range want.Requests {
			answer.Results = append(answer.Results, wire.CreatedKey{Key: wire.Key{Name: k.Name, PublicKey: pk, Label: k.Label}})
		}
		data(answer)(w, r)
	}))
	var done sync.WaitGroup
	for _, label := range []string{"", "a", ""} {
		done.Go(func() {
			if _, err := b.Generate(t.Context(), label); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	calls := f.calls("PUT dvkeys/keys")
	require.Len(t, calls, 3)
	require.Len(t, calls[0].body["requests"], 3)
	require.Equal(t, calls[0].body, calls[1].body, "the same names each time")
	require.Equal(t, calls[0].body, calls[2].body)
}
