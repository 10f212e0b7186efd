package envelope

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// Sealer encrypts secrets with a key that is outside of this process. Its errors wrap the sentinels of package hsm.
type Sealer interface {
	// Seal encrypts the secret of k for a record that has no sealed bytes yet, and binds it to the record's public key and
	// label: 1 to store.MaxSealed bytes come back.
	Seal(ctx context.Context, r store.Record, k *keyshare.SecretKey) ([]byte, error)

	// Open decrypts a record's sealed bytes into guarded memory, which the caller destroys. What was sealed comes first
	// there; more bytes may follow, which the decryption needed room for. Sealed bytes that were altered, or sealed for
	// another record, are hsm.ErrCorrupt; those whose key is gone or disabled are hsm.ErrDenied.
	Open(ctx context.Context, r store.Record) (*secret.Buffer, error)
}

// Backend implements hsm.Backend.
type Backend struct {
	name   string // of the package that errors speak for
	info   hsm.Info
	sealer Sealer
	store  store.Store
	cache  bool

	mu   sync.Mutex
	keys map[keyshare.PublicKey]*key // that are open; nil after Close
}

// New returns a backend whose errors begin with a package's name. With a cache, keys that are open stay in guarded memory;
// info has to say so. The store is the backend's, and closed with it.
func New(name string, info hsm.Info, sealer Sealer, s store.Store, cache bool) *Backend {
	return &Backend{name: name, info: info, sealer: sealer, store: s, cache: cache, keys: map[keyshare.PublicKey]*key{}}
}

// Info returns what New was given.
func (b *Backend) Info() hsm.Info { return b.info }

// Close wipes what the cache holds and closes the store.
func (b *Backend) Close() error {
	b.mu.Lock()
	keys := b.keys
	b.keys = nil
	b.mu.Unlock()
	if keys == nil {
		return nil
	}
	for _, k := range keys {
		k.destroy()
	}
	return b.store.Close()
}

// usable says why there is nothing to be done, if so.
func (b *Backend) usable(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		return b.closed()
	}
	return ctx.Err()
}

func (b *Backend) closed() error { return fmt.Errorf("%s: %w", b.name, hsm.ErrClosed) }

func (b *Backend) corrupt(r store.Record, err error) error {
	return fmt.Errorf("%s: record of key %#x with the label %q %w: restore it from a copy of the store: %w", b.name, r.PublicKey, r.Label, err, hsm.ErrCorrupt)
}

// unseal decrypts a record and checks that it holds what it says.
func (b *Backend) unseal(ctx context.Context, r store.Record) (*keyshare.SecretKey, error) {
	plain, err := b.sealer.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer plain.Destroy()
	return b.parse(r, plain)
}

// parse makes a key of what a record was opened to.
func (b *Backend) parse(r store.Record, plain *secret.Buffer) (*keyshare.SecretKey, error) {
	secretKey, err := keyshare.ParseSecretKey(scalar(plain))
	if errors.Is(err, keyshare.ErrSecretKey) {
		return nil, b.corrupt(r, errors.New("holds no secret key"))
	} else if err != nil {
		return nil, err
	}
	if own := secretKey.PublicKey(); own.Bytes() != r.PublicKey {
		secretKey.Destroy()
		return nil, b.corrupt(r, fmt.Errorf("holds the key %s", own))
	}
	return secretKey, nil
}

// scalar returns the secret where the sealer wrote it. It is not copied from there, because what copies bytes leaves them
// in registers, which the runtime saves on a stack when it interrupts a goroutine.
func scalar(plain *secret.Buffer) []byte {
	return plain.Bytes()[:min(plain.Len(), keyshare.SecretKeySize)]
}
