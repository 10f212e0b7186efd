package secret

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// area is an entry of /proc/self/smaps.
type area struct {
	from, to    uintptr
	mode, flags string
}

func areas(t *testing.T) (all []area) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	for line := range strings.Lines(string(smaps)) {
		var a area
		if _, err := fmt.Sscanf(line, "%x-%x %s", &a.from, &a.to, &a.mode); err == nil {
			all = append(all, a)
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok {
			all[len(all)-1].flags = flags
		}
	}
	require.NotEmpty(t, all)
	return all
}

// around returns the area of an address and the two beside it.
func around(t *testing.T, at unsafe.Pointer) (before, here, after area) {
	all := areas(t)
	for i, a := range all {
		if a.from <= uintptr(at) && uintptr(at) < a.to {
			return all[i-1], a, all[i+1]
		}
	}
	t.Fatalf("no mapping at %p", at)
	return
}

// Slots, mappings of their own and the process key are locked, not dumped, empty in a forked child, and lie between
// pages that cannot be touched.
func TestMemoryIsGuarded(t *testing.T) {
	p, err := theProcess()
	require.NoError(t, err)
	blocks := map[string]block{"process key": p.key.memory.block}
	for _, n := range []int{1, slotMax, slotMax + 1, pageSize, 3*pageSize + 5} {
		buf, err := New(n)
		require.NoError(t, err)
		defer buf.Destroy()
		blocks[fmt.Sprint(n)] = buf.memory.block
	}
	for name, b := range blocks {
		before, here, after := around(t, b.at)
		require.Equal(t, "rw-p", here.mode, name)
		for _, flag := range []string{"lo", "dd", "wf"} {
			require.Contains(t, strings.Fields(here.flags), flag, name)
		}
		require.LessOrEqual(t, uintptr(b.at)+uintptr(b.n), here.to, name)
		require.Equal(t, "---p", before.mode, name)
		require.Equal(t, here.from, before.to, name)
		require.Equal(t, "---p", after.mode, name)
		require.Equal(t, here.to, after.from, name)
		if b.n > slotMax {
			require.Equal(t, here.to, uintptr(b.at)+uintptr(b.n), "%s: not flush against the guard page", name)
		}
	}
	// Ordinary memory has none of this, so the test can fail.
	_, here, _ := around(t, unsafe.Pointer(p))
	require.NotContains(t, strings.Fields(here.flags), "lo")
	require.NotContains(t, strings.Fields(here.flags), "dd")
}

// One byte past a large buffer, or a page before it, is a fault and not a read.
func TestGuardPagesFault(t *testing.T) {
	buf, err := New(100)
	require.NoError(t, err)
	defer buf.Destroy()
	faults := func(at unsafe.Pointer) (fault bool) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() { fault = recover() != nil }()
		runtime.KeepAlive(*(*byte)(at))
		return
	}
	b := buf.memory.block
	m := b.mapping()
	require.False(t, faults(unsafe.Pointer(&m[0])))
	require.False(t, faults(unsafe.Pointer(&m[len(m)-1])))
	require.True(t, faults(unsafe.Add(b.at, b.n)))
	require.True(t, faults(unsafe.Add(unsafe.Pointer(&m[0]), -1)))
}

// A large buffer's mapping is gone after Destroy; what the process has mapped there since is not locked.
func TestLargeBufferIsUnmapped(t *testing.T) {
	buf, err := New(10 * pageSize)
	require.NoError(t, err)
	at := uintptr(buf.memory.block.at)
	locked := func() bool {
		for _, a := range areas(t) {
			if a.from <= at && at < a.to {
				return slices.Contains(strings.Fields(a.flags), "lo")
			}
		}
		return false
	}
	require.True(t, locked())
	buf.Destroy()
	require.False(t, locked())
}

// Of mappings of one page a few are kept, zeroed, locked and guarded, and make room when the system lets no more be locked.
func TestSpareMappings(t *testing.T) {
	spares.giveBack()
	before := lockedKB(t)
	var all []*Buffer
	for i := range 3 * maxSpares {
		buf, err := New(slotMax + 1 + i)
		require.NoError(t, err)
		for j := range buf.Bytes() {
			buf.Bytes()[j] = 0xff
		}
		all = append(all, buf)
	}
	for _, buf := range all {
		buf.Destroy()
	}
	require.Len(t, spares.mapped, maxSpares)
	require.LessOrEqual(t, lockedKB(t), before+maxSpares*pageSize/1024)
	for _, m := range spares.mapped {
		require.Equal(t, make([]byte, pageSize), m)
	}
	page := spares.mapped[maxSpares-1]
	buf, err := New(pageSize - 3)
	require.NoError(t, err)
	defer buf.Destroy()
	require.Equal(t, unsafe.Pointer(&page[3]), buf.memory.block.at, "not the spare one, or not flush against the guard page")
	require.Equal(t, make([]byte, pageSize-3), buf.Bytes())
	_, here, _ := around(t, buf.memory.block.at)
	for _, flag := range []string{"lo", "dd", "wf"} {
		require.Contains(t, strings.Fields(here.flags), flag)
	}
	require.True(t, spares.giveBack())
	require.False(t, spares.giveBack())
}

func lockedKB(t *testing.T) (kb int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, line, ok := strings.Cut(string(status), "VmLck:")
	require.True(t, ok)
	_, err = fmt.Sscan(line, &kb)
	require.NoError(t, err)
	return kb
}

// 100,000 boxes, all in use one after the other, need no more locked memory than one.
func TestBoxesNeedFewLockedPages(t *testing.T) {
	x, err := Seal(make([]byte, 32))
	require.NoError(t, err)
	require.NoError(t, x.Use(use))
	before := lockedKB(t)
	require.NotZero(t, before, "nothing is locked")

	boxes := make([]*Box, 100_000)
	for i := range boxes {
		boxes[i], err = Seal(make([]byte, 32))
		require.NoError(t, err)
	}
	for _, x := range boxes {
		require.NoError(t, x.Use(use))
	}
	require.Equal(t, before, lockedKB(t))
	runtime.KeepAlive(boxes)

	// Buffers do need it, so the count can grow.
	var open []*Buffer
	for range 1000 {
		buf, err := New(32)
		require.NoError(t, err)
		open = append(open, buf)
	}
	require.GreaterOrEqual(t, lockedKB(t), 1000*slotPitch/1024)
	for _, buf := range open {
		buf.Destroy()
	}
}

// Where the system refuses to lock memory, nothing is stored and the error says what to do. The test runs itself again in
// a process that may lock nothing: root could, so the thread gives up that right.
func TestLockRefused(t *testing.T) {
	if os.Getenv("SECRET_TEST_NO_LOCK") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockRefused$", "-test.v")
		cmd.Env = append(os.Environ(), "SECRET_TEST_NO_LOCK=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestLockRefused")
		return
	}

	runtime.LockOSThread() // and never unlock: the thread ends with the test
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var rights [2]unix.CapUserData // none
	require.NoError(t, unix.Capset(&header, &rights[0]))

	for _, n := range []int{1, slotMax, slotMax + 1, 100 * pageSize} {
		_, err := New(n)
		require.ErrorIs(t, err, ErrLocked)
		for _, say := range []string{"RLIMIT_MEMLOCK", "ulimit -l", "LimitMEMLOCK"} {
			require.ErrorContains(t, err, say)
		}
		require.NotContains(t, err.Error(), "0x", "an address helps nobody")
		t.Log(err)
	}
	given := []byte("0123456789abcdef")
	_, err := Take(given)
	require.ErrorIs(t, err, ErrLocked)
	require.Equal(t, make([]byte, 16), given, "Take failed and did not wipe")

	given = []byte("0123456789abcdef0123456789abcdef")
	_, err = TakeKey(given)
	require.ErrorIs(t, err, ErrLocked)
	require.Equal(t, make([]byte, 32), given, "TakeKey failed and did not wipe")
	_, err = Seal(given)
	require.ErrorIs(t, err, ErrLocked)
	_, err = NewKey()
	require.ErrorIs(t, err, ErrLocked)
	require.Zero(t, lockedKB(t))

	// A refusal is not for ever: with the limit raised the same process goes on.
	if limit.Max < 64<<10 {
		return // and no room to raise it to
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit.Max, Max: limit.Max}))
	box, err := Seal(given)
	require.NoError(t, err)
	require.NoError(t, box.Use(use))
}
