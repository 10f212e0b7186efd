package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads a bbolt database (file format 2) with ordinary bounded reads. bbolt itself maps the file and trusts
// it: on a damaged one it panics or faults, some of that in goroutines of its own, and it falls back silently to the
// transaction before the last one when the last meta page is damaged. So a file is read and checked here first.
//
// A page starts with id(8) flags(2) count(2) overflow(4) and goes on for overflow further pages. Integers in pages are
// in the byte order of the machine, as bbolt writes them.

const (
	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16
	maxDepth     = 24 // of the tree: with two entries a page that is far beyond any file

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketEntry = 0x01

	boltMagic   = 0xED0CDAED
	boltVersion = 2
)

var order = binary.NativeEndian

// Check is what the owner of a file knows of its content. Verify calls it for one file at a time, in one goroutine.
type Check interface {
	// Bucket returns what takes the entries of the bucket, in the order of their keys, or nil if such a file has no
	// bucket of that name. It must not keep key or value. Its error continues a sentence that names the entry.
	Bucket(name string) func(key, value []byte) error
	// Done is called after the last entry and reports what is missing or does not fit together.
	Done() error
}

// meta is the part of a meta page that matters here.
type meta struct{ root, freelist, high, tx uint64 }

// verifier walks every page of a database once.
type verifier struct {
	file io.ReaderAt
	high uint64 // pages in use are below this one
	seen []bool // by page: reached through the tree, or free

	check Check
}

// Verify checks the structure of a file of size bytes, and every entry in it. Any fault is an error without prefix.
func Verify(file io.ReaderAt, size int64, check Check) error {
	m, err := latestMeta(file, size)
	if err != nil {
		return err
	}
	v := &verifier{file: file, high: m.high, seen: make([]bool, m.high), check: check}
	v.seen[0], v.seen[1] = true, true
	if err := v.tree(m.root, 0, nil, nil, v.bucket); err != nil {
		return err
	}
	if err := v.free(m.freelist); err != nil {
		return err
	}
	for id, seen := range v.seen {
		if !seen {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return check.Done()
}

// latestMeta returns the newer of the two meta pages. Both have to be good and one transaction apart: a damaged one
// may be the record of the last transaction, and to go on from the other would forget it.
func latestMeta(file io.ReaderAt, size int64) (meta, error) {
	if size < 4*PageSize {
		return meta{}, fmt.Errorf("it is %d bytes long, expected at least %d", size, 4*PageSize)
	}
	var metas [2]meta
	for i := range metas {
		b := make([]byte, PageSize)
		if _, err := file.ReadAt(b, int64(i)*PageSize); err != nil {
			return meta{}, err
		}
		h, p := b[:pageHeader], b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(p[:56])
		if order.Uint64(h) != uint64(i) || order.Uint16(h[8:]) != metaPage || order.Uint32(p) != boltMagic ||
			order.Uint32(p[4:]) != boltVersion || order.Uint64(p[56:]) != sum.Sum64() {
			return meta{}, fmt.Errorf("page %d is damaged, or this is not a file of this library", i)
		}
		if n := order.Uint32(p[8:]); n != PageSize {
			return meta{}, fmt.Errorf("its pages have %d bytes, expected %d", n, PageSize)
		}
		metas[i] = meta{root: order.Uint64(p[16:]), freelist: order.Uint64(p[32:]), high: order.Uint64(p[40:]), tx: order.Uint64(p[48:])}
		if metas[i].tx%2 != uint64(i) {
			return meta{}, fmt.Errorf("page %d is of transaction %d, which belongs on the other page", i, metas[i].tx)
		}
	}
	m, older := metas[0], metas[1]
	if m.tx < older.tx {
		m, older = older, m
	}
	if m.tx-older.tx != 1 {
		return meta{}, fmt.Errorf("its two last transactions are %d and %d, expected them to follow one another", older.tx, m.tx)
	}
	if m.high < 4 || m.high > uint64(size/PageSize) {
		return meta{}, fmt.Errorf("it is %d bytes long, expected %d pages of %d bytes: it was cut short", size, m.high, PageSize)
	}
	return m, nil
}

// page reads page id with its overflow and marks it as seen.
func (v *verifier) page(id uint64) (flags uint16, count int, b []byte, err error) {
	if id < 2 || id >= v.high {
		return 0, 0, nil, fmt.Errorf("page %d is out of range", id)
	}
	b = make([]byte, PageSize)
	if _, err := v.file.ReadAt(b, int64(id)*PageSize); err != nil {
		return 0, 0, nil, err
	}
	if own := order.Uint64(b); own != id {
		return 0, 0, nil, fmt.Errorf("page %d says that it is page %d", id, own)
	}
	pages := 1 + uint64(order.Uint32(b[12:]))
	if pages > v.high-id {
		return 0, 0, nil, fmt.Errorf("page %d goes on beyond the end", id)
	}
	for i := id; i < id+pages; i++ {
		if v.seen[i] {
			return 0, 0, nil, fmt.Errorf("page %d is used twice", i)
		}
		v.seen[i] = true
	}
	if pages > 1 {
		b = make([]byte, pages*PageSize)
		if _, err := v.file.ReadAt(b, int64(id)*PageSize); err != nil {
			return 0, 0, nil, err
		}
	}
	return order.Uint16(b[8:]), int(order.Uint16(b[10:])), b, nil
}

// entryFunc takes one leaf entry of a tree.
type entryFunc func(flags uint32, key, value []byte) error

// tree walks the tree below page id, whose keys have to ascend and to lie in [low, high); a nil bound is open.
func (v *verifier) tree(id uint64, depth int, low, high []byte, entry entryFunc) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d lies deeper than %d levels", id, maxDepth)
	}
	flags, count, b, err := v.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case leafPage:
		return leaf(id, count, b, low, high, entry)
	case branchPage:
		return v.branch(id, count, b, depth, low, high, entry)
	}
	return fmt.Errorf("page %d has flags %#x, expected a branch or a leaf", id, flags)
}

func (v *verifier) branch(id uint64, count int, b []byte, depth int, low, high []byte, entry entryFunc) error {
	if count == 0 {
		return fmt.Errorf("page %d is a branch without entries", id)
	}
	type child struct {
		key []byte
		id  uint64
	}
	children := make([]child, count)
	for i := range children {
		at := pageHeader + i*elementSize
		if at+elementSize > len(b) {
			return fmt.Errorf("page %d has %d entries, more than fit", id, count)
		}
		key, err := span(b, at, order.Uint32(b[at:]), order.Uint32(b[at+4:]))
		if err != nil {
			return fmt.Errorf("page %d, entry %d: %w", id, i, err)
		}
		if !ascends(low, key, high, i > 0) {
			return fmt.Errorf("page %d, entry %d is out of order", id, i)
		}
		children[i], low = child{key, order.Uint64(b[at+8:])}, key
	}
	for i, c := range children {
		end := high
		if i+1 < count {
			end = children[i+1].key
		}
		if err := v.tree(c.id, depth+1, c.key, end, entry); err != nil {
			return err
		}
	}
	return nil
}

func leaf(id uint64, count int, b []byte, low, high []byte, entry entryFunc) error {
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(b) {
			return fmt.Errorf("page %d has %d entries, more than fit", id, count)
		}
		pos, keySize, valueSize := order.Uint32(b[at+4:]), order.Uint32(b[at+8:]), order.Uint32(b[at+12:])
		key, err := span(b, at, pos, keySize)
		if err != nil {
			return fmt.Errorf("page %d, entry %d: %w", id, i, err)
		}
		value, err := span(b, at+int(pos)+int(keySize), 0, valueSize)
		if err != nil {
			return fmt.Errorf("page %d, entry %d: %w", id, i, err)
		}
		if !ascends(low, key, high, i > 0) {
			return fmt.Errorf("page %d, entry %d is out of order", id, i)
		}
		low = key
		if err := entry(order.Uint32(b[at:]), key, value); err != nil {
			return fmt.Errorf("page %d, entry %d %w", id, i, err)
		}
	}
	return nil
}

// span returns the size bytes at from+pos of b.
func span(b []byte, from int, pos, size uint32) ([]byte, error) {
	start := int64(from) + int64(pos)
	end := start + int64(size)
	if end > int64(len(b)) {
		return nil, errors.New("it points beyond its page")
	}
	return b[start:end:end], nil
}

// ascends reports whether key follows low and precedes high. strict excludes low itself.
func ascends(low, key, high []byte, strict bool) bool {
	c := bytes.Compare(low, key)
	return (low == nil || c < 0 || c == 0 && !strict) && (high == nil || bytes.Compare(key, high) < 0)
}

// bucket takes an entry of the root: a bucket, in a tree of its own or, when small, in the value itself.
func (v *verifier) bucket(flags uint32, name, value []byte) error {
	take := v.check.Bucket(string(name))
	if take == nil || flags != bucketEntry || len(value) < bucketHeader {
		return errors.New("is not a bucket of such a file")
	}
	entry := func(flags uint32, key, value []byte) error {
		if flags != 0 {
			return errors.New("is a bucket, expected an entry")
		}
		return take(key, value)
	}
	if root := order.Uint64(value); root != 0 {
		return v.tree(root, 1, nil, nil, entry)
	}
	// Copied, because a page's fields are read relative to its own start.
	inline := bytes.Clone(value[bucketHeader:])
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return errors.New("is a bucket cut short")
	}
	return leaf(0, int(order.Uint16(inline[10:])), inline, nil, nil, entry)
}

// free reads the list of free pages at page id, which may not name a page in use.
func (v *verifier) free(id uint64) error {
	flags, count, b, err := v.page(id)
	if err != nil {
		return err
	}
	if flags != freelistPage {
		return fmt.Errorf("page %d has flags %#x, expected the list of free pages", id, flags)
	}
	list := b[pageHeader:]
	if count == 0xFFFF { // then the first entry is the count
		n := order.Uint64(list)
		list = list[8:]
		if n > uint64(len(list)/8) {
			return fmt.Errorf("page %d lists %d free pages, more than fit", id, n)
		}
		count = int(n)
	}
	if count > len(list)/8 {
		return fmt.Errorf("page %d lists %d free pages, more than fit", id, count)
	}
	for i := range count {
		page := order.Uint64(list[8*i:])
		if page < 2 || page >= v.high || v.seen[page] {
			return fmt.Errorf("page %d lists page %d as free, which is used, listed twice or out of range", id, page)
		}
		v.seen[page] = true
	}
	return nil
}
