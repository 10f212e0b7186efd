package secret

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/awnumar/memcall"
)

var pageSize = os.Getpagesize()

// pages returns n rounded up to whole pages.
func pages(n int) int { return (n + pageSize - 1) / pageSize * pageSize }

// mapLocked maps n bytes, rounded up to whole pages, zeroed, locked and kept out of dumps and forked children, between
// two pages that nobody may touch. If the system lets no more be locked, spare mappings make room.
func mapLocked(n int) ([]byte, error) {
	m, err := mapOnce(n)
	if errors.Is(err, ErrLocked) && spares.giveBack() {
		m, err = mapOnce(n)
	}
	return m, err
}

func mapOnce(n int) ([]byte, error) {
	size := pages(n)
	whole, err := memcall.Alloc(size + 2*pageSize)
	if err != nil {
		return nil, fmt.Errorf("secret: map %d bytes: %s", size, reason(err))
	}
	locked := whole[pageSize : pageSize+size : pageSize+size]
	for _, guard := range [][]byte{whole[:pageSize], whole[pageSize+size:]} {
		if err := memcall.Protect(guard, memcall.NoAccess()); err != nil {
			_ = memcall.Free(whole) // holds nothing yet; the first error is the one to report
			return nil, fmt.Errorf("secret: protect a guard page: %s", reason(err))
		}
	}
	if err := memcall.Lock(locked); err != nil {
		_ = memcall.Free(whole)
		return nil, fmt.Errorf("%w: lock %d bytes: %s", ErrLocked, size, reason(err))
	}
	wipeOnFork(locked)
	return locked, nil
}

// unmap gives back what mapLocked returned. The caller has wiped it, so a failure leaks address space and nothing else.
func unmap(locked []byte) {
	whole := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(locked)), -pageSize)), len(locked)+2*pageSize)
	_ = memcall.Unlock(locked)
	_ = memcall.Free(whole)
}

// reason returns the system's words out of a memcall error, which has them as text, behind an address.
func reason(err error) string {
	if _, s, ok := strings.Cut(err.Error(), "[Err: "); ok {
		return strings.TrimSuffix(s, "]")
	}
	return err.Error()
}
