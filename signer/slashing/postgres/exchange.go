package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
	"github.com/claystack/dvkeys/signer/slashing/internal/interchange"
)

// Import unites the histories in an interchange file (EIP-3076, version 5) with
// those of the store: all of them in one transaction, or none if the file has a
// fault or is of another chain. It may run while others sign.
func (s *Store) Import(ctx context.Context, file []byte) error {
	validators, err := interchange.Parse(file, s.root)
	if err != nil {
		return wrap("import into", s.name, fmt.Errorf("interchange file: %w", err))
	}
	if len(validators) == 0 {
		return nil
	}
	keys := make([][]byte, len(validators))
	for i, v := range validators {
		k := v.Key.Bytes()
		keys[i] = k[:]
	}
	return wrap("import into", s.name, s.lockedRows(ctx, keys, func(tx pgx.Tx, rows rows) error {
		stored, err := records(ctx, tx, rows)
		if err != nil {
			return err
		}
		var blocks blockColumns
		var votes voteColumns
		for _, v := range validators {
			r := rows[v.Key.Bytes()]
			merged := history.Merge(stored[r.id], history.Record{Blocks: v.Blocks, Votes: v.Votes}, s.complete)
			r.marks = merged.Marks
			for _, b := range merged.Blocks {
				blocks.add(r.id, b)
			}
			for _, v := range merged.Votes {
				votes.add(r.id, v)
			}
		}
		if err := rows.save(ctx, tx); err != nil {
			return err
		}
		write := &pgx.Batch{}
		write.Queue(deleteBlocks, rows.ids())
		write.Queue(deleteVotes, rows.ids())
		blocks.queue(write)
		votes.queue(write)
		return tx.SendBatch(ctx, write).Close()
	}))
}

// Export stops the signing of the given validators, or of all if none is given, by
// every signer that shares the history, and then returns their histories as an
// interchange file (EIP-3076, version 5). They stay stopped until Resume. A
// validator that the store does not know is stopped too, and has an empty history
// in the file.
func (s *Store) Export(ctx context.Context, validators ...keyshare.PublicKey) ([]byte, error) {
	if err := s.setStopped(ctx, "stop signing in", true, validators); err != nil {
		return nil, err
	}
	w := interchange.NewWriter(s.root)
	err := s.transact(ctx, func(tx pgx.Tx) error {
		// Whoever holds a row's lock now is waited for; whoever gets it later sees that signing has stopped.
		query, args := lockAllValidators, []any{s.id}
		if len(validators) > 0 {
			query, args = lockValidators, []any{s.id, keysOf(validators)}
		}
		rows, err := queryRows(ctx, tx, query, args...)
		if err != nil {
			return err
		}
		all, err := records(ctx, tx, rows)
		if err != nil {
			return err
		}
		for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b history.Key) int { return bytes.Compare(a[:], b[:]) }) {
			key, err := keyshare.ParsePublicKey(k[:])
			if err != nil {
				return fmt.Errorf("validator %#x: %w", k, err)
			}
			w.Add(key, all[rows[k].id])
		}
		return nil
	})
	if err != nil {
		return nil, wrap("export from", s.name, err)
	}
	file, err := w.File()
	return file, wrap("export from", s.name, err)
}

// Resume lets the given validators sign again whose signing an Export stopped. With
// no validators it takes back an Export of all; those that were stopped by name
// stay stopped. Only call it where the exported history is not in use elsewhere.
func (s *Store) Resume(ctx context.Context, validators ...keyshare.PublicKey) error {
	return s.setStopped(ctx, "resume signing in", false, validators)
}

func (s *Store) setStopped(ctx context.Context, what string, stopped bool, validators []keyshare.PublicKey) error {
	for _, v := range validators {
		if v.IsZero() {
			return wrap(what, s.name, errors.New("a public key is missing"))
		}
	}
	if len(validators) == 0 {
		_, err := s.pool.Exec(ctx, updateStopped, s.id, stopped)
		return wrap(what, s.name, err)
	}
	return wrap(what, s.name, s.lockedRows(ctx, keysOf(validators), func(tx pgx.Tx, rows rows) error {
		_, err := tx.Exec(ctx, setStopped, rows.ids(), stopped)
		return err
	}))
}

func keysOf(validators []keyshare.PublicKey) [][]byte {
	keys := make([][]byte, len(validators))
	for i, v := range validators {
		k := v.Bytes()
		keys[i] = k[:]
	}
	return keys
}

func (r rows) ids() []int64 {
	ids := make([]int64, 0, len(r))
	for _, v := range r {
		ids = append(ids, v.id)
	}
	return ids
}

// records reads all that is stored of the validators, by the ids of their rows.
func records(ctx context.Context, tx pgx.Tx, rows rows) (map[int64]history.Record, error) {
	all := map[int64]history.Record{}
	for _, r := range rows {
		all[r.id] = history.Record{Marks: r.marks}
	}
	read := &pgx.Batch{}
	var id, at, minimum, maximum, highest, lowest int64
	var root []byte
	read.Queue(selectBlocks, rows.ids()).Query(func(found pgx.Rows) error {
		_, err := pgx.ForEachRow(found, []any{&id, &at, &root}, func() error {
			r := all[id]
			r.Blocks = append(r.Blocks, *block(&at, root))
			all[id] = r
			return nil
		})
		return err
	})
	read.Queue(selectVotes, rows.ids()).Query(func(found pgx.Rows) error {
		_, err := pgx.ForEachRow(found, []any{&id, &at, &minimum, &maximum, &highest, &lowest, &root}, func() error {
			v := history.Vote{
				Target: uint64(at), MinSource: uint64(minimum), MaxSource: uint64(maximum),
				Highest: uint64(highest), Lowest: uint64(lowest),
			}
			v.Rooted = copy(v.Root[:], root) > 0
			r := all[id]
			r.Votes = append(r.Votes, v)
			all[id] = r
			return nil
		})
		return err
	})
	return all, tx.SendBatch(ctx, read).Close()
}
