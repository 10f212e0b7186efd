package secret

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBoxRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := lengths().Draw(t, "n")
		plain := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "plain")
		given := bytes.Clone(plain)
		x, err := Seal(given)
		require.NoError(t, err)
		defer x.Destroy()
		require.Equal(t, plain, given, "Seal changed its input")
		if n >= 8 {
			require.False(t, bytes.Contains(x.sealed, plain))
		}

		for range 2 {
			require.NoError(t, x.Use(func(b []byte) error {
				require.True(t, bytes.Equal(plain, b))
				require.Equal(t, n, cap(b))
				clear(b) // f's own copy
				return nil
			}))
		}
		buf, err := x.Open()
		require.NoError(t, err)
		defer buf.Destroy()
		require.True(t, bytes.Equal(plain, buf.Bytes()))
		x.Destroy()
		require.True(t, bytes.Equal(plain, buf.Bytes()), "Destroy of the box reached what was opened from it")
	})
}

func TestBoxDestroyed(t *testing.T) {
	x, err := Seal([]byte("0123456789abcdef"))
	require.NoError(t, err)
	sealed := x.sealed
	for range 2 {
		x.Destroy()
	}
	require.Equal(t, make([]byte, len(sealed)), sealed, "ciphertext outlived Destroy")
	for _, x := range []*Box{x, nil, {}} {
		require.ErrorIs(t, x.Use(func([]byte) error { t.Error("called"); return nil }), ErrDestroyed)
		_, err = x.Open()
		require.ErrorIs(t, err, ErrDestroyed)
	}
	(*Box)(nil).Destroy()
}

// f may use and destroy the box it is called by.
func TestBoxUseIsReentrant(t *testing.T) {
	x, err := Seal([]byte("0123456789abcdef"))
	require.NoError(t, err)
	require.NoError(t, x.Use(func(a []byte) error {
		return x.Use(func(b []byte) error {
			x.Destroy()
			require.Equal(t, "0123456789abcdef", string(a))
			require.Equal(t, "0123456789abcdef", string(b))
			return nil
		})
	}))
	require.ErrorIs(t, x.Use(use), ErrDestroyed)
}

// However f ends, its error comes back and its slot is wiped and free.
func TestBoxUseGivesTheSlotBack(t *testing.T) {
	x, err := Seal(bytes.Repeat([]byte{0xa5}, 32))
	require.NoError(t, err)
	defer x.Destroy()
	require.NoError(t, x.Use(use))
	before := freeSlots()

	var kept []byte
	oops := errors.New("oops")
	for name, end := range map[string]func() error{
		"returns": func() error { return nil },
		"fails":   func() error { return oops },
		"panics":  func() error { panic(oops) },
		"exits":   func() error { runtime.Goexit(); return nil },
	} {
		var got error
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					got = p.(error)
				}
			}()
			got = x.Use(func(b []byte) error {
				kept = b
				return end()
			})
		})
		wg.Wait()
		if name == "fails" || name == "panics" {
			require.Equal(t, oops, got, name)
		} else {
			require.NoError(t, got, name)
		}
		require.Equal(t, make([]byte, 32), kept, "%s: the slot was not wiped", name)
		require.Equal(t, before, freeSlots(), "%s: the slot was not given back", name)
	}
}

// A box that was overwritten in memory is refused, whichever byte of it.
func TestBoxAltered(t *testing.T) {
	x, err := Seal(make([]byte, 32))
	require.NoError(t, err)
	defer x.Destroy()
	free := freeSlots()
	for i := range x.sealed {
		x.sealed[i] ^= 1
		require.ErrorIs(t, x.Use(use), ErrOpen)
		_, err := x.Open()
		require.ErrorIs(t, err, ErrOpen)
		x.sealed[i] ^= 1
	}
	x.number++
	require.ErrorIs(t, x.Use(use), ErrOpen)
	x.number--
	require.NoError(t, x.Use(use))
	require.Equal(t, free, freeSlots())
}

// No two boxes share a nonce, nor the part of it from which XSalsa20 derives a box's key; so boxes of one secret differ.
func TestBoxNonces(t *testing.T) {
	p, err := theProcess()
	require.NoError(t, err)
	seen := map[[16]byte]bool{}
	cipher := map[string]bool{}
	for range 1000 {
		x, err := Seal([]byte("the same bytes each time"))
		require.NoError(t, err)
		nonce := p.boxNonce(x.number)
		require.False(t, seen[[16]byte(nonce[:])])
		require.False(t, cipher[string(x.sealed)])
		seen[[16]byte(nonce[:])] = true
		cipher[string(x.sealed)] = true
	}
}

// Uses and Destroy at the same time: each Use sees the whole secret or ErrDestroyed, never another box's secret.
func TestBoxConcurrency(t *testing.T) {
	const boxes, workers, rounds = 8, 8, 200
	for range 5 {
		var all [boxes]*Box
		for i := range all {
			var err error
			all[i], err = Seal(bytes.Repeat([]byte{byte(i + 1)}, 32))
			require.NoError(t, err)
		}
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for r := range rounds {
					i := (w + r) % boxes
					want := bytes.Repeat([]byte{byte(i + 1)}, 32)
					err := all[i].Use(func(b []byte) error {
						runtime.Gosched()
						if !bytes.Equal(b, want) {
							t.Errorf("box %d held another's bytes", i)
						}
						return nil
					})
					if err != nil && !errors.Is(err, ErrDestroyed) {
						t.Error(err)
					}
					if buf, err := all[i].Open(); err == nil {
						if !bytes.Equal(buf.Bytes(), want) {
							t.Errorf("box %d opened to another's bytes", i)
						}
						buf.Destroy()
					}
					if r == rounds/2 && w < boxes/2 {
						all[w].Destroy()
					}
				}
			})
		}
		wg.Wait()
		for i, x := range all {
			err := x.Use(use)
			if i < boxes/2 {
				require.ErrorIs(t, err, ErrDestroyed)
			} else {
				require.NoError(t, err)
			}
			x.Destroy()
		}
	}
}

// 32 bytes at rest take about 100 bytes of ordinary memory.
func TestBoxSize(t *testing.T) {
	const n = 20_000
	plain := make([]byte, 32)
	boxes := make([]*Box, n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range boxes {
		boxes[i], _ = Seal(plain)
	}
	each := float64(heap()-before) / n
	require.NotNil(t, boxes[n-1])
	require.Less(t, each, 110.0)
	t.Logf("%.0f bytes a box", each)
}

func TestUseAllocatesNothing(t *testing.T) {
	x, err := Seal(make([]byte, 32))
	require.NoError(t, err)
	defer x.Destroy()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = x.Use(use) }))
}
