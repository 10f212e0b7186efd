package plugin

import (
	"fmt"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// TestCrashAtEachWrite ends the engine at each write of making a key and asks again in a new one: there is one key of that
// name, and no other.
func TestCrashAtEachWrite(t *testing.T) {
	crashes := 0
	for at := 1; ; at++ {
		for _, stored := range []bool{false, true} {
			e := newEngine(t)
			begin := e.storage.puts
			e.storage.put = func(n int, _ string) (before, after error) {
				switch {
				case n-begin > at || n-begin == at && !stored:
					return errDisk, nil
				case n-begin == at:
					return nil, errDisk
				}
				return nil, nil
			}
			_, err := e.do(logical.UpdateOperation, "keys/k", nil)
			e.storage.put = nil
			if err == nil {
				require.Equal(t, 5, at, "the data key, the entry by public key, the record, and the name")
				require.Equal(t, 8, crashes)
				return
			}
			crashes++
			e.restart(t)
			pk := e.create(t, "k")
			require.Equal(t, pk, e.create(t, "k"))
			got, err := e.do(logical.ReadOperation, "keys/"+pk, nil)
			require.NoError(t, err)
			require.Equal(t, "k", got["name"])
			list, err := e.do(logical.ListOperation, "keys/", nil)
			require.NoError(t, err)
			require.Equal(t, []any{"k"}, list["keys"])
			_, _, err = e.vote(t, "k", 1, 2, 1)
			require.NoError(t, err)
		}
	}
}

// TestCrashAtEachWriteOfMany is the same with many keys in one request, one of which is there already.
func TestCrashAtEachWriteOfMany(t *testing.T) {
	names := []string{"a", "b", "there", "c"}
	var requests []any
	for _, name := range names {
		requests = append(requests, map[string]any{"name": name, "label": "label of " + name})
	}
	ask := func(e *engine) (map[string]string, error) {
		got, err := e.do(logical.UpdateOperation, "keys", map[string]any{"requests": requests})
		if err != nil {
			return nil, err
		}
		keys := map[string]string{}
		for i, r := range got["results"].([]any) {
			r := r.(map[string]any)
			require.Equal(t, names[i], r["name"])
			keys[names[i]] = r["public_key"].(string)
		}
		return keys, nil
	}
	for at := 1; ; at++ {
		e := newEngine(t)
		there := e.create(t, "there")
		begin := e.storage.puts
		e.storage.put = func(n int, _ string) (before, after error) {
			switch {
			case n-begin > at:
				return errDisk, nil
			case n-begin == at:
				return nil, errDisk
			}
			return nil, nil
		}
		_, err := ask(e)
		e.storage.put = nil
		if err == nil {
			require.Equal(t, 3*3+1+1, at, "three entries a key, the name of the one that is there, and none more")
			return
		}
		require.ErrorIs(t, err, errDisk, "what may pass fails the request")
		e.restart(t)
		keys, err := ask(e)
		require.NoError(t, err)
		require.Equal(t, there, keys["there"])
		again, err := ask(e)
		require.NoError(t, err)
		require.Equal(t, keys, again)
		list, err := e.do(logical.ListOperation, "keys/", nil)
		require.NoError(t, err)
		require.Equal(t, []any{"a", "b", "c", "there"}, list["keys"])
		for name, pk := range keys {
			got, err := e.do(logical.ReadOperation, "keys/"+pk, nil)
			require.NoError(t, err)
			require.Equal(t, name, got["name"])
		}
	}
}

// TestManyAtOnce makes overlapping lists of keys, in other orders, at the same time: nobody waits for ever, and all get the same.
func TestManyAtOnce(t *testing.T) {
	e := newEngine(t)
	var mu sync.Mutex
	keys := map[string]map[any]bool{}
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			var requests []any
			for j := range 40 {
				requests = append(requests, map[string]any{"name": fmt.Sprintf("k%d", (7*i+j*(1+2*(i%2)))%50)})
			}
			got, err := e.do(logical.UpdateOperation, "keys", map[string]any{"requests": requests})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range got["results"].([]any) {
				r := r.(map[string]any)
				name := r["name"].(string)
				if keys[name] == nil {
					keys[name] = map[any]bool{}
				}
				keys[name][r["public_key"]] = true
			}
		})
	}
	done.Wait()
	require.NotEmpty(t, keys)
	for name, of := range keys {
		require.Len(t, of, 1, name)
	}
	require.Len(t, e.ring.keys, len(keys))
}
