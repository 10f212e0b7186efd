package memscan

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	windowLen = 1 << 20 // bytes of memory read at a time
	entryLen  = 8       // bytes of /proc/self/pagemap that describe one page
	// present is set in a pagemap entry of a page that is in memory or in swap; the others hold nothing yet.
	present = 1<<63 | 1<<62
)

// scanner reads this process's memory through /proc/self/mem into a window outside the Go heap, which it does not search.
type scanner struct {
	pattern      Pattern
	mem, pagemap *os.File
	pageSize     int
	window       []byte
	hits         []Hit
}

func find(p Pattern) (hits []Hit, err error) {
	s := &scanner{pattern: p, pageSize: os.Getpagesize()}
	if s.mem, err = os.Open("/proc/self/mem"); err != nil {
		return nil, fmt.Errorf("memscan: %w", err)
	}
	defer s.mem.Close()
	if s.pagemap, err = os.Open("/proc/self/pagemap"); err != nil {
		return nil, fmt.Errorf("memscan: %w", err)
	}
	defer s.pagemap.Close()
	if s.window, err = unix.Mmap(-1, 0, windowLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return nil, fmt.Errorf("memscan: map %d bytes: %w", windowLen, err)
	}
	defer func() {
		clear(s.window) // a copy that was found
		_ = unix.Munmap(s.window)
	}()

	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("memscan: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		line = strings.TrimSpace(line)
		var from, to uintptr
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			return nil, fmt.Errorf("memscan: /proc/self/maps has the line %q: %w", line, err)
		}
		if mode[0] != 'r' || strings.Contains(line, "[vvar") || strings.Contains(line, "[vsyscall") {
			continue // guard pages, reserved address space, the kernel's own pages
		}
		if err := s.mapping(from, to, line); err != nil {
			return nil, err
		}
	}
	return s.hits, nil
}

// mapping searches the pages that exist between two addresses, but not the scanner's window.
func (s *scanner) mapping(from, to uintptr, line string) error {
	window := uintptr(unsafe.Pointer(unsafe.SliceData(s.window)))
	if from < window+windowLen && window < to {
		if err := s.pages(from, max(from, window), line); err != nil {
			return err
		}
		from = min(to, window+windowLen)
	}
	return s.pages(from, to, line)
}

// pages searches each run of existing pages between two addresses.
func (s *scanner) pages(from, to uintptr, line string) error {
	page := uintptr(s.pageSize)
	entries := make([]byte, 4096*entryLen)
	start := from // of the run at hand
	for at := from; at < to; {
		n := min((to-at)/page, uintptr(len(entries)/entryLen))
		if _, err := s.pagemap.ReadAt(entries[:n*entryLen], int64(at/page)*entryLen); err != nil {
			return fmt.Errorf("memscan: page map of %s: %w", line, err)
		}
		for i := range n {
			if binary.NativeEndian.Uint64(entries[i*entryLen:])&present == 0 {
				s.run(start, at, line)
				start = at + page
			}
			at += page
		}
	}
	s.run(start, to, line)
	return nil
}

// run searches the bytes between two addresses. What cannot be read was unmapped meanwhile and is passed over.
func (s *scanner) run(from, to uintptr, line string) {
	overlap := uintptr(s.pattern.longest() - 1)
	for from < to {
		b := s.window[:min(to-from, windowLen)]
		if n, err := s.mem.ReadAt(b, int64(from)); err != nil {
			b = b[:n]
		}
		last := from+uintptr(len(b)) >= to || len(b) < windowLen
		limit := len(b)
		if !last {
			limit -= int(overlap) + 1 // later ones are seen whole in the next window
		}
		s.pattern.search(b, limit, func(form string, offset int) {
			s.hits = append(s.hits, Hit{from + uintptr(offset), form, line})
		})
		if last {
			return
		}
		from += windowLen - overlap
	}
}
