package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
)

// backend is a custody backend that is measured. A new one adds a line to backends.
type backend struct {
	name string
	open func(b *testing.B, dir string) (hsm.Backend, error) // with a new, empty store in the folder
}

var backends = []backend{
	{"software", openSoftware},
	{"pkcs11-cached", func(_ *testing.B, dir string) (hsm.Backend, error) { return openToken(dir, true) }},
	{"pkcs11-jit", func(_ *testing.B, dir string) (hsm.Backend, error) { return openToken(dir, false) }},
	{"vault", func(b *testing.B, _ string) (hsm.Backend, error) { return openVault(b) }},
}

func openSoftware(_ *testing.B, dir string) (hsm.Backend, error) {
	return software.Open(filepath.Join(dir, "keys.db"), passphrase, nil)
}

func passphrase() ([]byte, error) { return []byte("correct horse battery staple"), nil }

const tokenLabel = "bench"

// softHSM makes a token for this process.
var softHSM = sync.OnceValues(func() (module string, err error) { return softhsmtest.Make(scratch, tokenLabel) })

// openToken opens the SoftHSM token, with a session for each caller.
func openToken(dir string, cache bool) (hsm.Backend, error) {
	module, err := softHSM()
	if err != nil {
		return nil, err
	}
	records, err := store.OpenFile(filepath.Join(dir, "keys.db"), nil)
	if err != nil {
		return nil, err
	}
	return pkcs11.Open(context.Background(), pkcs11.Config{
		Module: module, Token: tokenLabel, PIN: func() ([]byte, error) { return []byte(softhsmtest.UserPIN), nil },
		KEK: "kek of " + filepath.Base(dir), CreateKEK: true, Store: records, Cache: cache, Sessions: runtime.NumCPU(),
	})
}

// openVault starts a Vault with the secrets engine, for the rest of the program, and opens it. It skips the row where
// there is no server.
func openVault(b *testing.B) (hsm.Backend, error) {
	server := vaulttest.Start(lasting{b}, &vaulttest.Options{Plugin: true})
	server.Mount(b, vault.DefaultMount)
	if err := server.Call("PUT", vault.DefaultMount+"/config", map[string]any{"raw_signing": true}, nil); err != nil {
		return nil, err
	}
	token := filepath.Join(scratch, "vault-token")
	if err := os.WriteFile(token, []byte(server.Token), 0o600); err != nil {
		return nil, err
	}
	return vault.Open(b.Context(), vault.Config{Address: server.Address, Auth: vault.TokenFile(token)})
}

// opened are the backends in use, with the shared keys in them.
var opened struct {
	sync.Mutex
	keys map[string][]keyshare.Key
}

// keysIn returns the shared keys as a backend has them, each opened and used once. It skips the row where the machine has
// no such backend.
func keysIn(b *testing.B, where backend) []keyshare.Key {
	b.Helper()
	opened.Lock()
	defer opened.Unlock()
	if list := opened.keys[where.name]; list != nil {
		return list
	}
	dir := filepath.Join(scratch, where.name)
	must(b, os.MkdirAll(dir, 0o700))
	custody, err := where.open(b, dir)
	if errors.Is(err, softhsmtest.ErrAbsent) {
		b.Skip(err)
	}
	must(b, err)
	secrets := sharedKeys(b).guarded
	list := make([]keyshare.Key, len(secrets))
	var wg sync.WaitGroup
	next := make(chan int, len(secrets))
	for i := range secrets {
		next <- i
	}
	close(next)
	failed := make(chan error, 1)
	for range 16 { // which share commits
		wg.Go(func() {
			for i := range next {
				k, err := custody.Import(b.Context(), "", secrets[i])
				if err == nil {
					_, err = k.SignRoots(b.Context(), keyshare.Root{})
				}
				if err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
				list[i] = k
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	if opened.keys == nil {
		opened.keys = map[string][]keyshare.Key{}
	}
	opened.keys[where.name] = list
	return list
}
