package slashing

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/internal/boltfile"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// The file's buckets are
//
//	file        "header" → genesis validators root(32) strategy(1) stopped(1); "count" → entries of the others(8)
//	validators  public key(48) → flags(1) slot(8) source(8) target(8)
//	blocks      public key(48) slot(8) → rooted(1) signing root(32)
//	votes       public key(48) target(8) → rooted(1) signing root(32) min source(8) max source(8) highest(8) lowest(8)
//
// where each value but the count is framed (boltfile.Frame) and integers are
// big-endian. The minimal strategy has no blocks and votes.
var (
	fileBucket       = []byte("file")
	validatorsBucket = []byte("validators")
	blocksBucket     = []byte("blocks")
	votesBucket      = []byte("votes")
	headerKey        = []byte("header")
	countKey         = []byte("count")
)

type header struct {
	root     keyshare.Root
	strategy Strategy
	stopped  bool // for all validators
}

// validator is what is stored of a validator besides its entries.
type validator struct {
	marks   history.Marks
	stopped bool
}

type key = history.Key

// Bits of a validator's flags.
const (
	flagBlocks = 1 << iota
	flagVotes
	flagStopped
	flagsEnd
)

var (
	errSize   = errors.New("has the wrong length")
	errValues = errors.New("holds values out of range")
)

func initialize(tx *bbolt.Tx, h header) error {
	for _, name := range [][]byte{fileBucket, validatorsBucket, blocksBucket, votesBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	b := tx.Bucket(fileBucket)
	return errors.Join(b.Put(headerKey, encodeHeader(h)), b.Put(countKey, make([]byte, 8)))
}

func encodeHeader(h header) []byte {
	return boltfile.Frame(headerKey, append(append(h.root[:], byte(h.strategy)), flag(h.stopped)))
}

func decodeHeader(value []byte) (h header, err error) {
	rest, err := boltfile.Unframe(headerKey, value)
	if err != nil {
		return header{}, err
	}
	if len(rest) != 34 {
		return header{}, errSize
	}
	copy(h.root[:], rest)
	h.strategy, h.stopped = Strategy(rest[32]), rest[33] == 1
	if h.strategy != Minimal && h.strategy != Complete || rest[33] > 1 {
		return header{}, errValues
	}
	return h, nil
}

func encodeValidator(k []byte, v validator) []byte {
	m := v.marks
	rest := []byte{flag(m.Blocks)*flagBlocks | flag(m.Votes)*flagVotes | flag(v.stopped)*flagStopped}
	return boltfile.Frame(k, numbers(rest, m.Slot, m.Source, m.Target))
}

func decodeValidator(k, value []byte) (v validator, err error) {
	rest, err := unframe(k, value, keyshare.PublicKeySize, 25)
	if err != nil {
		return validator{}, err
	}
	f := rest[0]
	v.stopped = f&flagStopped != 0
	v.marks = history.Marks{
		Blocks: f&flagBlocks != 0, Slot: number(rest[1:]),
		Votes: f&flagVotes != 0, Source: number(rest[9:]), Target: number(rest[17:]),
	}
	m := v.marks
	if f >= flagsEnd || !m.Blocks && m.Slot != 0 || !m.Votes && (m.Source != 0 || m.Target != 0) {
		return validator{}, errValues
	}
	return v, nil
}

func encodeBlock(k []byte, b history.Block) []byte {
	return boltfile.Frame(k, append([]byte{flag(b.Rooted)}, b.Root[:]...))
}

func decodeBlock(k, value []byte) (b history.Block, err error) {
	rest, err := unframe(k, value, entryKeySize, 33)
	if err != nil {
		return history.Block{}, err
	}
	b = history.Block{Slot: number(k[keyshare.PublicKeySize:]), Rooted: rest[0] == 1, Root: [32]byte(rest[1:])}
	return b, checkRoot(rest[0], b.Root)
}

func encodeVote(k []byte, v history.Vote) []byte {
	rest := append([]byte{flag(v.Rooted)}, v.Root[:]...)
	return boltfile.Frame(k, numbers(rest, v.MinSource, v.MaxSource, v.Highest, v.Lowest))
}

func decodeVote(k, value []byte) (v history.Vote, err error) {
	rest, err := unframe(k, value, entryKeySize, 65)
	if err != nil {
		return history.Vote{}, err
	}
	v = history.Vote{
		Target: number(k[keyshare.PublicKeySize:]), Rooted: rest[0] == 1, Root: [32]byte(rest[1:33]),
		MinSource: number(rest[33:]), MaxSource: number(rest[41:]), Highest: number(rest[49:]), Lowest: number(rest[57:]),
	}
	if v.MinSource > v.MaxSource || v.Highest < v.MaxSource || v.Lowest > v.MinSource {
		return history.Vote{}, errValues
	}
	return v, checkRoot(rest[0], v.Root)
}

func checkRoot(rooted byte, root [32]byte) error {
	if rooted > 1 || rooted == 0 && root != [32]byte{} {
		return errValues
	}
	return nil
}

// entryKeySize is the length of the key of a block or vote.
const entryKeySize = keyshare.PublicKeySize + 8

// entryKey is the key of a validator's block or vote.
func entryKey(k key, at uint64) []byte { return binary.BigEndian.AppendUint64(k[:], at) }

func unframe(k, value []byte, keySize, size int) ([]byte, error) {
	if len(k) != keySize {
		return nil, fmt.Errorf("has a key of %d bytes, %d expected", len(k), keySize)
	}
	rest, err := boltfile.Unframe(k, value)
	if err == nil && len(rest) != size {
		err = errSize
	}
	return rest, err
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func number(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func numbers(b []byte, list ...uint64) []byte {
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}
