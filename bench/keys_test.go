package bench

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	herumi "github.com/herumi/bls-eth-go-binary/bls"
	blst "github.com/supranational/blst/bindings/go"

	"github.com/claystack/dvkeys/keyshare"
)

// dst is the tag of Ethereum's ciphersuite.
var dst = []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")

// keyCount is how many keys rows take turns with.
func keyCount() int {
	if testing.Short() {
		return 32
	}
	return 1000
}

// keys are the secrets that all ways to sign have in common: in guarded memory, and as the raw libraries want them, in
// ordinary memory.
type keys struct {
	guarded []*keyshare.SecretKey
	blst    []*blst.SecretKey
	herumi  []*herumi.SecretKey
}

var theKeys = sync.OnceValues(func() (keys, error) {
	var all keys
	for range keyCount() {
		k, err := keyshare.Generate()
		if err != nil {
			return keys{}, err
		}
		all.guarded = append(all.guarded, k)
		b, h, err := raw(k)
		if err != nil {
			return keys{}, err
		}
		all.blst, all.herumi = append(all.blst, b), append(all.herumi, h)
	}
	return all, nil
})

// initHerumi makes herumi's library ready, after this library has done the same for itself.
var initHerumi = sync.OnceValue(func() error { return herumi.Init(herumi.BLS12_381) })

// raw copies a secret out of guarded memory: only benchmarks may.
func raw(k keyshare.Secret) (b *blst.SecretKey, h *herumi.SecretKey, err error) {
	if err := initHerumi(); err != nil {
		return nil, nil, err
	}
	err = k.Use(func(secret []byte) error {
		b = new(blst.SecretKey).Deserialize(slices.Clone(secret))
		h = new(herumi.SecretKey)
		return h.Deserialize(slices.Clone(secret))
	})
	return b, h, err
}

func sharedKeys(b *testing.B) keys {
	b.Helper()
	all, err := theKeys()
	must(b, err)
	return all
}

// publicKeys returns n public keys.
func publicKeys(b *testing.B, n int) []keyshare.PublicKey {
	b.Helper()
	list := make([]keyshare.PublicKey, n)
	for i := range list {
		k, err := keyshare.Generate()
		must(b, err)
		list[i] = k.PublicKey()
		k.Destroy()
	}
	return list
}

var roots atomic.Uint64

// newRoot returns a root that was not hashed before, so that no cache helps.
func newRoot() (r keyshare.Root) {
	binary.BigEndian.PutUint64(r[:], roots.Add(1))
	return r
}

func newRoots(n int) []keyshare.Root {
	list := make([]keyshare.Root, n)
	for i := range list {
		list[i] = newRoot()
	}
	return list
}
