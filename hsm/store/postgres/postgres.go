// Package postgres keeps the sealed records of package hsm/store in a PostgreSQL database, so that several signers share
// one set of keys and need no disk of their own: each opens the same set, with access to the token that sealed it.
//
// # What is stored
//
//	dvkeys_sets     name (primary key), header
//	dvkeys_records  name, public_key (primary key together), label (unique in its set), sealed
//
// A database holds any number of sets of keys, told apart by name. Open makes the tables and the set where they are
// missing. That a public key and a label are used once is the database's own constraint, so it holds between processes
// too.
//
// # What is asked of the database
//
// Version 12 or later. Every connection asks for synchronous commits, so what a call has stored is on the server's disk
// when it returns, whatever the server's default. On a cluster that fails over, configure synchronous replication, or a
// key that was generated just before a failover may be lost together with the primary. The user needs the right to
// select, insert, update and delete, and whoever opens the first set of a database the right to create tables.
//
// Who can write to the database can delete keys and put back old records, and cannot make a record that opens to a wrong
// key. Nothing in it is secret without the token.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
)

// MaxSet is the length of the longest name of a set of keys, in bytes.
const MaxSet = 64

// Store is one set of keys in a database. It implements store.Store and is safe for concurrent use by any number of
// processes.
type Store struct {
	pool   *pgxpool.Pool
	set    string
	closed atomic.Bool
}

// schema makes what is missing. The lock keeps two that start together from colliding, which IF NOT EXISTS does not.
const schema = `
SELECT pg_advisory_xact_lock(7306302914462184);
CREATE TABLE IF NOT EXISTS dvkeys_sets (
	name   text PRIMARY KEY,
	header bytea
);
CREATE TABLE IF NOT EXISTS dvkeys_records (
	name       text  NOT NULL REFERENCES dvkeys_sets,
	public_key bytea NOT NULL CHECK (octet_length(public_key) = 48),
	label      text  CHECK (label <> ''),
	sealed     bytea NOT NULL,
	PRIMARY KEY (name, public_key),
	UNIQUE (name, label)
)`

// Open connects to a database and opens the set of keys with a name of 1 to 64 printable ASCII characters, which it makes
// if there is none. The connection string is a URL or has the form of libpq; leave the password out of it, and put it
// into the file that PGPASSFILE names. A server that cannot be reached is hsm.ErrUnavailable, one that refuses the user
// hsm.ErrAuth.
func Open(ctx context.Context, connection, set string) (*Store, error) {
	if err := hsm.CheckLabel(set); err != nil || set == "" || len(set) > MaxSet {
		return nil, fmt.Errorf("postgres: name %q of a set of keys, expected 1 to %d characters of printable ASCII", set, MaxSet)
	}
	config, err := pgxpool.ParseConfig(connection)
	if err != nil {
		return nil, errors.New("postgres: the connection string is not one: expected postgres://user@host/database, or host=… dbname=…") // pgx's text holds parts of it
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, translate("connect", err)
	}
	s := &Store{pool: pool, set: set}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Who may not make tables may not ask to make them where they are missing either.
		var made bool
		err := tx.QueryRow(ctx, `SELECT to_regclass('dvkeys_sets') IS NOT NULL AND to_regclass('dvkeys_records') IS NOT NULL`).Scan(&made)
		if err == nil && !made {
			_, err = tx.Exec(ctx, schema, pgx.QueryExecModeSimpleProtocol)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO dvkeys_sets (name) VALUES ($1) ON CONFLICT DO NOTHING`, set)
		return err
	})
	if err != nil {
		pool.Close()
		return nil, translate("open", err)
	}
	return s, nil
}

// Header implements store.Store.
func (s *Store) Header(ctx context.Context) (header []byte, err error) {
	err = s.do("read the header", func() error {
		return s.pool.QueryRow(ctx, `SELECT header FROM dvkeys_sets WHERE name = $1`, s.set).Scan(&header)
	})
	if errors.Is(err, hsm.ErrNotFound) {
		return nil, fmt.Errorf("postgres: %w: the row of the set %q is gone", hsm.ErrCorrupt, s.set)
	}
	if err == nil && header != nil && store.CheckHeader(header) != nil {
		return nil, fmt.Errorf("postgres: %w: the header of the set %q has %d bytes", hsm.ErrCorrupt, s.set, len(header))
	}
	return header, err
}

// SetHeader implements store.Store.
func (s *Store) SetHeader(ctx context.Context, old, next []byte) error {
	if err := store.CheckHeader(next); err != nil {
		return err
	}
	return s.do("write the header", func() error {
		tag, err := s.pool.Exec(ctx, `UPDATE dvkeys_sets SET header = $3 WHERE name = $1 AND header IS NOT DISTINCT FROM $2`, s.set, old, next)
		if err == nil && tag.RowsAffected() == 0 {
			err = fmt.Errorf("%w: header", store.ErrChanged)
		}
		return err
	})
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, r store.Record) error {
	if err := r.Check(); err != nil {
		return err
	}
	return s.do("write", func() error {
		for {
			tag, err := s.pool.Exec(ctx, `INSERT INTO dvkeys_records (name, public_key, label, sealed) VALUES ($1, $2, NULLIF($3, ''), $4) ON CONFLICT DO NOTHING`,
				s.set, r.PublicKey[:], r.Label, r.Sealed)
			if err != nil || tag.RowsAffected() == 1 {
				return err
			}
			// The key before the label, as other stores do. If both are gone by now, the way is free.
			stored, err := s.record(ctx, `name = $1 AND (public_key = $2 OR label = $3) ORDER BY public_key = $2 DESC LIMIT 1`, s.set, r.PublicKey[:], r.Label)
			if err == nil {
				return &store.ExistsError{PublicKey: stored.PublicKey, Label: stored.Label}
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
		}
	})
}

// record returns the record that a condition selects.
func (s *Store) record(ctx context.Context, where string, args ...any) (r store.Record, err error) {
	var pk []byte
	err = s.pool.QueryRow(ctx, `SELECT public_key, COALESCE(label, ''), sealed FROM dvkeys_records WHERE `+where, args...).Scan(&pk, &r.Label, &r.Sealed)
	if err == nil {
		if len(pk) != len(r.PublicKey) || r.Check() != nil {
			return store.Record{}, fmt.Errorf("%w: record %#x is not one", hsm.ErrCorrupt, pk)
		}
		copy(r.PublicKey[:], pk)
	}
	return r, err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, publicKey [store.PublicKeySize]byte) (r store.Record, err error) {
	err = s.do("read", func() error {
		r, err = s.record(ctx, `name = $1 AND public_key = $2`, s.set, publicKey[:])
		return err
	})
	return r, err
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, label string) (r store.Record, err error) {
	err = s.do("read", func() error {
		r, err = s.record(ctx, `name = $1 AND label = $2`, s.set, label)
		return err
	})
	return r, err
}

// Replace implements store.Store.
func (s *Store) Replace(ctx context.Context, publicKey [store.PublicKeySize]byte, old, next []byte) error {
	if err := store.CheckSealed(next); err != nil {
		return err
	}
	return s.do("replace", func() error {
		tag, err := s.pool.Exec(ctx, `UPDATE dvkeys_records SET sealed = $4 WHERE name = $1 AND public_key = $2 AND sealed = $3`, s.set, publicKey[:], old, next)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		if _, err := s.record(ctx, `name = $1 AND public_key = $2`, s.set, publicKey[:]); err != nil {
			return err
		}
		return fmt.Errorf("%w: record %#x", store.ErrChanged, publicKey)
	})
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, publicKey [store.PublicKeySize]byte) error {
	return s.do("delete", func() error {
		tag, err := s.pool.Exec(ctx, `DELETE FROM dvkeys_records WHERE name = $1 AND public_key = $2`, s.set, publicKey[:])
		if err == nil && tag.RowsAffected() == 0 {
			err = pgx.ErrNoRows
		}
		return err
	})
}

// page is how many keys are read at a time. No query is open while the loop's body runs.
const page = 1000

// List implements store.Store.
func (s *Store) List(ctx context.Context) iter.Seq2[[store.PublicKeySize]byte, error] {
	return func(yield func([store.PublicKeySize]byte, error) bool) {
		last := []byte{}
		for {
			var keys [][]byte
			err := s.do("list", func() error {
				rows, err := s.pool.Query(ctx, `SELECT public_key FROM dvkeys_records WHERE name = $1 AND public_key > $2 ORDER BY public_key LIMIT $3`, s.set, last, page)
				if err != nil {
					return err
				}
				keys, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
				return err
			})
			if err != nil {
				yield([store.PublicKeySize]byte{}, err)
				return
			}
			for _, k := range keys {
				if len(k) != store.PublicKeySize {
					yield([store.PublicKeySize]byte{}, fmt.Errorf("postgres: %w: a public key of %d bytes", hsm.ErrCorrupt, len(k)))
					return
				}
				if !yield([store.PublicKeySize]byte(k), nil) {
					return
				}
				last = k
			}
			if len(keys) < page {
				return
			}
		}
	}
}

// String names the database and the set.
func (s *Store) String() string {
	c := s.pool.Config().ConnConfig
	return fmt.Sprintf("set %q in PostgreSQL database %s on %s", s.set, c.Database, c.Host)
}

// Close implements store.Store. It waits for calls that are running.
func (s *Store) Close() error {
	if s.closed.CompareAndSwap(false, true) {
		s.pool.Close()
	}
	return nil
}

// do runs a call and translates its error.
func (s *Store) do(what string, call func() error) error {
	if s.closed.Load() {
		return fmt.Errorf("postgres: %w", hsm.ErrClosed)
	}
	return translate(what, call())
}

// translate wraps the sentinel of package hsm that fits.
func translate(what string, err error) error {
	var refused *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, hsm.ErrExists), errors.Is(err, hsm.ErrCorrupt), errors.Is(err, store.ErrChanged):
		return fmt.Errorf("postgres: %s: %w", what, err)
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("postgres: %s: %w", what, hsm.ErrNotFound)
	case errors.As(err, &refused):
		// The server's message alone: its detail may quote a row.
		text := fmt.Sprintf("%s (SQLSTATE %s)", refused.Message, refused.Code)
		switch refused.Code[:min(2, len(refused.Code))] {
		case "28": // invalid authorization
			return fmt.Errorf("postgres: %s: %w: %s", what, hsm.ErrAuth, text)
		case "08", "25", "40", "53", "55", "57", "58": // connection, read-only server, transaction rolled back, resources, state, operator, system
			return fmt.Errorf("postgres: %s: %w: %s", what, hsm.ErrUnavailable, text)
		case "42": // privileges and syntax
			return fmt.Errorf("postgres: %s: %w: %s", what, hsm.ErrDenied, text)
		}
		return fmt.Errorf("postgres: %s: %s", what, text)
	case errors.As(err, &connect):
		return fmt.Errorf("postgres: %s: %w: %v", what, hsm.ErrUnavailable, connect)
	}
	return fmt.Errorf("postgres: %s: %w: %v", what, hsm.ErrUnavailable, err)
}
