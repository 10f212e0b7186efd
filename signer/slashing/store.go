package slashing

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/internal/boltfile"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// Strategy is how much of a history is kept.
type Strategy byte

// The strategies; see the package comment.
const (
	Minimal Strategy = iota + 1
	Complete
)

// String returns minimal or complete.
func (s Strategy) String() string {
	switch s {
	case Minimal:
		return "minimal"
	case Complete:
		return "complete"
	}
	return fmt.Sprintf("strategy %d", byte(s))
}

// Errors on which a caller takes a branch. The text of a returned error names the
// file and the fault.
var (
	ErrCorrupt = boltfile.ErrCorrupt // nothing was changed; see the package comment
	ErrInUse   = boltfile.ErrInUse   // another process has the file open
	ErrNoSpace = boltfile.ErrNoSpace // nothing was stored: make room and repeat
	ErrFailed  = boltfile.ErrFailed  // what the disk holds is unknown: open the file again
	ErrClosed  = boltfile.ErrClosed

	// ErrNetwork says that a history has another genesis validators root.
	ErrNetwork = errors.New("the history is of another chain")
	// ErrStopped says that an Export stopped a validator's signing, until Resume.
	ErrStopped = errors.New("signing was stopped by an export")
	// ErrRollback says that Open found an old copy of a file.
	ErrRollback = errors.New("the file is older than its counter says: signing with it can be slashed")
)

// Counter is a number that only rises. It lies where a copy of the store's file
// does not reach, and belongs to that file alone. A store raises it after each
// commit and before the claims of that commit are answered.
type Counter interface {
	// Read returns the number; 0 at first.
	Read(ctx context.Context) (uint64, error)
	// Raise makes the number at least n, for good. It is called by several
	// goroutines at once, not always in ascending order.
	Raise(ctx context.Context, n uint64) error
}

// Options are what can be changed of a store. The zero value, or nil, has no
// counter.
type Options struct {
	Counter Counter // detects an old copy of the file; see the package comment
}

// Store is an open history. It is safe for concurrent use.
type Store struct {
	file     *boltfile.File
	root     keyshare.Root
	strategy Strategy
	counter  Counter
}

var _ signer.Protector = (*Store)(nil)

// Create makes a new, empty history at path, for one chain and with one strategy.
// The file has mode 0600 and appears complete or not at all. An existing file is
// never touched: the error is then fs.ErrExist.
func Create(path string, genesisValidatorsRoot keyshare.Root, s Strategy) error {
	if s != Minimal && s != Complete {
		return fmt.Errorf("slashing: create %s: %v is unknown, minimal or complete expected", path, s)
	}
	err := boltfile.Create(path, func(tx *bbolt.Tx) error { return initialize(tx, header{genesisValidatorsRoot, s, false}) })
	if err != nil {
		return fmt.Errorf("slashing: create %s: %w", path, err)
	}
	return nil
}

// Open opens the history at path, takes its lock and verifies all of it. A missing
// file is fs.ErrNotExist: a history that has vanished is not made anew by itself.
// The faults on which a caller branches are ErrNetwork, ErrCorrupt, ErrInUse and
// ErrRollback. o may be nil.
func Open(ctx context.Context, path string, genesisValidatorsRoot keyshare.Root, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	var found content
	file, err := boltfile.Open(path, &found)
	if err != nil {
		return nil, fmt.Errorf("slashing: open %s: %w", path, err)
	}
	s := &Store{file: file, root: found.header.root, strategy: found.header.strategy, counter: o.Counter}
	if s.root != genesisValidatorsRoot {
		err = fmt.Errorf("%w: its genesis validators root is %v, %v expected", ErrNetwork, s.root, genesisValidatorsRoot)
	} else {
		err = s.checkRollback(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("slashing: open %s: %w", path, errors.Join(err, file.Close()))
	}
	return s, nil
}

// checkRollback compares the file's transaction number, which each commit raises,
// with the counter.
func (s *Store) checkRollback(ctx context.Context) error {
	if s.counter == nil {
		return nil
	}
	want, err := s.counter.Read(ctx)
	if err != nil {
		return fmt.Errorf("the counter: %w", err)
	}
	return s.file.View(func(tx *bbolt.Tx) error {
		if got := uint64(tx.ID()); got < want {
			return fmt.Errorf("%w: it is at commit %d, the counter at %d", ErrRollback, got, want)
		}
		return nil
	})
}

// GenesisValidatorsRoot names the chain whose history this is.
func (s *Store) GenesisValidatorsRoot() keyshare.Root { return s.root }

// Strategy returns what the store was made with.
func (s *Store) Strategy() Strategy { return s.strategy }

// Path returns the path that the store was opened with.
func (s *Store) Path() string { return s.file.Path() }

// Close releases the file and its lock. Later calls fail with ErrClosed; a second
// Close does nothing.
func (s *Store) Close() error { return s.wrap("close", s.file.Close()) }

// update commits a change, and raises the counter before it returns.
func (s *Store) update(ctx context.Context, what string, change func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return s.wrap(what, err)
	}
	var commit uint64
	err := s.file.Update(func(tx *bbolt.Tx) error {
		commit = uint64(tx.ID())
		return change(tx)
	})
	if err == nil && s.counter != nil {
		if err = s.counter.Raise(ctx, commit); err != nil {
			err = fmt.Errorf("the counter: %w", err)
		}
	}
	return s.wrap(what, err)
}

// wrap names the file and what was done with it.
func (s *Store) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("slashing: %s %s: %w", what, s.Path(), err)
}
