package dvkeys_test

import (
	"math/bits"
	"os"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// pin keeps all threads of this process to its first core until the benchmark ends. GOMAXPROCS does not: what runs in C
// does not count there.
func pin(b *testing.B) {
	var all, one [16]uint64
	affinity(b, syscall.SYS_SCHED_GETAFFINITY, 0, &all)
	for i, word := range all {
		if word != 0 {
			one[i] = 1 << bits.TrailingZeros64(word)
			break
		}
	}
	threads := func(mask *[16]uint64) {
		tasks, err := os.ReadDir("/proc/self/task")
		require.NoError(b, err)
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			require.NoError(b, err)
			affinity(b, syscall.SYS_SCHED_SETAFFINITY, tid, mask)
		}
	}
	threads(&one)
	b.Cleanup(func() { threads(&all) })
}

func affinity(b *testing.B, call uintptr, tid int, mask *[16]uint64) {
	_, _, err := syscall.RawSyscall(call, uintptr(tid), unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask)))
	if err != 0 && err != syscall.ESRCH { // a thread may have ended
		require.NoError(b, err)
	}
}
