// Package hsmtest is the test of the contract of package hsm. Every backend of this library passes it; so should one of
// your own. Call [Run] from a test of the backend's package:
//
//	func TestBackend(t *testing.T) {
//		hsmtest.Run(t, func(t *testing.T) hsm.Backend {
//			b, err := mybackend.Open(t.TempDir())
//			if err != nil {
//				t.Fatal(err)
//			}
//			return b
//		}, nil)
//	}
//
// It checks what each method promises, bad input, concurrent use, cancelled contexts, the closed backend, and that
// nothing a backend returns prints a secret. What it cannot check is that keys survive a crash, and where secrets are
// while they are used: that is for the backend's own tests.
//
// This package imports testing and is for tests only.
package hsmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

// Options change what Run does. The zero value, and nil, are the defaults.
type Options struct {
	// Reopen closes the backend and opens the same store again, as a restarted process would. Without it Run does not
	// test that keys persist.
	Reopen func(t *testing.T, b hsm.Backend) hsm.Backend

	// Keys is how many keys the test of List makes; 0 means 1000, or 100 with -short.
	Keys int

	// NoSplit is for a backend whose keys cannot be split, such as a token that signs by itself: Split refuses bad
	// arguments, keys that are gone and a closed backend as in any other, and all else with hsm.ErrDenied.
	NoSplit bool
}

// suite is one run.
type suite struct {
	open    func(t *testing.T) hsm.Backend
	options Options
}

// Run tests a backend. open returns one that is empty and has a store of its own; it is called once or more by each
// subtest, which closes what it got.
func Run(t *testing.T, open func(t *testing.T) hsm.Backend, o *Options) {
	s := &suite{open: open}
	if o != nil {
		s.options = *o
	}
	if s.options.Keys == 0 {
		s.options.Keys = 1000
		if testing.Short() {
			s.options.Keys = 100
		}
	}
	for _, sub := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"Info", testInfo},
		{"Generate", testGenerate},
		{"GenerateWithLabel", testGenerateWithLabel},
		{"GenerateAtOnce", testGenerateAtOnce},
		{"BadLabel", testBadLabel},
		{"Sign", testSign},
		{"SignUntilCancelled", testSignUntilCancelled},
		{"Open", testOpen},
		{"ListMany", testListMany},
		{"ListWhileDeleting", testListWhileDeleting},
		{"Delete", testDelete},
		{"Reopen", testReopen},
		{"Import", testImport},
		{"ImportShare", testImportShare},
		{"ImportAgain", testImportAgain},
		{"ImportBad", testImportBad},
		{"Split", testSplit},
		{"SplitRefuses", testSplitRefuses},
		{"Concurrent", testConcurrent},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
		{"NoSecretPrints", testNoSecretPrints},
	} {
		t.Run(sub.name, func(t *testing.T) { sub.run(t, s) })
	}
}

// backend opens an empty backend and closes it at the end of the test.
func (s *suite) backend(t *testing.T) hsm.Backend {
	t.Helper()
	b := s.open(t)
	require.NotNil(t, b)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// list returns all public keys of a backend.
func list(t *testing.T, b hsm.Backend) (keys []keyshare.PublicKey) {
	t.Helper()
	for pk, err := range b.List(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, pk)
	}
	return keys
}

func generate(t *testing.T, b hsm.Backend, label string) hsm.Key {
	t.Helper()
	k, err := b.Generate(t.Context(), label)
	require.NoError(t, err)
	require.NotNil(t, k)
	require.False(t, k.PublicKey().IsZero())
	return k
}

// requireSigns has the key sign two roots and verifies both.
func requireSigns(t *testing.T, k keyshare.Key) {
	t.Helper()
	roots := []keyshare.Root{{1}, {2}}
	sigs, err := k.SignRoots(t.Context(), roots...)
	require.NoError(t, err)
	require.Len(t, sigs, len(roots))
	for i, root := range roots {
		require.True(t, k.PublicKey().Verify(root, sigs[i]), "signature %d", i)
	}
}

func sign(t *testing.T, k keyshare.Key, root keyshare.Root) keyshare.Signature {
	t.Helper()
	sigs, err := k.SignRoots(t.Context(), root)
	require.NoError(t, err)
	require.Len(t, sigs, 1)
	return sigs[0]
}

func newSecret(t *testing.T) *keyshare.SecretKey {
	t.Helper()
	k, err := keyshare.Generate()
	require.NoError(t, err)
	t.Cleanup(k.Destroy)
	return k
}

// bytesOf copies a secret, for tests alone.
func bytesOf(t *testing.T, k keyshare.Secret) (b []byte) {
	t.Helper()
	require.NoError(t, k.Use(func(secret []byte) error {
		b = slices.Clone(secret)
		return nil
	}))
	return b
}

// operatorKeys are the RSA keys of four operators, made once for a test binary.
var operatorKeys = sync.OnceValues(func() (keys [4]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

// operators returns four operators with ids that are neither in order nor small, and their keys by id.
func operators(t *testing.T) ([]keyshare.Operator, map[keyshare.Index]*rsa.PrivateKey) {
	t.Helper()
	keys, err := operatorKeys()
	require.NoError(t, err)
	var to []keyshare.Operator
	byID := map[keyshare.Index]*rsa.PrivateKey{}
	for i, id := range []keyshare.Index{71, 5, 1<<64 - 1, 300} {
		to = append(to, keyshare.Operator{ID: id, PublicKey: &keys[i].PublicKey})
		byID[id] = keys[i]
	}
	return to, byID
}

// cancelled returns a context that is.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
