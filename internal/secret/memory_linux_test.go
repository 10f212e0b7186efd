package secret

import (
	"encoding/hex"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 the test computes what secretbox derives, to look for it
	"golang.org/x/crypto/salsa20/salsa"

	"github.com/claystack/dvkeys/internal/secret/memscan"
)

func mask(t *testing.T, secret []byte) memscan.Pattern {
	t.Helper()
	p, err := memscan.Mask(secret)
	require.NoError(t, err)
	return p
}

func find(t *testing.T, p memscan.Pattern) []memscan.Hit {
	t.Helper()
	hits, err := memscan.Find(p)
	require.NoError(t, err)
	return hits
}

// A secret that went through everything this package does is, while it is used, in one place, and afterwards in none.
func TestNoCopyIsLeft(t *testing.T) {
	buf, err := Random(32)
	require.NoError(t, err)
	p := mask(t, buf.Bytes())
	hits := find(t, p)
	require.Len(t, hits, 1)
	require.Equal(t, uintptr(buf.memory.block.at), hits[0].Address)

	box, err := Seal(buf.Bytes())
	require.NoError(t, err)
	key := newKey(t)
	defer key.Destroy()
	record, err := key.Seal([]byte("context"), buf.Bytes())
	require.NoError(t, err)
	again, err := Take(buf.Bytes())
	require.NoError(t, err)
	again.Destroy()
	buf.Destroy()
	require.Empty(t, find(t, p), "after sealing")

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				require.NoError(t, box.Use(use))
				opened, err := box.Open()
				require.NoError(t, err)
				opened.Destroy()
				opened, err = key.Open([]byte("context"), record)
				require.NoError(t, err)
				opened.Destroy()
			}
		})
	}
	wg.Wait()
	require.Empty(t, find(t, p), "after use")

	require.NoError(t, box.Use(func(plain []byte) error {
		hits := find(t, p)
		require.Len(t, hits, 1, "in use")
		require.Equal(t, uintptr(unsafe.Pointer(&plain[0])), hits[0].Address)
		return nil
	}))
	require.Empty(t, find(t, p), "after the last use")

	// A copy somebody makes is found, in whatever form: the test can fail.
	var careless []byte
	var text string
	require.NoError(t, box.Use(func(plain []byte) error {
		careless = append(careless, plain...)
		text = hex.EncodeToString(plain)
		return nil
	}))
	require.GreaterOrEqual(t, len(find(t, p)), 2)
	runtime.KeepAlive(text)
	Wipe(careless)
	box.Destroy()
}

// The process key is in its locked slot and nowhere else.
func TestProcessKeyIsInOnePlace(t *testing.T) {
	box, err := Seal(make([]byte, 32))
	require.NoError(t, err)
	defer box.Destroy()
	for range 100 {
		require.NoError(t, box.Use(use))
	}
	p, err := theProcess()
	require.NoError(t, err)
	hits := find(t, mask(t, p.key.Bytes()))
	require.Len(t, hits, 1)
	require.Equal(t, uintptr(p.key.memory.block.at), hits[0].Address)
}

// What the decryption derives from the process key for one box does not stay on the stack it ran on.
func TestDerivedKeyIsNotLeft(t *testing.T) {
	box, err := Seal(make([]byte, 32))
	require.NoError(t, err)
	defer box.Destroy()
	proc, err := theProcess()
	require.NoError(t, err)
	nonce := proc.boxNonce(box.number)

	derived, err := New(32)
	require.NoError(t, err)
	salsa.HSalsa20((*[32]byte)(derived.Bytes()), (*[16]byte)(nonce[:16]), (*[32]byte)(proc.key.Bytes()), &salsa.Sigma)
	overwriteStack()
	p := mask(t, derived.Bytes())
	derived.Destroy()

	// after runs f on a goroutine of its own and counts copies while that goroutine, and so its stack, is still there. f runs
	// far down that stack, where waiting for the channel overwrites nothing.
	after := func(f func()) int {
		parked, done := make(chan struct{}), make(chan struct{})
		go func() {
			farDown(f)
			close(parked)
			<-done
		}()
		<-parked
		defer close(done)
		return len(find(t, p))
	}
	require.Zero(t, after(func() { _ = box.Use(use) }))
	plain, err := New(32)
	require.NoError(t, err)
	defer plain.Destroy()
	require.NotZero(t, after(func() {
		secretbox.Open(plain.Bytes()[:0], box.sealed, &nonce, (*[32]byte)(proc.key.Bytes()))
	}), "secretbox alone leaves none: this test shows nothing, and overwriteStack is not needed any more")
}

//go:noinline
func farDown(f func()) {
	var above [4096]byte
	f()
	runtime.KeepAlive(&above)
}
