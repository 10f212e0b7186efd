package slashing

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// errNothing ends a change that has recorded nothing, so that nothing is written.
var errNothing = errors.New("nothing to record")

// Protect implements [signer.Protector]. Errors that do not wrap
// [signer.ErrSlashable] may wrap ErrStopped, ErrNoSpace, ErrFailed, ErrCorrupt or
// ErrClosed.
func (s *Store) Protect(ctx context.Context, claims ...signer.Claim) []error {
	results := make([]error, len(claims))
	err := s.update(ctx, "record in", func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		granted := false
		for i, c := range claims {
			results[i] = t.protect(c)
			granted = granted || results[i] == nil
		}
		if !granted {
			return errNothing
		}
		return t.end()
	})
	for i := range results {
		switch {
		case err != nil && !errors.Is(err, errNothing):
			results[i] = err
		case history.Refused(results[i]):
			results[i] = fmt.Errorf("%w: %w", signer.ErrSlashable, results[i])
		case results[i] != nil:
			results[i] = s.wrap("record in", results[i])
		}
	}
	return results
}

// transaction is a change of the file. Each claim is checked against what earlier
// claims, also of other calls, have put into the transaction.
type transaction struct {
	header                          header
	file, validators, blocks, votes *bbolt.Bucket
	added                           uint64 // entries, modulo 2^64
}

func begin(tx *bbolt.Tx) (*transaction, error) {
	t := &transaction{
		file: tx.Bucket(fileBucket), validators: tx.Bucket(validatorsBucket),
		blocks: tx.Bucket(blocksBucket), votes: tx.Bucket(votesBucket),
	}
	h, err := decodeHeader(t.file.Get(headerKey))
	if err != nil {
		return nil, fmt.Errorf("%w: the header %w", ErrCorrupt, err)
	}
	t.header = h
	return t, nil
}

// end keeps the count of entries, by which a missing one is noticed.
func (t *transaction) end() error {
	count := t.file.Get(countKey)
	if len(count) != 8 {
		return fmt.Errorf("%w: the count has %d bytes, 8 expected", ErrCorrupt, len(count))
	}
	return t.file.Put(countKey, numbers(nil, number(count)+t.added))
}

func (t *transaction) protect(c signer.Claim) error {
	claim, err := history.ParseClaim(c)
	if err != nil {
		return err
	}
	v, err := t.validator(claim.Key)
	switch {
	case err != nil:
		return err
	case v.stopped || t.header.stopped:
		return ErrStopped
	case claim.Block:
		return t.protectBlock(claim, v)
	}
	return t.protectVote(claim, v)
}

func (t *transaction) validator(k key) (validator, error) {
	value := t.validators.Get(k[:])
	if value == nil {
		return validator{}, nil
	}
	v, err := decodeValidator(k[:], value)
	if err != nil {
		return validator{}, fmt.Errorf("%w: validator %#x %w", ErrCorrupt, k, err)
	}
	return v, nil
}

func (t *transaction) protectBlock(c history.Claim, v validator) error {
	near, err := around(t.blocks, c.Key, c.At, decodeBlock)
	if err != nil {
		return err
	}
	repeated, err := history.CheckBlock(v.marks, near.first, near.same, c.At, c.Root)
	if err != nil || repeated {
		return err
	}
	if t.header.strategy == Minimal {
		v.marks.FoldBlock(c.At)
		return t.putValidator(c.Key, v)
	}
	if err := t.putBlock(c.Key, history.Block{Slot: c.At, Rooted: true, Root: c.Root}); err != nil {
		return err
	}
	return t.foldBlocks(c.Key, v, c.At)
}

func (t *transaction) protectVote(c history.Claim, v validator) error {
	near, err := around(t.votes, c.Key, c.At, decodeVote)
	if err != nil {
		return err
	}
	entry, repeated, err := history.CheckVote(v.marks, near.first, near.before, near.same, near.after, c.Source, c.At, c.Root)
	if err != nil || repeated {
		return err
	}
	if t.header.strategy == Minimal {
		v.marks.FoldVote(c.Source, c.At)
		return t.putValidator(c.Key, v)
	}
	if err := t.putVote(c.Key, entry); err != nil {
		return err
	}
	return t.foldVotes(c.Key, v, c.At)
}

// near are a validator's entries about one slot or target: the lowest of all, the
// next below, the one at it and the next above.
type near[E any] struct{ first, before, same, after *E }

func around[E any](b *bbolt.Bucket, k key, at uint64, decode func(k, value []byte) (E, error)) (n near[E], err error) {
	entry := func(key, value []byte) *E {
		if err != nil || !bytes.HasPrefix(key, k[:]) {
			return nil
		}
		e, fault := decode(key, value)
		if fault != nil {
			err = fmt.Errorf("%w: entry %#x %w", ErrCorrupt, key, fault)
			return nil
		}
		return &e
	}
	c := b.Cursor()
	if n.first = entry(c.Seek(k[:])); n.first == nil {
		return n, err
	}
	wanted := entryKey(k, at)
	key, value := c.Seek(wanted)
	if bytes.Equal(key, wanted) {
		n.same = entry(key, value)
		return n, err // the neighbours do not matter: one duty for a slot or target
	}
	n.after = entry(key, value)
	if key == nil {
		n.before = entry(c.Last())
	} else {
		n.before = entry(c.Prev())
	}
	return n, err
}

// foldBlocks folds up to two of the validator's oldest blocks into its marks: more
// than are added at a time, so that what is kept does not grow.
func (t *transaction) foldBlocks(k key, v validator, slot uint64) error {
	return t.fold(t.blocks, k, v, func(v *validator, key, value []byte) (bool, error) {
		b, err := decodeBlock(key, value)
		if err != nil || !history.StaleBlock(b.Slot, slot) {
			return false, err
		}
		v.marks.FoldBlock(b.Slot)
		return true, nil
	})
}

func (t *transaction) foldVotes(k key, v validator, target uint64) error {
	return t.fold(t.votes, k, v, func(v *validator, key, value []byte) (bool, error) {
		e, err := decodeVote(key, value)
		if err != nil || !history.StaleVote(e.Target, target) {
			return false, err
		}
		v.marks.FoldVote(e.MaxSource, e.Target)
		return true, nil
	})
}

func (t *transaction) fold(b *bbolt.Bucket, k key, v validator, fold func(v *validator, key, value []byte) (bool, error)) error {
	folded := false
	for range 2 {
		key, value := b.Cursor().Seek(k[:])
		stale, err := fold(&v, key, value)
		if err != nil {
			return fmt.Errorf("%w: entry %#x %w", ErrCorrupt, key, err)
		}
		if !stale {
			break
		}
		folded = true
		if err := t.remove(b, key); err != nil {
			return err
		}
	}
	if !folded {
		return nil
	}
	return t.putValidator(k, v)
}

func (t *transaction) putValidator(k key, v validator) error {
	return t.put(t.validators, bytes.Clone(k[:]), encodeValidator(k[:], v))
}

func (t *transaction) putBlock(k key, b history.Block) error {
	at := entryKey(k, b.Slot)
	return t.put(t.blocks, at, encodeBlock(at, b))
}

func (t *transaction) putVote(k key, v history.Vote) error {
	at := entryKey(k, v.Target)
	return t.put(t.votes, at, encodeVote(at, v))
}

func (t *transaction) put(b *bbolt.Bucket, k, value []byte) error {
	if b.Get(k) == nil {
		t.added++
	}
	return b.Put(k, value)
}

func (t *transaction) remove(b *bbolt.Bucket, k []byte) error {
	t.added--
	return b.Delete(bytes.Clone(k))
}
