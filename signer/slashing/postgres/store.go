package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// MaxName is the length of the longest name of a history, in bytes.
const MaxName = 64

// Store is an open history. It is safe for concurrent use, also by several
// processes.
type Store struct {
	pool     *pgxpool.Pool
	name     string
	id       int32
	root     keyshare.Root
	complete bool
}

var _ signer.Protector = (*Store)(nil)

// Create makes a new, empty history in a database, for one chain and with one
// strategy, and the tables if there are none. The connection string is a URL or has
// the form of libpq; leave the password out of it, and put it into the file that
// PGPASSFILE names. The name has 1 to 64 printable ASCII characters. A history of
// that name is never touched: the error is then fs.ErrExist.
func Create(ctx context.Context, connection, name string, genesisValidatorsRoot keyshare.Root, s slashing.Strategy) error {
	if s != slashing.Minimal && s != slashing.Complete {
		return fmt.Errorf("postgres: create history %q: %v is unknown, minimal or complete expected", name, s)
	}
	if err := checkName(name); err != nil {
		return err
	}
	pool, err := connect(ctx, connection)
	if err != nil {
		return err
	}
	defer pool.Close()
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, schema, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, insertHistory, name, genesisValidatorsRoot[:], s.String())
		if err == nil && tag.RowsAffected() == 0 {
			err = fs.ErrExist
		}
		return err
	})
	return wrap("create", name, err)
}

// Open connects to a database and opens a history in it. A missing history is
// fs.ErrNotExist, one of another chain [slashing.ErrNetwork].
func Open(ctx context.Context, connection, name string, genesisValidatorsRoot keyshare.Root) (*Store, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	pool, err := connect(ctx, connection)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: pool, name: name}
	if err := s.load(ctx); err != nil {
		pool.Close()
		return nil, wrap("open", name, err)
	}
	if s.root != genesisValidatorsRoot {
		pool.Close()
		return nil, wrap("open", name, fmt.Errorf("%w: its genesis validators root is %v, %v expected", slashing.ErrNetwork, s.root, genesisValidatorsRoot))
	}
	return s, nil
}

func (s *Store) load(ctx context.Context) error {
	var root []byte
	var strategy string
	err := s.pool.QueryRow(ctx, selectHistory, s.name).Scan(&s.id, &root, &strategy)
	var pg *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &pg) && pg.Code == undefinedTable {
		return fs.ErrNotExist
	}
	if err != nil {
		return err
	}
	copy(s.root[:], root)
	s.complete = strategy == slashing.Complete.String()
	return nil
}

// abandoned is after how long the server ends a transaction whose signer says nothing: one whose machine or network has
// died, and whose locks would stop all others until the server finds the connection dead, which takes hours.
const abandoned = "10s"

// SQLSTATE codes.
const (
	undefinedTable = "42P01"
	deadlock       = "40P01"
	serialization  = "40001"
)

func checkName(name string) error {
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return fmt.Errorf("postgres: history name %q, printable ASCII expected", name)
		}
	}
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("postgres: history name of %d characters, 1 to %d expected", len(name), MaxName)
	}
	return nil
}

func connect(ctx context.Context, connection string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(connection)
	if err != nil {
		return nil, errors.New("postgres: the connection string is not one: postgres://user@host/database, or host=… dbname=… expected") // pgx's text holds parts of it
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = abandoned
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", err)
	}
	return pool, nil
}

// GenesisValidatorsRoot names the chain whose history this is.
func (s *Store) GenesisValidatorsRoot() keyshare.Root { return s.root }

// Strategy returns what the history was made with.
func (s *Store) Strategy() slashing.Strategy {
	if s.complete {
		return slashing.Complete
	}
	return slashing.Minimal
}

// Close closes the connections. Later calls fail.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// wrap names the history and what was done with it.
func wrap(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("postgres: %s history %q: %w", what, name, err)
}

// transact runs a transaction. It is repeated if the database has chosen it as the
// victim of a conflict, which our own order of locks does not cause.
func (s *Store) transact(ctx context.Context, run func(pgx.Tx) error) error {
	for tries := 1; ; tries++ {
		err := pgx.BeginFunc(ctx, s.pool, run)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == deadlock || pg.Code == serialization) && tries < 5 {
			continue
		}
		return err
	}
}
