package signer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/claystack/dvkeys/keyshare"
)

// Quorum signs with a threshold group: it asks members for partial signatures and
// combines the first threshold of good ones. To its caller it is one more [Signer],
// whose key is the validator's.
//
// It asks a threshold of members, those first that answered soonest of late, one
// more for each that fails or refuses, and the rest when one is slower than members
// have been. A signature is verified before it is returned, and one that can not be
// taken back by a second BLS library as well. If it is wrong, the members who sent bad
// partial signatures are found and left out, and for a while theirs are verified before
// they are used. So it signs as long as a threshold of members is honest and answers,
// whatever the others do.
//
// It is safe for concurrent use.
type Quorum struct {
	network *Network
	group   *keyshare.Group
	members map[keyshare.Index]Signer

	mu     sync.Mutex
	record map[keyshare.Index]*conduct
}

// conduct is what is remembered of a member.
type conduct struct {
	latency time.Duration // of its answers, smoothed; 0 before the first
	pace    time.Duration // the same for each duty that they were about
	failed  time.Time     // until when it is asked after others, since it failed or was slow
	suspect time.Time     // until when its partial signatures are verified first
}

const (
	// distrust is how long a member that failed, or was slow, is asked after others.
	distrust = time.Minute
	// suspicion is how long a member that sent a bad partial signature is suspect.
	suspicion = 10 * time.Minute
	// The wait before the members that were not asked are asked too: a multiple of
	// what the slowest of those asked usually takes, for an answer or for so many
	// duties, within bounds.
	hedgeFactor  = 3
	hedgeAtLeast = 10 * time.Millisecond
	hedgeAtMost  = 500 * time.Millisecond
)

// NewQuorum returns the signer of a group. There must be at least a threshold of
// members, each with the public key that the group has for it.
func NewQuorum(n *Network, g *keyshare.Group, members map[keyshare.Index]Signer) (*Quorum, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errors.New("signer: quorum: the group is missing")
	}
	if len(members) < g.Threshold() {
		return nil, fmt.Errorf("signer: quorum: %d members, at least %d expected", len(members), g.Threshold())
	}
	q := &Quorum{network: n, group: g, members: maps.Clone(members), record: make(map[keyshare.Index]*conduct, len(members))}
	for id, m := range members {
		want, ok := g.Member(id)
		switch {
		case !ok:
			return nil, fmt.Errorf("signer: quorum: %d is not a member of the group", id)
		case m == nil:
			return nil, fmt.Errorf("signer: quorum: member %d has no signer", id)
		case m.PublicKey() != want:
			return nil, fmt.Errorf("signer: quorum: the signer of member %d has the public key %v, %v expected", id, m.PublicKey(), want)
		}
		q.record[id] = &conduct{}
	}
	return q, nil
}

// PublicKey returns the validator's key.
func (q *Quorum) PublicKey() keyshare.PublicKey { return q.group.PublicKey() }

// QuorumError says why a threshold of good partial signatures did not come together.
// It wraps the members' errors.
type QuorumError struct {
	Need   int                      // the threshold
	Have   int                      // good partial signatures
	Bad    []keyshare.Index         // members that sent bad ones, ascending
	Failed map[keyshare.Index]error // members that sent none, and why
}

// Error names each member and what it did.
func (e *QuorumError) Error() string {
	s := fmt.Sprintf("signer: quorum: %d good partial signatures, %d expected", e.Have, e.Need)
	if len(e.Bad) > 0 {
		s += fmt.Sprintf("; bad ones of members %d", e.Bad)
	}
	for _, id := range slices.Sorted(maps.Keys(e.Failed)) {
		s += fmt.Sprintf("; member %d: %v", id, e.Failed[id])
	}
	return s
}

// Unwrap returns the members' errors, in the order of their indices.
func (e *QuorumError) Unwrap() []error {
	var list []error
	for _, id := range slices.Sorted(maps.Keys(e.Failed)) {
		list = append(list, e.Failed[id])
	}
	return list
}

// Sign implements [Signer]. A duty without a threshold of good partial signatures
// has a *[QuorumError]; once they can no longer come together, members that have not
// answered are waited for no longer than they usually take. If the context ends when
// some duties are signed, they are returned, and the others have its error; if it has
// ended before, nobody is asked. A member that does not end when its context does is
// left behind.
func (q *Quorum) Sign(ctx context.Context, duties ...Duty) ([]Result, error) {
	b := q.newBallot(duties)
	if len(b.open) == 0 {
		return b.results, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of members that were slower
	order := q.order()
	answers := make(chan answer, len(order))
	waiting := make(map[keyshare.Index]bool, len(order)) // for their answers
	next := 0
	ask := func(count int) {
		numbers, duties := b.unsigned()
		for ; count > 0 && next < len(order) && ctx.Err() == nil; next, count = next+1, count-1 {
			waiting[order[next]] = true
			go q.ask(ctx, order[next], numbers, duties, answers)
		}
	}
	need := q.group.Threshold()
	patience := q.patience(order[:need], len(b.open))
	late := time.NewTimer(patience)
	defer late.Stop()
	ask(need)
	hopeless := false
	for len(b.open) > 0 && (len(waiting) > 0 || !hopeless && next < len(order)) && ctx.Err() == nil {
		select {
		case a := <-answers:
			delete(waiting, a.from)
			q.note(a)
			short := b.take(ctx, a)
			switch {
			case hopeless:
			case b.hopeful(len(waiting) + len(order) - next):
				ask(short) // as many more as this one fell short
			default: // nobody else needs to sign; those who are at it may still tell why not
				hopeless = true
				late.Reset(patience)
			}
		case <-late.C:
			q.distrust(waiting)
			if hopeless {
				clear(waiting)
			} else {
				ask(len(order))
			}
		case <-ctx.Done():
		}
	}
	if err := context.Cause(ctx); err != nil && !b.signed {
		return nil, fmt.Errorf("signer: quorum: %w", err)
	}
	b.close(ctx)
	return b.results, nil
}

// answer is what a member said to duties.
type answer struct {
	from    keyshare.Index
	numbers []int    // of the duties in the ballot
	results []Result // for each of them
	err     error
	took    time.Duration
}

func (q *Quorum) ask(ctx context.Context, id keyshare.Index, numbers []int, duties []Duty, to chan<- answer) {
	start := time.Now()
	results, err := q.members[id].Sign(ctx, duties...)
	if err == nil && len(results) != len(duties) {
		err = fmt.Errorf("%d results for %d duties", len(results), len(duties))
	}
	if err == nil && slices.Contains(results, Result{}) {
		err = errors.New("a result with neither a signature nor an error")
	}
	to <- answer{from: id, numbers: numbers, results: results, err: err, took: time.Since(start)}
}

// order returns the members, best first: those not suspect, that did not fail, that
// answer soonest.
func (q *Quorum) order() []keyshare.Index {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	class := func(id keyshare.Index) int {
		switch c := q.record[id]; {
		case now.Before(c.suspect):
			return 3
		case now.Before(c.failed):
			return 2
		case c.latency == 0: // nothing is known of it
			return 1
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(q.members), func(a, b keyshare.Index) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(q.record[a].latency, q.record[b].latency), cmp.Compare(a, b))
	})
}

// patience returns how long to wait for these members, and so many duties, before
// others are asked.
func (q *Quorum) patience(asked []keyshare.Index, duties int) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	var slowest time.Duration
	for _, id := range asked {
		c := q.record[id]
		if c.latency == 0 {
			return hedgeAtMost // nothing is known of it yet
		}
		slowest = max(slowest, c.latency, time.Duration(duties)*c.pace)
	}
	return min(max(hedgeFactor*slowest, hedgeAtLeast), hedgeAtMost)
}

// note remembers how a member answered.
func (q *Quorum) note(a answer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.record[a.from]
	if a.err != nil {
		c.failed = time.Now().Add(distrust)
		return
	}
	c.failed = time.Time{}
	smooth := func(value *time.Duration, latest time.Duration) {
		if *value == 0 {
			*value = latest
		}
		*value += (latest - *value) / 4
	}
	smooth(&c.latency, max(a.took, 1))
	smooth(&c.pace, max(a.took/time.Duration(len(a.numbers)), 1))
}

// distrust remembers that members did not answer in time.
func (q *Quorum) distrust(silent map[keyshare.Index]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id := range silent {
		q.record[id].failed = time.Now().Add(distrust)
	}
}

// suspects reports whether a member is suspect.
func (q *Quorum) suspects(id keyshare.Index) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Now().Before(q.record[id].suspect)
}

// blame makes members suspect.
func (q *Quorum) blame(ids []keyshare.Index) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		q.record[id].suspect = time.Now().Add(suspicion)
	}
}
