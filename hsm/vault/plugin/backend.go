package plugin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
)

// Where things lie in the mount's storage. Vault's storage has neither transactions nor a way to write only what has not
// changed, and what a plugin has written can still be on its way when the plugin has crashed and another process has taken
// its place. Therefore no path is ever written with values that differ in anything that matters, but for the
// configuration; and a name is written last, when it is certain what it stands for.
const (
	namePrefix    = "name/"     // + name: the public key that it stands for, in hex
	keyPrefix     = "key/"      // + name + "/" + public key: a record
	publicPrefix  = "public/"   // + public key + "/" + name: nothing
	historyPrefix = "history/"  // + genesis validators root + "/" + public key + "/" + process: a slashing.History
	dataKeyPrefix = "data-key/" // + id: 32 bytes
	configPath    = "config"
)

// backend is one mount of the engine.
type backend struct {
	*framework.Backend

	ring     ring
	wrapping wrapping
	config   configCache

	// Locks for names, and for the histories of public keys. A request that holds several of a kind has taken them in the
	// order of the list; who holds those for names may take that of a public key.
	names, publics []*locksutil.LockEntry

	process             string // a random name for this one
	own                 ownEntries
	cpu                 chan struct{} // one place for each signature that is computed
	signatures, refused atomic.Uint64
}

// Factory makes a mount of the engine. It is what Vault's plugin server calls.
func Factory(ctx context.Context, c *logical.BackendConfig) (logical.Backend, error) {
	b := &backend{
		names: locksutil.CreateLocks(), publics: locksutil.CreateLocks(),
		process: randomID(), cpu: make(chan struct{}, processors),
	}
	b.Backend = &framework.Backend{
		BackendType:    logical.TypeLogical,
		RunningVersion: wire.Version,
		Help:           "Keeps BLS12-381 validator keys and signs with them. No path gives a secret out.",
		PathsSpecial:   &logical.Paths{SealWrapStorage: []string{keyPrefix, dataKeyPrefix}},
		Paths: slices.Concat(
			b.keyPaths(), b.signPaths(), b.dutyPaths(), b.splitPaths(), b.importPaths(), b.historyPaths(),
			b.configPaths(), b.statsPaths(),
		),
		Invalidate: b.invalidate,
		Clean:      func(context.Context) { b.drop() },
	}
	with := *c
	if c.System != nil {
		with.System = &placeView{SystemView: c.System}
	}
	return b, b.Setup(ctx, &with)
}

// invalidate forgets what another node has changed in the storage.
func (b *backend) invalidate(_ context.Context, path string) {
	kind, rest, _ := strings.Cut(path, "/")
	switch {
	case kind+"/" == keyPrefix || kind+"/" == namePrefix:
		name, _, _ := strings.Cut(rest, "/")
		b.ring.remove(name)
	case path == configPath:
		b.config.drop()
	case strings.HasPrefix(path, historyPrefix):
		b.own.Clear()
	case strings.HasPrefix(path, dataKeyPrefix):
		b.ring.drop()
	}
}

// drop wipes all that is secret.
func (b *backend) drop() {
	b.ring.drop()
	b.wrapping.drop()
	b.config.drop()
}

// operation is what each path is made of. Requests that write are sent on to the active node.
func (b *backend) operation(f framework.OperationFunc, help string) framework.OperationHandler {
	return &framework.PathOperation{Callback: b.guard(f), Summary: help, ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true}
}

// namePattern is a part of a path that names a key.
var namePattern = framework.GenericNameRegex("name") + "$"

var nameFields = map[string]*framework.FieldSchema{
	"name": {Type: framework.TypeString, Description: "The key's name."},
}

// write is a path that takes a JSON object for a key.
func (b *backend) write(pattern string, f framework.OperationFunc, help string) *framework.Path {
	p := &framework.Path{
		Pattern: pattern, HelpSynopsis: help, TakesArbitraryInput: true,
		Operations: map[logical.Operation]framework.OperationHandler{logical.UpdateOperation: b.operation(f, help)},
	}
	if strings.Contains(pattern, "?P<name>") {
		p.Fields = nameFields
	}
	return p
}

// randomID returns 32 hex digits that nobody has seen.
func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
