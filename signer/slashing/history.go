package slashing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
	"github.com/claystack/dvkeys/signer/slashing/internal/interchange"
)

// historyEntries is how many blocks, and how many attestations, a History keeps as
// such. Duties come in order, so what a client asks for again is among the last.
const historyEntries = 8

// History is the history of one validator on one chain, as a value: for a program
// that keeps it elsewhere than in a Store, such as in the storage of the server that
// it is a plugin of. It follows the complete strategy for the last few blocks and
// attestations, so that these may be signed again, and the minimal one before. The
// zero value has signed nothing. It is not safe for concurrent use.
//
// Its user holds a lock for the validator from reading the history until the new one
// is stored durably, and signs after that.
type History struct{ record history.Record }

// Claim checks a claim and records it, as Protect of a Store does. A refusal wraps
// [signer.ErrSlashable]; after any error the history is as it was. If changed is
// false and there is no error, the same duty is recorded already, and may be signed
// again.
func (h *History) Claim(claim signer.Claim) (changed bool, err error) {
	c, err := history.ParseClaim(claim)
	if err != nil {
		return false, fmt.Errorf("slashing: %w", err)
	}
	r, repeated := h.record, false
	if c.Block {
		repeated, err = addBlock(&r, c)
	} else {
		repeated, err = addVote(&r, c)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", signer.ErrSlashable, err)
	}
	if repeated {
		return false, nil
	}
	h.record = history.Merge(r, history.Record{}, true)
	h.fold()
	return true, nil
}

func addBlock(r *history.Record, c history.Claim) (repeated bool, err error) {
	var first, same *history.Block
	for i := range r.Blocks {
		if i == 0 {
			first = &r.Blocks[i]
		}
		if r.Blocks[i].Slot == c.At {
			same = &r.Blocks[i]
		}
	}
	repeated, err = history.CheckBlock(r.Marks, first, same, c.At, c.Root)
	if err == nil && !repeated {
		r.Blocks = append(slices.Clone(r.Blocks), history.Block{Slot: c.At, Rooted: true, Root: c.Root})
	}
	return repeated, err
}

func addVote(r *history.Record, c history.Claim) (repeated bool, err error) {
	var first, before, same, after *history.Vote
	for i := range r.Votes {
		v := &r.Votes[i]
		if i == 0 {
			first = v
		}
		switch {
		case v.Target < c.At:
			before = v
		case v.Target == c.At:
			same = v
		case after == nil:
			after = v
		}
	}
	entry, repeated, err := history.CheckVote(r.Marks, first, before, same, after, c.Source, c.At, c.Root)
	if err == nil && !repeated {
		r.Votes = append(slices.Clone(r.Votes), entry)
	}
	return repeated, err
}

// fold folds what is more than historyEntries into the marks, the oldest first.
func (h *History) fold() {
	r := &h.record
	for len(r.Blocks) > historyEntries {
		r.Marks.FoldBlock(r.Blocks[0].Slot)
		r.Blocks = r.Blocks[1:]
	}
	for len(r.Votes) > historyEntries {
		r.Marks.FoldVote(r.Votes[0].MaxSource, r.Votes[0].Target)
		r.Votes = r.Votes[1:]
	}
}

// Merge unites the history with another one of the same validator and chain. It never
// makes anything signable that was not.
func (h *History) Merge(other *History) {
	h.record = history.Merge(h.record, other.record, true)
	h.fold()
}

// Import unites the history with a validator's part of an interchange file
// (EIP-3076, version 5), which must be of the chain with that genesis validators root
// and have that validator in it. It never makes anything signable that was not.
func (h *History) Import(file []byte, genesisValidatorsRoot keyshare.Root, validator keyshare.PublicKey) error {
	validators, err := interchange.Parse(file, genesisValidatorsRoot)
	if err != nil {
		return fmt.Errorf("slashing: interchange file: %w", err)
	}
	for _, v := range validators {
		if v.Key == validator {
			h.Merge(&History{history.Record{Blocks: v.Blocks, Votes: v.Votes}})
			return nil
		}
	}
	return fmt.Errorf("slashing: interchange file: validator %v is not in it", validator)
}

// The binary form is
//
//	version(1) = 1, flags(1): 1 marks of blocks, 2 marks of attestations
//	slot(8) source(8) target(8)
//	count(1) and for each block: slot(8) rooted(1) root(32)
//	count(1) and for each attestation: target(8) min source(8) max source(8) rooted(1) root(32)
//
// with integers big-endian.
const historyVersion = 1

// MarshalBinary returns the history in a form that only grows to about a kilobyte.
func (h *History) MarshalBinary() ([]byte, error) {
	r, flags := &h.record, byte(0)
	if r.Marks.Blocks {
		flags |= flagBlocks
	}
	if r.Marks.Votes {
		flags |= flagVotes
	}
	b := []byte{historyVersion, flags}
	for _, n := range []uint64{r.Marks.Slot, r.Marks.Source, r.Marks.Target} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, byte(len(r.Blocks)))
	for _, e := range r.Blocks {
		b = binary.BigEndian.AppendUint64(b, e.Slot)
		b = append(append(b, flag(e.Rooted)), e.Root[:]...)
	}
	b = append(b, byte(len(r.Votes)))
	for _, e := range r.Votes {
		for _, n := range []uint64{e.Target, e.MinSource, e.MaxSource} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		b = append(append(b, flag(e.Rooted)), e.Root[:]...)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary writes, and nothing else: otherwise the
// error wraps ErrCorrupt.
func (h *History) UnmarshalBinary(b []byte) error {
	d := historyDecoder{rest: b}
	version, flags := d.byte(), d.byte()
	var r history.Record
	r.Marks.Blocks, r.Marks.Votes = flags&flagBlocks != 0, flags&flagVotes != 0
	r.Marks.Slot, r.Marks.Source, r.Marks.Target = d.number(), d.number(), d.number()
	for range d.byte() {
		r.Blocks = append(r.Blocks, history.Block{Slot: d.number(), Rooted: d.bool(), Root: d.root()})
	}
	for range d.byte() {
		r.Votes = append(r.Votes, history.Vote{Target: d.number(), MinSource: d.number(), MaxSource: d.number(), Rooted: d.bool(), Root: d.root()})
	}
	if d.short || len(d.rest) > 0 || version != historyVersion || flags >= flagStopped {
		return fmt.Errorf("%w: a validator's history is not of this form", ErrCorrupt)
	}
	read := History{history.Record{Marks: r.Marks, Blocks: history.MergeBlocks(r.Blocks), Votes: history.MergeVotes(r.Votes)}}
	again, err := read.MarshalBinary()
	if err != nil || string(again) != string(b) {
		return errors.Join(err, fmt.Errorf("%w: a validator's history is out of order", ErrCorrupt))
	}
	*h = read
	return nil
}

// historyDecoder reads from the front, and remembers when there was too little.
type historyDecoder struct {
	rest  []byte
	short bool
}

func (d *historyDecoder) take(n int) []byte {
	if len(d.rest) < n {
		d.short = true
		return make([]byte, n)
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *historyDecoder) byte() byte     { return d.take(1)[0] }
func (d *historyDecoder) bool() bool     { return d.byte() != 0 }
func (d *historyDecoder) number() uint64 { return binary.BigEndian.Uint64(d.take(8)) }
func (d *historyDecoder) root() [32]byte { return [32]byte(d.take(32)) }
