//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/keyshare"
)

// sealers counts the records of a store by the key-encryption key that opens them.
func sealers(t *testing.T, s store.Store) map[string]int {
	t.Helper()
	count := map[string]int{}
	for pk, err := range s.List(t.Context()) {
		require.NoError(t, err)
		r, err := s.Get(t.Context(), pk)
		require.NoError(t, err)
		kek, _, err := cutRecord(r)
		require.NoError(t, err)
		count[kek]++
	}
	return count
}

func TestRotate(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	token := openToken(t, c)
	var keys []hsm.Key
	for range 5 {
		k, err := token.Generate(ctx, "")
		require.NoError(t, err)
		keys = append(keys, k)
	}
	next := c.KEK + "-next"
	n, err := token.Rotate(ctx, next)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	n, err = token.Rotate(ctx, next)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, map[string]int{next: 5}, sealers(t, c.Store))
	k, err := token.Generate(ctx, "")
	require.NoError(t, err)
	require.Equal(t, map[string]int{next: 6}, sealers(t, c.Store))

	runChild(t, "delete", c.KEK)
	keys = append(keys, k)
	var public []keyshare.PublicKey
	for _, k := range keys {
		public = append(public, k.PublicKey())
	}
	all, err := token.SignAll(ctx, keyshare.Root{2}, public...)
	require.NoError(t, err, "keys that were open before the rotation")
	for i, pk := range public {
		require.True(t, pk.Verify(keyshare.Root{2}, all[i]))
	}
	for _, k := range keys {
		sigs, err := k.SignRoots(ctx, keyshare.Root{1})
		require.NoError(t, err, "a key that was open before the rotation")
		require.True(t, k.PublicKey().Verify(keyshare.Root{1}, sigs[0]))
	}
	require.NoError(t, token.Close())
	path := filepath.Join(t.TempDir(), "other.db")
	c.Store = openStore(t, path)
	c.KEK = next
	require.NotNil(t, openToken(t, c), "the new key serves new stores too")

	_, err = token.Rotate(ctx, "x")
	require.ErrorIs(t, err, hsm.ErrClosed)
}

// TestRotateWaits holds that a rotation waits for another one no longer than its context lasts.
func TestRotateWaits(t *testing.T) {
	c := config(t)
	token := openToken(t, c)
	token.rotating <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := token.Rotate(ctx, c.KEK)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-token.rotating
	_, err = token.Rotate(t.Context(), c.KEK)
	require.NoError(t, err)
}

// failing is a store whose Replace fails after a number of calls, as a process that dies does.
type failing struct {
	store.Store
	left atomic.Int64
}

var errDied = errors.New("died")

func (f *failing) Replace(ctx context.Context, pk [48]byte, old, next []byte) error {
	if f.left.Add(-1) < 0 {
		return errDied
	}
	return f.Store.Replace(ctx, pk, old, next)
}

func TestRotateResumes(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	f := &failing{Store: c.Store}
	c.Store = f
	token := openToken(t, c)
	var keys []hsm.Key
	for range 6 {
		k, err := token.Generate(ctx, "")
		require.NoError(t, err)
		keys = append(keys, k)
	}
	next := c.KEK + "-next"
	for i := range 3 {
		f.left.Store(2)
		n, err := token.Rotate(ctx, next)
		require.Equal(t, 2, n)
		if i < 2 {
			require.ErrorIs(t, err, errDied)
		} else {
			require.NoError(t, err)
		}
		for _, k := range keys {
			_, err := k.SignRoots(ctx, keyshare.Root{1})
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]int{next: 6}, sealers(t, c.Store))
	// A new process that reads the header knows the new key.
	require.NoError(t, token.Close())
}

// TestSoak rotates between three keys while others sign, make and delete keys, an RSA key decrypts and signs, and the
// sessions are lost again and again: each time after every one of the others has gone on since the last, so that no call
// meets more losses than it may.
func TestSoak(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	c.Sessions = 3
	token := openToken(t, c)
	var keys []hsm.Key
	var public []keyshare.PublicKey
	for i := range 4 {
		k, err := token.Generate(ctx, fmt.Sprint("key ", i))
		require.NoError(t, err)
		keys = append(keys, k)
		public = append(public, k.PublicKey())
	}
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	var made []*atomic.Int64 // calls that have ended, of each loop
	loop := func(f func(i int) error) {
		ended := new(atomic.Int64)
		made = append(made, ended)
		group.Go(func() {
			defer ended.Store(math.MaxInt64)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(i); err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
				ended.Add(1)
			}
		})
	}
	for w := range 3 {
		loop(func(i int) error {
			k, root := keys[(w+i)%len(keys)], keyshare.Root{byte(w), byte(i)}
			sigs, err := k.SignRoots(ctx, root)
			if err == nil && !k.PublicKey().Verify(root, sigs[0]) {
				err = errors.New("wrong signature")
			}
			return err
		})
	}
	loop(func(i int) error { _, err := token.SignAll(ctx, keyshare.Root{9, byte(i)}, public...); return err })
	loop(func(i int) error {
		k, err := token.Generate(ctx, "")
		if err != nil {
			return err
		}
		return token.Delete(ctx, k.PublicKey())
	})
	operator, err := token.GenerateRSA(ctx, unique("soak"))
	require.NoError(t, err)
	seen, err := operator.PublicKey(ctx)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("message"))
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, seen, digest[:])
	require.NoError(t, err)
	loop(func(int) error {
		k := token.RSA(operator.label) // which has not read its public key yet, as operator has
		for _, k := range []*RSAKey{k, operator} {
			opened, err := k.Decrypt(nil, sealed, nil)
			if err == nil && !bytes.Equal(opened, digest[:]) {
				err = errors.New("wrong plaintext")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		loop(func(int) error {
			signature, err := operator.Sign(nil, digest[:], crypto.SHA256)
			if err != nil {
				return err
			}
			return rsa.VerifyPKCS1v15(seen, crypto.SHA256, digest[:], signature)
		})
	}
	for i := range rounds {
		_, err := token.Rotate(ctx, fmt.Sprintf("%s-%d", c.KEK, i%3))
		require.NoError(t, err, "round %d", i)
		killSessions(t, token)
		for _, ended := range made {
			for n := ended.Load(); ended.Load() < n+2 && ended.Load() < math.MaxInt64; { // the call that was under way, and a whole one
				time.Sleep(time.Millisecond)
			}
		}
	}
	close(stop)
	group.Wait()
	require.Len(t, sealers(t, c.Store), 1)
}
