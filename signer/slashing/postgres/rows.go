package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// row is a validator's row. The pointers in a map are shared, so that a change is
// seen by the next claim.
type row struct {
	id      int64
	marks   history.Marks
	stopped bool
}

type rows map[history.Key]*row

func (r *row) check() error {
	if r.stopped {
		return slashing.ErrStopped
	}
	return nil
}

func (r rows) with(k history.Key, changed *row) rows {
	if r == nil {
		r = rows{}
	}
	r[k] = changed
	return r
}

// lockedRows runs a transaction that holds the locks of the validators' rows, and
// makes the rows that are missing beforehand, in a transaction of their own: who
// waits for a new row while he holds others could wait for ever.
func (s *Store) lockedRows(ctx context.Context, keys [][]byte, run func(pgx.Tx, rows) error) error {
	lock := func(tx pgx.Tx) error {
		found, err := queryRows(ctx, tx, lockValidators, s.id, keys)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if found[history.Key(k)] == nil {
				return errMissing
			}
		}
		return run(tx, found)
	}
	err := s.transact(ctx, lock)
	if errors.Is(err, errMissing) {
		if _, err := s.pool.Exec(ctx, insertValidators, s.id, keys); err != nil {
			return err
		}
		err = s.transact(ctx, lock)
	}
	return err
}

func queryRows(ctx context.Context, tx pgx.Tx, query string, args ...any) (rows, error) {
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	all := rows{}
	var id int64
	var key []byte
	var slot, source, target *int64
	var stopped bool
	_, err = pgx.ForEachRow(found, []any{&id, &key, &slot, &source, &target, &stopped}, func() error {
		if len(key) != len(history.Key{}) {
			return fmt.Errorf("a public key of %d bytes", len(key))
		}
		r := &row{id: id, stopped: stopped}
		if slot != nil {
			r.marks.FoldBlock(uint64(*slot))
		}
		if target != nil {
			r.marks.FoldVote(uint64(*source), uint64(*target))
		}
		all[history.Key(key)] = r
		return nil
	})
	return all, err
}

// save writes the marks.
func (r rows) save(ctx context.Context, tx pgx.Tx) error {
	if len(r) == 0 {
		return nil
	}
	var ids []int64
	var slots, sources, targets []*int64
	for _, v := range r {
		m := v.marks
		ids = append(ids, v.id)
		slots = append(slots, number(m.Slot, m.Blocks))
		sources, targets = append(sources, number(m.Source, m.Votes)), append(targets, number(m.Target, m.Votes))
	}
	_, err := tx.Exec(ctx, setMarks, ids, slots, sources, targets)
	return err
}

// number is a value of a column, null if there is none.
func number(n uint64, there bool) *int64 {
	if !there {
		return nil
	}
	v := int64(n)
	return &v
}

// block is an entry of a row in which it may be null.
func block(slot *int64, root []byte) *history.Block {
	if slot == nil {
		return nil
	}
	b := &history.Block{Slot: uint64(*slot)}
	b.Rooted = copy(b.Root[:], root) > 0
	return b
}

func rootColumn(root [32]byte, rooted bool) []byte {
	if !rooted {
		return nil
	}
	return slices.Clone(root[:])
}

// blockColumns and voteColumns are rows to insert, by column.
type blockColumns struct {
	validators, slots []int64
	roots             [][]byte
}

func (c *blockColumns) add(validator int64, b history.Block) {
	c.validators, c.slots = append(c.validators, validator), append(c.slots, int64(b.Slot))
	c.roots = append(c.roots, rootColumn(b.Root, b.Rooted))
}

func (c *blockColumns) queue(b *pgx.Batch) {
	b.Queue(insertBlocks, c.validators, c.slots, c.roots)
}

type voteColumns struct {
	validators, targets, minimum, maximum, highest, lowest []int64
	roots                                                  [][]byte
}

func (c *voteColumns) add(validator int64, v history.Vote) {
	c.validators, c.targets = append(c.validators, validator), append(c.targets, int64(v.Target))
	c.minimum, c.maximum = append(c.minimum, int64(v.MinSource)), append(c.maximum, int64(v.MaxSource))
	c.highest, c.lowest = append(c.highest, int64(v.Highest)), append(c.lowest, int64(v.Lowest))
	c.roots = append(c.roots, rootColumn(v.Root, v.Rooted))
}

func (c *voteColumns) queue(b *pgx.Batch) {
	b.Queue(insertVotes, c.validators, c.targets, c.minimum, c.maximum, c.highest, c.lowest, c.roots)
}
