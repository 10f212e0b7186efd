package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	blst "github.com/supranational/blst/bindings/go"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/claystack/dvkeys/bench/internal/race"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keystore"
)

// BenchmarkOpen opens a key file and every key in it. The file grows from row to row.
func BenchmarkOpen(b *testing.B) {
	sizes := []int{1_000, 10_000, 100_000}
	if testing.Short() {
		sizes = []int{100}
	}
	var file keyFile
	for _, size := range sizes {
		for _, n := range cores() {
			row(b, func(b *testing.B) {
				must(b, file.grow(size))
				least := rounds(size)
				if size == 100_000 {
					least = 1 // of half a minute
				}
				race.Race{
					Unit: "keys/s", Count: size, Workers: 1, Cores: n, Ops: 1, Rounds: least,
					Lanes: []race.Lane{
						{Op: func(int) error { return file.open(size, n) }},
						{Name: "eip2335", Count: 1, Op: keystores(b, 1)},
						{Name: "limit", Op: opening(&file, size, n)},
					},
				}.Run(b)
			}, "backend", "software", "keys", size, "cores", n)
		}
	}
}

type keyFile struct {
	path string
	keys int
}

// grow adds keys until there are as many as wanted. Each is test-signed, so this takes a millisecond of a core a key.
func (f *keyFile) grow(size int) error {
	if f.path == "" {
		f.path = filepath.Join(scratch, "grown.db")
	}
	custody, err := software.Open(f.path, passphrase, nil)
	if err != nil {
		return err
	}
	failed := make(chan error, 64)
	var wg sync.WaitGroup
	for w := range cap(failed) { // which share commits
		wg.Go(func() {
			for i := f.keys + w; i < size; i += cap(failed) {
				if _, err := custody.Generate(context.Background(), ""); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	f.keys = max(f.keys, size)
	return errors.Join(<-failed, custody.Close())
}

// open opens the file, and each key by one of the goroutines.
func (f *keyFile) open(size, goroutines int) error {
	custody, err := software.Open(f.path, passphrase, &software.Options{MustExist: true})
	if err != nil {
		return err
	}
	list, failed := make(chan keyshare.PublicKey, 256), make(chan error, goroutines)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for pk := range list {
				if _, err := custody.Open(context.Background(), pk); err != nil {
					failed <- err
					break
				}
			}
			for range list { // so that the one who lists does not wait
			}
		})
	}
	opened := 0
	for pk, listErr := range custody.List(context.Background()) {
		if err = listErr; err != nil {
			break
		}
		list <- pk
		opened++
	}
	close(list)
	wg.Wait()
	close(failed)
	if err == nil && opened != size {
		err = fmt.Errorf("%d keys, %d expected", opened, size)
	}
	return errors.Join(err, <-failed, custody.Close())
}

// keystores decrypts that many keystore files of the usual kind.
func keystores(b *testing.B, count int) func(int) error {
	b.Helper()
	dir, password := b.TempDir(), []byte("correct horse battery staple")
	var entries []keystore.Entry
	for i := range count {
		key, err := keyshare.Generate()
		must(b, err)
		entries = append(entries, keystore.Entry{Key: key, Options: &keystore.Options{Path: keystore.SigningPath(uint32(i))}})
	}
	_, err := keystore.WriteDir(context.Background(), dir, password, entries)
	must(b, err)
	return func(int) error {
		for _, err := range keystore.ReadDir(context.Background(), dir, password) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// opening is the limit: the file is read, one key derived from the passphrase, and for each key 32 bytes are decrypted
// and the public key computed, on as many cores.
func opening(f *keyFile, size, cores int) func(int) error {
	var kek [32]byte
	nonce, plain := [24]byte{}, make([]byte, 32)
	_, _ = rand.Read(plain)
	plain[0] = 1
	return func(int) error {
		if _, err := os.ReadFile(f.path); err != nil {
			return err
		}
		copy(kek[:], argon2.IDKey(plain, plain[:16], 3, 64<<10, 4, 32))
		box := secretbox.Seal(nil, plain, &nonce, &kek)
		failed := make(chan error, 1)
		share(cores, size, func(first, next int) {
			for range next - first {
				secret, ok := secretbox.Open(nil, box, &nonce, &kek)
				if k := new(blst.SecretKey).Deserialize(secret); !ok || k == nil || new(blst.P1Affine).From(k) == nil {
					select {
					case failed <- errors.New("the record does not open"):
					default:
					}
				}
			}
		})
		close(failed)
		return <-failed
	}
}
