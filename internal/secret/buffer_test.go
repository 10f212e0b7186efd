package secret

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Lengths on both sides of every border: empty, a scalar, the longest slot, a page and more.
func lengths() *rapid.Generator[int] {
	page := pageSize
	return rapid.OneOf(
		rapid.SampledFrom([]int{0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, page - 17, page - 16, page - 1, page, page + 1, 2 * page}),
		rapid.IntRange(0, slotMax),
		rapid.IntRange(0, 3*page),
	)
}

// Many buffers at once behave as a map of slices would: none changes another, new ones are zero, old ones are wiped.
func TestBuffersAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			buf  *Buffer
			want []byte
		}
		var live []pair
		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) {
				n := lengths().Draw(t, "n")
				buf, err := New(n)
				require.NoError(t, err)
				require.Equal(t, make([]byte, n), buf.Bytes())
				require.Equal(t, n, cap(buf.Bytes()), "append could write past the end")
				live = append(live, pair{buf, make([]byte, n)})
			},
			"copy": func(t *rapid.T) {
				want := rapid.SliceOfN(rapid.Byte(), 0, 2*slotMax).Draw(t, "b")
				given := bytes.Clone(want)
				buf, err := Copy(given)
				require.NoError(t, err)
				require.Equal(t, want, given)
				live = append(live, pair{buf, want})
			},
			"take": func(t *rapid.T) {
				want := rapid.SliceOfN(rapid.Byte(), 0, 2*slotMax).Draw(t, "b")
				given := bytes.Clone(want)
				buf, err := Take(given)
				require.NoError(t, err)
				require.Equal(t, make([]byte, len(want)), given)
				live = append(live, pair{buf, want})
			},
			"write": func(t *rapid.T) {
				if len(live) == 0 {
					t.Skip("nothing to write to")
				}
				p := rapid.SampledFrom(live).Draw(t, "buffer")
				v := rapid.Byte().Draw(t, "v")
				for i := range p.want {
					p.want[i], p.buf.Bytes()[i] = v, v
				}
			},
			"destroy": func(t *rapid.T) {
				if len(live) == 0 {
					t.Skip("nothing to destroy")
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "i")
				live[i].buf.Destroy()
				live[i].buf.Destroy()
				require.Nil(t, live[i].buf.Bytes())
				require.Zero(t, live[i].buf.Len())
				live = append(live[:i], live[i+1:]...)
			},
			"": func(t *rapid.T) {
				for _, p := range live {
					require.True(t, bytes.Equal(p.want, p.buf.Bytes()), "a buffer of %d bytes changed", len(p.want))
					require.Equal(t, len(p.want), p.buf.Len())
				}
			},
		})
		for _, p := range live {
			p.buf.Destroy()
		}
	})
}

func TestSmallBuffersAreAligned(t *testing.T) {
	for n := 1; n <= slotMax; n++ {
		buf, err := New(n)
		require.NoError(t, err)
		require.Zero(t, uintptr(unsafe.Pointer(&buf.Bytes()[0]))%16)
		buf.Destroy()
	}
}

func TestRandom(t *testing.T) {
	a, err := Random(32)
	require.NoError(t, err)
	defer a.Destroy()
	b, err := Random(32)
	require.NoError(t, err)
	defer b.Destroy()
	require.False(t, bytes.Equal(a.Bytes(), b.Bytes()))
	require.False(t, bytes.Equal(a.Bytes(), make([]byte, 32)))
}

func TestLengthRefused(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{
		{-1, "secret: length is -1, expected 0 to 1073741824 bytes"},
		{maxLen + 1, "secret: length is 1073741825, expected 0 to 1073741824 bytes"},
		{math.MaxInt, fmt.Sprintf("secret: length is %d, expected 0 to 1073741824 bytes", math.MaxInt)},
	} {
		_, err := New(c.n)
		require.EqualError(t, err, c.want)
		_, err = Random(c.n)
		require.EqualError(t, err, c.want)
	}
}

func TestNilAndZeroBuffer(t *testing.T) {
	for _, b := range []*Buffer{nil, {}} {
		require.Nil(t, b.Bytes())
		require.Zero(t, b.Len())
		b.Destroy()
	}
}

// A slot is zero after Destroy, the whole of it.
func TestSlotIsZeroAfterDestroy(t *testing.T) {
	for n := range slotMax + 1 {
		buf, err := New(n)
		require.NoError(t, err)
		slot := unsafe.Slice((*byte)(buf.memory.block.at), slotMax) // the slab stays mapped
		for i := range buf.Bytes() {
			buf.Bytes()[i] = 0xa5
		}
		buf.Destroy()
		require.Equal(t, make([]byte, slotMax), slot)
	}
}

// One changed byte, anywhere between the guard pages but outside the secret, is noticed.
func TestBrokenCanaryPanics(t *testing.T) {
	const want = "secret: memory corruption: the bytes next to a secret were overwritten"
	for _, n := range []int{0, 1, 5, 16, 31, 32, 33, 63, 64, 65, 100, pageSize - 1, pageSize, pageSize + 7} {
		buf, err := New(n)
		require.NoError(t, err)
		block := buf.memory.block
		around := append(addresses(block.before()), addresses(block.after())...)
		if n > 0 && n <= slotMax {
			require.Len(t, around, canaryLen+slotPitch-n)
		}
		for i, p := range around {
			if len(around) > 200 && i > 20 && i < len(around)-20 {
				continue
			}
			buf.memory.gone = false
			secret := block.bytes()
			for i := range secret {
				secret[i] = 0xa5
			}
			*p ^= 0x10
			require.PanicsWithValue(t, want, buf.Destroy, "length %d, byte %d", n, i)
			require.Equal(t, make([]byte, n), secret, "the secret outlived the panic")
			*p ^= 0x10
		}
		buf.memory.gone = false
		buf.Destroy()
	}
}

func addresses(b []byte) (p []*byte) {
	for i := range b {
		p = append(p, &b[i])
	}
	return p
}

// A Buffer that was dropped without Destroy is wiped all the same.
func TestLostBufferIsWiped(t *testing.T) {
	memory := func() *guarded {
		buf, err := Copy(bytes.Repeat([]byte{0xa5}, 32))
		require.NoError(t, err)
		return buf.memory
	}()
	gone := func() bool {
		runtime.GC()
		memory.mu.Lock()
		defer memory.mu.Unlock()
		return memory.gone
	}
	require.Eventually(t, gone, 10*time.Second, time.Millisecond)
}

// A Buffer that was destroyed is not given back a second time by the clean-up, which would hand one slot to two owners.
func TestNoDoubleFree(t *testing.T) {
	before := freeSlots()
	for range 100 {
		buf, err := New(32)
		require.NoError(t, err)
		buf.Destroy()
		buf.memory.destroy()
	}
	runtime.GC()
	runtime.GC()
	require.GreaterOrEqual(t, freeSlots(), before)
	slots.mu.Lock()
	defer slots.mu.Unlock()
	seen := map[unsafe.Pointer]bool{}
	for _, p := range slots.free {
		require.False(t, seen[p], "a slot is twice on the free list")
		seen[p] = true
	}
}

func freeSlots() int {
	slots.mu.Lock()
	defer slots.mu.Unlock()
	return len(slots.free)
}

func TestWipe(t *testing.T) {
	b := []byte{1, 2, 3, 4}
	Wipe(b[1:3])
	require.Equal(t, []byte{1, 0, 0, 4}, b)
	Wipe(nil)
}
