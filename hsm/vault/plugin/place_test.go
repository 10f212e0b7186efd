package plugin

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// countingView counts how often Vault is asked.
type countingView struct {
	logical.StaticSystemView
	asked int
}

func (v *countingView) ReplicationState() consts.ReplicationState {
	v.asked++
	return v.ReplicationStateVal
}

func (v *countingView) LocalMount() bool {
	v.asked++
	return v.LocalMountVal
}

// TestPlace asks for many signatures, of a node whose place changes.
func TestPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := &countingView{}
		v := &placeView{SystemView: vault}
		for range 100 {
			require.Zero(t, v.ReplicationState())
			require.False(t, v.LocalMount())
		}
		require.Equal(t, 2, vault.asked)

		vault.ReplicationStateVal, vault.LocalMountVal = consts.ReplicationPerformanceStandby, true
		time.Sleep(placeLasts + time.Nanosecond)
		require.True(t, v.LocalMount())
		require.Equal(t, consts.ReplicationPerformanceStandby, v.ReplicationState())
		require.Equal(t, 4, vault.asked)
	})
}

// TestPlaceChanges has the storage refuse to be written before the node knows that it must not: Vault is told so, and not that
// a part of the request failed.
func TestPlaceChanges(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	e.storage.put = func(int, string) (before, after error) { return logical.ErrReadOnly, nil }
	duties := attestation(t, 1, 2, 1)
	many := map[string]any{"network": "hoodi", "requests": []any{map[string]any{"name": "k", "duties": duties["duties"]}}}
	for path, body := range map[string]map[string]any{
		"attestation/k": duties, "attestation": many, "keys/new": nil, "keys": {"requests": []any{map[string]any{"name": "new"}}},
	} {
		_, err := e.do(logical.UpdateOperation, path, body)
		require.ErrorIs(t, err, logical.ErrReadOnly, path)
	}
	e.storage.put = nil
	signature, _, err := e.vote(t, "k", 1, 2, 2)
	require.NoError(t, err)
	require.NotEmpty(t, signature, "nothing was recorded")
}
