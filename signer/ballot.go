package signer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// ballot collects the members' answers to the duties of one call.
type ballot struct {
	quorum  *Quorum
	results []Result      // of all duties
	open    map[int]*vote // those that are not signed yet, by number; without a signing root one has failed already
	signed  bool          // one of them at least
}

// vote is the state of one duty that is asked for.
type vote struct {
	result   *Result
	duty     Duty
	root     keyshare.Root
	partials map[keyshare.Index]keyshare.Signature // not known to be bad
	bad      []keyshare.Index
	failed   map[keyshare.Index]error
}

// newBallot computes the roots.
func (q *Quorum) newBallot(duties []Duty) *ballot {
	b := &ballot{quorum: q, results: make([]Result, len(duties)), open: make(map[int]*vote, len(duties))}
	for i, d := range duties {
		root, err := SigningRoot(q.network, d)
		if err != nil {
			b.results[i].Err = err
			continue
		}
		b.open[i] = &vote{
			result: &b.results[i], duty: d, root: root,
			partials: make(map[keyshare.Index]keyshare.Signature), failed: make(map[keyshare.Index]error),
		}
	}
	return b
}

// unsigned returns the duties that are not signed yet, with their numbers.
func (b *ballot) unsigned() (numbers []int, duties []Duty) {
	numbers = slices.Sorted(maps.Keys(b.open))
	for _, i := range numbers {
		duties = append(duties, b.open[i].duty)
	}
	return numbers, duties
}

// hopeful reports whether some duty can still be signed, if so many members who have
// not answered yet all send good partial signatures.
func (b *ballot) hopeful(left int) bool {
	for _, v := range b.open {
		if len(v.partials)+left >= b.quorum.group.Threshold() {
			return true
		}
	}
	return false
}

// take counts an answer, signs what it completes, and returns how many more members
// are wanted in its place: those who sent nothing good have to be made up for.
func (b *ballot) take(ctx context.Context, a answer) (wanted int) {
	short := make([]int, len(a.numbers))
	parallel.Each(len(a.numbers), func(i int) {
		v := b.open[a.numbers[i]]
		if v == nil || ctx.Err() != nil {
			return // it is signed, or nobody waits for it
		}
		err := a.err
		if err == nil {
			err = a.results[i].Err
		}
		if err != nil {
			v.failed[a.from] = err
			short[i] = 1
			return
		}
		short[i] = b.count(v, a.from, a.results[i].Signature)
	})
	for i, n := range a.numbers {
		if v := b.open[n]; v != nil && !v.result.Signature.IsZero() {
			b.signed = true
			delete(b.open, n)
		} else if v != nil {
			wanted = max(wanted, short[i])
		}
	}
	return wanted
}

// count adds a partial signature and combines if there are enough. It returns how
// many turned out to be bad.
func (b *ballot) count(v *vote, from keyshare.Index, partial keyshare.Signature) (lost int) {
	q := b.quorum
	if key, _ := q.group.Member(from); q.suspects(from) && !key.Verify(v.root, partial) {
		q.blame([]keyshare.Index{from})
		v.bad = append(v.bad, from)
		return 1
	}
	v.partials[from] = partial
	for len(v.partials) >= q.group.Threshold() {
		signature, err := q.group.Combine(v.root, v.partials)
		if err == nil && v.duty.traits().irrevocable && !q.PublicKey().VerifyIndependent(v.root, signature) {
			err = errors.New("the combined signature does not verify by the second library")
		}
		if err == nil {
			v.result.Signature = signature
			return lost
		}
		var failed *keyshare.CombineError
		if !errors.As(err, &failed) || len(failed.Bad) == 0 {
			v.failed[from] = err
			delete(v.partials, from)
			return lost + 1
		}
		q.blame(failed.Bad)
		for _, id := range failed.Bad {
			delete(v.partials, id)
		}
		v.bad = append(v.bad, failed.Bad...)
		lost += len(failed.Bad)
	}
	return lost
}

// close gives the duties that are still open their error. There were too few partial
// signatures to combine, so those that there are have not been verified yet.
func (b *ballot) close(ctx context.Context) {
	for _, v := range b.open {
		if err := context.Cause(ctx); err != nil {
			v.result.Err = fmt.Errorf("signer: quorum: %w", err)
			continue
		}
		for id, partial := range v.partials {
			if key, _ := b.quorum.group.Member(id); !key.Verify(v.root, partial) {
				delete(v.partials, id)
				v.bad = append(v.bad, id)
			}
		}
		b.quorum.blame(v.bad)
		slices.Sort(v.bad)
		v.result.Err = &QuorumError{Need: b.quorum.group.Threshold(), Have: len(v.partials), Bad: v.bad, Failed: v.failed}
	}
}
