package vault_test

import (
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
	for name, k := range keys {
		f.on("PUT dvkeys/keys/"+name, keyOf(name, k.PublicKey().String(), name))
	}
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
