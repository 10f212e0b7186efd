package plugin

import (
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// placeLasts is how long it is remembered where this node stands among others. Vault makes a node's mounts anew when that
// changes; and the storage of a node that must not write refuses to, upon which Vault sends the request on all the same.
const placeLasts = time.Second

// placeView is Vault's view of itself, but for remembering where this node stands. The framework asks twice at each request,
// and each time the answer comes from Vault's process, which took longer than to sign.
type placeView struct {
	logical.SystemView

	mu    sync.Mutex
	asked time.Time
	state consts.ReplicationState
	local bool
}

func (v *placeView) place() (consts.ReplicationState, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asked.IsZero() || time.Since(v.asked) > placeLasts {
		v.state, v.local = v.SystemView.ReplicationState(), v.SystemView.LocalMount()
		v.asked = time.Now()
	}
	return v.state, v.local
}

// ReplicationState implements logical.SystemView.
func (v *placeView) ReplicationState() consts.ReplicationState {
	state, _ := v.place()
	return state
}

// LocalMount implements logical.SystemView.
func (v *placeView) LocalMount() bool {
	_, local := v.place()
	return local
}
