package plugin

import (
	"context"
	"testing"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// TestForwarded asks nodes that must not write, a performance standby and a secondary cluster: they send every request that
// writes on to the node that may, before anything of it is done.
func TestForwarded(t *testing.T) {
	e := newEngine(t)
	e.create(t, "k")
	written := e.storage.puts
	for _, state := range []consts.ReplicationState{consts.ReplicationPerformanceStandby, consts.ReplicationPerformanceSecondary} {
		node, err := Factory(t.Context(), &logical.BackendConfig{StorageView: e.storage, System: &logical.StaticSystemView{ReplicationStateVal: state}})
		require.NoError(t, err)
		ask := func(op logical.Operation, path string, data map[string]any) error {
			_, err := node.HandleRequest(context.Background(), &logical.Request{Operation: op, Path: path, Data: data, Storage: e.storage})
			return err
		}
		requests := 0
		for _, path := range node.(*backend).Paths {
			for op, handler := range path.Operations {
				if op == logical.ReadOperation || op == logical.ListOperation {
					continue
				}
				p := handler.Properties()
				require.True(t, p.ForwardPerformanceStandby && p.ForwardPerformanceSecondary, "%s %s", op, path.Pattern)
				requests++
			}
		}
		require.Greater(t, requests, 10)
		require.ErrorIs(t, ask(logical.UpdateOperation, "attestation/k", attestation(t, 1, 2, 1)), logical.ErrReadOnly)
		require.ErrorIs(t, ask(logical.UpdateOperation, "keys/other", nil), logical.ErrReadOnly)
		require.ErrorIs(t, ask(logical.DeleteOperation, "keys/k", nil), logical.ErrReadOnly)
		require.ErrorIs(t, ask(logical.UpdateOperation, "import/wrapping", nil), logical.ErrReadOnly)
		require.NoError(t, ask(logical.ReadOperation, "keys/k", nil))
		require.NoError(t, ask(logical.ReadOperation, "stats", nil), "which only reads, and tries a key out")
		node.Cleanup(t.Context())
	}
	require.Equal(t, written, e.storage.puts)
}
