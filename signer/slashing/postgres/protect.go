package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// Errors that end a transaction without a commit.
var (
	errNothing = errors.New("nothing to record")
	errMissing = errors.New("a validator has no row")
)

// Protect implements [signer.Protector]. An error that does not wrap
// [signer.ErrSlashable] may wrap [slashing.ErrStopped], or say that the database
// could not be reached or did not commit.
func (s *Store) Protect(ctx context.Context, claims ...signer.Claim) []error {
	b := &batch{claims: make([]history.Claim, len(claims)), results: make([]error, len(claims))}
	for i, c := range claims {
		var err error
		if b.claims[i], err = history.ParseClaim(c); err != nil {
			b.results[i] = wrap("record in", s.name, err)
		} else {
			b.sound = append(b.sound, i)
		}
	}
	if len(b.sound) == 0 {
		return b.results
	}
	err := s.lockedRows(ctx, b.keys(), func(tx pgx.Tx, rows rows) error {
		var stopped bool
		if err := tx.QueryRow(ctx, selectStopped, s.id).Scan(&stopped); err != nil {
			return err
		}
		if stopped {
			return slashing.ErrStopped
		}
		b.rows, b.granted = rows, false
		if s.complete {
			return b.complete(ctx, tx)
		}
		return b.minimal(ctx, tx)
	})
	for _, i := range b.sound {
		switch {
		case err != nil && !errors.Is(err, errNothing):
			b.results[i] = wrap("record in", s.name, err)
		case history.Refused(b.results[i]):
			b.results[i] = fmt.Errorf("%w: %w", signer.ErrSlashable, b.results[i])
		case b.results[i] != nil:
			b.results[i] = wrap("record in", s.name, b.results[i])
		}
	}
	return b.results
}

// batch is one call of Protect.
type batch struct {
	claims  []history.Claim
	results []error
	sound   []int // the claims that parse, in order
	rows    rows
	granted bool
}

func (b *batch) keys() [][]byte {
	keys := make([][]byte, len(b.sound))
	for n, i := range b.sound {
		keys[n] = b.claims[i].Key[:]
	}
	return keys
}

// end is the answer to the transaction: only what has recorded something commits.
func (b *batch) end() error {
	if !b.granted {
		return errNothing
	}
	return nil
}

// minimal decides by the marks alone, which the rows have.
func (b *batch) minimal(ctx context.Context, tx pgx.Tx) error {
	var changed rows
	for _, i := range b.sound {
		c, r := b.claims[i], b.rows[b.claims[i].Key]
		if b.results[i] = r.check(); b.results[i] != nil {
			continue
		}
		if c.Block {
			_, b.results[i] = history.CheckBlock(r.marks, nil, nil, c.At, c.Root)
		} else {
			_, _, b.results[i] = history.CheckVote(r.marks, nil, nil, nil, nil, c.Source, c.At, c.Root)
		}
		if b.results[i] != nil {
			continue
		}
		if c.Block {
			r.marks.FoldBlock(c.At)
		} else {
			r.marks.FoldVote(c.Source, c.At)
		}
		b.granted = true
		changed = changed.with(c.Key, r)
	}
	if err := changed.save(ctx, tx); err != nil {
		return err
	}
	return b.end()
}

// complete decides in rounds. A round has at most one block and one attestation of
// each validator, so that each claim sees what earlier ones have recorded.
func (b *batch) complete(ctx context.Context, tx pgx.Tx) error {
	for pending := b.sound; len(pending) > 0; {
		var round, later []int
		type slot struct {
			key   history.Key
			block bool
		}
		taken := map[slot]bool{}
		for _, i := range pending {
			at := slot{b.claims[i].Key, b.claims[i].Block}
			if taken[at] {
				later = append(later, i)
				continue
			}
			taken[at] = true
			round = append(round, i)
		}
		if err := b.round(ctx, tx, round); err != nil {
			return err
		}
		pending = later
	}
	return b.end()
}

func (b *batch) round(ctx context.Context, tx pgx.Tx, round []int) error {
	var blocks, votes []int
	for _, i := range round {
		switch c := b.claims[i]; {
		case b.rows[c.Key].stopped:
			b.results[i] = slashing.ErrStopped
		case c.Block:
			blocks = append(blocks, i)
		default:
			votes = append(votes, i)
		}
	}
	read, write := &pgx.Batch{}, &pgx.Batch{}
	if len(blocks) > 0 {
		b.decideBlocks(read, write, blocks)
	}
	if len(votes) > 0 {
		b.decideVotes(read, write, votes)
	}
	if read.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, read).Close(); err != nil {
		return err
	}
	if write.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, write).Close()
}

// decideBlocks asks for what the claims need, and puts into write what is recorded
// when the answer is there.
func (b *batch) decideBlocks(read, write *pgx.Batch, claims []int) {
	ids, at := b.columns(claims)
	read.Queue(nearBlocks, ids, at).Query(func(found pgx.Rows) error {
		var entries blockColumns
		n := 0
		var first, same *int64
		var root []byte
		_, err := pgx.ForEachRow(found, []any{&first, &same, &root}, func() error {
			i := claims[n]
			c := b.claims[i]
			n++
			repeated, err := history.CheckBlock(b.rows[c.Key].marks, block(first, nil), block(same, root), c.At, c.Root)
			b.results[i] = err
			if err == nil {
				b.granted = true
			}
			if err == nil && !repeated {
				entries.add(b.rows[c.Key].id, history.Block{Slot: c.At, Rooted: true, Root: c.Root})
			}
			return nil
		})
		if err == nil && n != len(claims) {
			err = fmt.Errorf("%d rows for %d claims", n, len(claims))
		}
		if len(entries.slots) > 0 {
			entries.queue(write)
			write.Queue(foldBlocks, entries.validators, entries.slots, int64(history.KeepSlots))
		}
		return err
	})
}

func (b *batch) decideVotes(read, write *pgx.Batch, claims []int) {
	ids, at := b.columns(claims)
	read.Queue(nearVotes, ids, at).Query(func(found pgx.Rows) error {
		var entries voteColumns
		n := 0
		var firstTarget, beforeHighest, sameMin, sameMax, afterLowest *int64
		var root []byte
		_, err := pgx.ForEachRow(found, []any{&firstTarget, &beforeHighest, &sameMin, &sameMax, &root, &afterLowest}, func() error {
			i := claims[n]
			c := b.claims[i]
			n++
			var first, before, same, after *history.Vote
			if firstTarget != nil {
				first = &history.Vote{Target: uint64(*firstTarget)}
			}
			if beforeHighest != nil {
				before = &history.Vote{Highest: uint64(*beforeHighest)}
			}
			if sameMin != nil {
				same = &history.Vote{Target: c.At, MinSource: uint64(*sameMin), MaxSource: uint64(*sameMax)}
				same.Rooted = copy(same.Root[:], root) > 0
			}
			if afterLowest != nil {
				after = &history.Vote{Lowest: uint64(*afterLowest)}
			}
			entry, repeated, err := history.CheckVote(b.rows[c.Key].marks, first, before, same, after, c.Source, c.At, c.Root)
			b.results[i] = err
			if err == nil {
				b.granted = true
			}
			if err == nil && !repeated {
				entries.add(b.rows[c.Key].id, entry)
			}
			return nil
		})
		if err == nil && n != len(claims) {
			err = fmt.Errorf("%d rows for %d claims", n, len(claims))
		}
		if len(entries.targets) > 0 {
			entries.queue(write)
			write.Queue(foldVotes, entries.validators, entries.targets, int64(history.Keep))
		}
		return err
	})
}

// columns returns the rows' ids and the slots or targets of claims.
func (b *batch) columns(claims []int) (ids, at []int64) {
	for _, i := range claims {
		c := b.claims[i]
		ids, at = append(ids, b.rows[c.Key].id), append(at, int64(c.At))
	}
	return ids, at
}
