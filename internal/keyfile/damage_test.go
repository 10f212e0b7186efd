package keyfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/internal/boltfile"
)

// Of bbolt's pages: the byte order, and the size of their header, after which a meta page has the number of pages in
// use at 40.
const pageHeader = 16

var order = binary.NativeEndian

// everything reads all that a file holds.
func everything(f *File) (out []any, err error) {
	header, err := f.Header()
	if err != nil {
		return nil, err
	}
	out = append(out, string(header))
	keys, err := f.After(nil, 1<<20)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		r, err := f.Get(k)
		if err != nil {
			return nil, err
		}
		if r.Label != "" {
			if r, err = f.Lookup(r.Label); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// damaged is a file of which a copy can be damaged again and again.
type damaged struct {
	path     string
	original []byte
	content  []any
}

func newDamaged(t testing.TB, n int) *damaged {
	path := create(t, n)
	f := open(t, path)
	// Some history: free pages, a header that was replaced.
	require.NoError(t, f.Delete(record(0).PublicKey))
	require.NoError(t, f.SetHeader([]byte("second header")))
	content, err := everything(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	original, err := os.ReadFile(path)
	require.NoError(t, err)
	return &damaged{path, original, content}
}

// try opens the damaged bytes. They have to be refused, or to hold what the original holds and to take a record more.
func (d *damaged) try(t testing.TB, b []byte) (accepted bool) {
	t.Helper()
	require.NoError(t, os.WriteFile(d.path, b, 0o600))
	f, err := Open(d.path, kind)
	if err != nil {
		require.ErrorIs(t, err, ErrCorrupt)
		after, err := os.ReadFile(d.path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, after), "a file that is refused stays as it is")
		return false
	}
	defer f.Close()
	content, err := everything(f)
	require.NoError(t, err)
	require.Equal(t, d.content, content)
	require.NoError(t, f.Put(record(1_000_000)))
	_, err = f.Get(record(1_000_000).PublicKey)
	require.NoError(t, err)
	return true
}

func TestTruncated(t *testing.T) {
	d := newDamaged(t, 300)
	high := max(order.Uint64(d.original[pageHeader+40:]), order.Uint64(d.original[boltfile.PageSize+pageHeader+40:]))
	for size := 0; size <= len(d.original); size += boltfile.PageSize {
		require.Equal(t, uint64(size/boltfile.PageSize) >= high, d.try(t, d.original[:size]), "cut to %d bytes", size)
	}
	for range 100 {
		d.try(t, d.original[:rand.IntN(len(d.original))])
	}
}

func TestFlippedBits(t *testing.T) {
	d := newDamaged(t, 60)
	refused, accepted := 0, 0
	b := bytes.Clone(d.original)
	for i := rand.IntN(4); i < len(b); i += 1 + rand.IntN(7) { // a quarter of all bytes
		bit := byte(1) << rand.IntN(8)
		b[i] ^= bit
		// Most damage is found without the cost of opening the file; what passes has to be harmless.
		if err := boltfile.Verify(bytes.NewReader(b), int64(len(b)), newContent()); err != nil {
			refused++
		} else if accepted++; accepted%100 == 0 {
			require.True(t, d.try(t, b), "bit %#x of byte %d", bit, i)
		}
		b[i] ^= bit
	}
	t.Logf("%d flipped bits were found, %d were in unused bytes", refused, accepted)
	require.Greater(t, refused, 60*(100+48)/5, "most flips within records")
}

func TestOverwrittenBlocks(t *testing.T) {
	d := newDamaged(t, 100)
	for range 200 {
		b := bytes.Clone(d.original)
		from := rand.IntN(len(b))
		block := b[from:min(from+1+rand.IntN(2*boltfile.PageSize), len(b))]
		if rand.IntN(2) == 0 {
			clear(block)
		} else {
			copy(block, b[rand.IntN(len(b)):])
		}
		d.try(t, b)
	}
}

// TestLastMetaPage damages the meta page of the last transaction, which would make bbolt go back to the one before
// and forget what was stored last.
func TestLastMetaPage(t *testing.T) {
	d := newDamaged(t, 10)
	for page := range 2 {
		b := bytes.Clone(d.original)
		b[page*boltfile.PageSize+pageHeader+50] ^= 1
		require.False(t, d.try(t, b))
	}
}

// TestCutWhileOpen truncates the file under an open one: the mapped pages vanish, and a read faults.
func TestCutWhileOpen(t *testing.T) {
	path := create(t, 1000)
	f := open(t, path)
	require.NoError(t, os.Truncate(path, 2*boltfile.PageSize))
	_, err := f.Get(record(999).PublicKey)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = f.After(nil, 10)
	require.ErrorIs(t, err, ErrCorrupt)
	err = f.Put(record(1000))
	require.ErrorIs(t, err, ErrFailed)
	_, err = f.Get(record(999).PublicKey)
	require.ErrorIs(t, err, ErrFailed, "after a failed write nothing is relied on")
}

// repair recomputes the checksums of the meta pages, so that damage gets past them.
func repair(b []byte) {
	for i := range 2 {
		m := b[i*boltfile.PageSize+pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:56])
		order.PutUint64(m[56:], sum.Sum64())
	}
}

// FuzzVerify patches a good file, three bytes a patch: place (two bytes) and value. Whatever is accepted can be used.
func FuzzVerify(f *testing.F) {
	d := newDamaged(f, 20)
	if len(d.original) > 1<<16 {
		f.Fatalf("a file of %d bytes, expected places of two bytes to reach all of it", len(d.original))
	}
	f.Add([]byte{})
	f.Add([]byte{0, 60, 1})
	f.Add([]byte{0x30, 10, 200, 0x30, 12, 9})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, patches []byte) {
		b := bytes.Clone(d.original)
		for ; len(patches) >= 3; patches = patches[3:] {
			at := int(patches[0])<<8 | int(patches[1])
			b[at%len(b)] = patches[2]
		}
		repair(b)
		if err := boltfile.Verify(bytes.NewReader(b), int64(len(b)), newContent()); err != nil {
			return
		}
		path := filepath.Join(dir, "keys.db")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		file, err := Open(path, kind)
		require.NoError(t, err)
		defer file.Close()
		_, err = everything(file)
		require.NoError(t, err)
		require.NoError(t, file.update("fill", func(tx *bbolt.Tx) error { // one transaction, which splits pages and takes free ones
			for i := range 30 {
				r := record(1_000_000 + i)
				if err := errors.Join(addCount(tx, 1), tx.Bucket(keysBucket).Put(r.PublicKey[:], encodeRecord(r))); err != nil {
					return err
				}
			}
			return nil
		}))
	})
}

func FuzzRecord(f *testing.F) {
	for i := range 2 {
		r := record(i)
		f.Add(r.PublicKey[:], encodeRecord(r))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := decodeRecord(key, value)
		if err != nil {
			return
		}
		require.Equal(t, value, encodeRecord(r))
		require.Equal(t, key, r.PublicKey[:])
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(encodeHeader(header{ID{1, 2, 3}, "software", []byte("data")}))
	f.Add(encodeHeader(header{ID{}, "k", nil}))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeHeader(value)
		if err != nil {
			return
		}
		require.Equal(t, value, encodeHeader(h))
	})
}
