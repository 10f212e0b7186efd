package signer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// member is a signer that holds a share and behaves as told.
type member struct {
	share *keyshare.Share
	delay time.Duration
	lie   func([]signer.Result) ([]signer.Result, error) // changes its answer
	calls atomic.Int32
	asked atomic.Int32 // duties in all calls
}

func (m *member) PublicKey() keyshare.PublicKey { return m.share.PublicKey() }

func (m *member) Sign(ctx context.Context, duties ...signer.Duty) ([]signer.Result, error) {
	m.calls.Add(1)
	m.asked.Add(int32(len(duties)))
	select {
	case <-time.After(m.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	results := make([]signer.Result, len(duties))
	for i, d := range duties {
		root, err := signer.SigningRoot(signer.Hoodi, d)
		if err != nil {
			return nil, err
		}
		sigs, err := m.share.SignRoots(ctx, root)
		if err != nil {
			return nil, err
		}
		results[i].Signature = sigs[0]
	}
	if m.lie != nil {
		return m.lie(results)
	}
	return results, nil
}

// cluster returns n members of a group with the given threshold.
func cluster(t testing.TB, threshold, n int) (*keyshare.SecretKey, *keyshare.Group, map[keyshare.Index]*member) {
	key, err := keyshare.Generate()
	require.NoError(t, err)
	ids := make([]keyshare.Index, n)
	for i := range ids {
		ids[i] = keyshare.Index(100 + 7*i)
	}
	group, shares, err := keyshare.Split(key, threshold, ids)
	require.NoError(t, err)
	members := make(map[keyshare.Index]*member, n)
	for _, s := range shares {
		members[s.Index()] = &member{share: s, delay: time.Millisecond}
	}
	return key, group, members
}

func quorum(t testing.TB, g *keyshare.Group, members map[keyshare.Index]*member) *signer.Quorum {
	signers := make(map[keyshare.Index]signer.Signer, len(members))
	for id, m := range members {
		signers[id] = m
	}
	q, err := signer.NewQuorum(signer.Hoodi, g, signers)
	require.NoError(t, err)
	return q
}

func garbage(r []signer.Result) ([]signer.Result, error) {
	k, err := keyshare.Generate()
	if err != nil {
		return nil, err
	}
	sigs, err := k.SignRoots(context.Background(), keyshare.Root{1})
	for i := range r {
		r[i].Signature = sigs[0]
	}
	return r, err
}

func calls(members map[keyshare.Index]*member) (total int) {
	for _, m := range members {
		total += int(m.calls.Load())
	}
	return total
}

// wants signs two duties and compares with what the whole key signs.
func wants(t *testing.T, q *signer.Quorum, key *keyshare.SecretKey) {
	t.Helper()
	duties := []signer.Duty{signer.VoluntaryExit{Epoch: 1, ValidatorIndex: 2}, signer.VoluntaryExit{Epoch: 3, ValidatorIndex: 4}}
	results, err := q.Sign(t.Context(), duties...)
	require.NoError(t, err)
	require.Len(t, results, len(duties))
	for i, d := range duties {
		require.NoError(t, results[i].Err)
		root, err := signer.SigningRoot(signer.Hoodi, d)
		require.NoError(t, err)
		whole, err := key.SignRoots(t.Context(), root)
		require.NoError(t, err)
		require.Equal(t, whole[0], results[i].Signature)
	}
}

func TestQuorum(t *testing.T) {
	for _, size := range []struct{ threshold, n int }{{3, 4}, {5, 7}, {9, 13}} {
		t.Run(fmt.Sprintf("%d of %d", size.threshold, size.n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key, g, members := cluster(t, size.threshold, size.n)
				q := quorum(t, g, members)
				require.Equal(t, key.PublicKey(), q.PublicKey())
				wants(t, q, key)
				require.Equal(t, size.threshold, calls(members), "no more members are asked than are needed")
			})
		})
	}
}

// TestQuorumWithFaults has as many faulty members as the group endures, of each kind.
func TestQuorumWithFaults(t *testing.T) {
	for name, spoil := range map[string]func(*member){
		"garbage": func(m *member) { m.lie = garbage },
		"silent":  func(m *member) { m.delay = 1000 * time.Hour },
		"slow":    func(m *member) { m.delay = 5 * time.Second },
		"error": func(m *member) {
			m.lie = func([]signer.Result) ([]signer.Result, error) { return nil, errors.New("out") }
		},
		"too few results": func(m *member) { m.lie = func(r []signer.Result) ([]signer.Result, error) { return r[:1], nil } },
		"no signatures":   func(m *member) { m.lie = func(r []signer.Result) ([]signer.Result, error) { clear(r); return r, nil } },
		"results exchanged": func(m *member) {
			m.lie = func(r []signer.Result) ([]signer.Result, error) { r[0], r[1] = r[1], r[0]; return r, nil }
		},
		"one duty refused": func(m *member) {
			m.lie = func(r []signer.Result) ([]signer.Result, error) {
				r[1] = signer.Result{Err: errors.New("no")}
				return r, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key, g, members := cluster(t, 5, 7)
				for _, id := range g.Members()[:2] {
					spoil(members[id])
				}
				q := quorum(t, g, members)
				start := time.Now()
				wants(t, q, key)
				require.Less(t, time.Since(start), time.Second, "slow members are hedged")
				before := calls(members)
				wants(t, q, key)
				if name != "one duty refused" {
					require.Equal(t, 5, calls(members)-before, "members that failed are asked last")
				}
				start = time.Now()
				wants(t, q, key)
				require.Less(t, time.Since(start), 10*time.Millisecond, "and cost no more time")
			})
		})
	}
}

// TestQuorumFails has one faulty member too many.
func TestQuorumFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		ids := g.Members()
		members[ids[1]].lie = garbage
		refused := fmt.Errorf("member: %w", signer.ErrSlashable)
		members[ids[3]].lie = func(r []signer.Result) ([]signer.Result, error) { return []signer.Result{{Err: refused}}, nil }
		results, err := quorum(t, g, members).Sign(t.Context(), signer.VoluntaryExit{})
		require.NoError(t, err)
		var failed *signer.QuorumError
		require.ErrorAs(t, results[0].Err, &failed)
		require.Equal(t, 3, failed.Need)
		require.Equal(t, []keyshare.Index{ids[1]}, failed.Bad)
		require.Equal(t, map[keyshare.Index]error{ids[3]: refused}, failed.Failed)
		require.ErrorIs(t, results[0].Err, signer.ErrSlashable, "a member's reason can be asked for")
		require.EqualError(t, failed, fmt.Sprintf("signer: quorum: 2 good partial signatures, 3 expected; bad ones of members [%d]; member %d: member: %v", ids[1], ids[3], signer.ErrSlashable))
		require.True(t, results[0].Signature.IsZero())
	})
}

// TestQuorumHopeless has two of four members refuse and one that never answers: nobody
// waits for that one in vain, and the refusal is what is reported.
func TestQuorumHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		ids := g.Members()
		refuse := func([]signer.Result) ([]signer.Result, error) {
			return []signer.Result{{Err: signer.ErrSlashable}}, nil
		}
		members[ids[0]].lie, members[ids[2]].lie = refuse, refuse
		members[ids[3]].delay = 1000 * time.Hour
		start := time.Now()
		results, err := quorum(t, g, members).Sign(t.Context(), signer.VoluntaryExit{})
		require.NoError(t, err)
		var failed *signer.QuorumError
		require.ErrorAs(t, results[0].Err, &failed)
		require.ErrorIs(t, failed, signer.ErrSlashable)
		require.Less(t, time.Since(start), time.Second)
	})
}

// TestQuorumContextLate ends the context when some duties are signed and others are
// not: the signatures that there are come back.
func TestQuorumContextLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		members[g.Members()[0]].lie = func(r []signer.Result) ([]signer.Result, error) {
			r[1] = signer.Result{Err: errors.New("no")}
			return r, nil
		}
		last := members[g.Members()[3]]
		last.delay = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results, err := quorum(t, g, members).Sign(ctx, signer.VoluntaryExit{Epoch: 1}, signer.VoluntaryExit{Epoch: 2})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.False(t, results[0].Signature.IsZero())
		require.ErrorIs(t, results[1].Err, context.DeadlineExceeded)
	})
}

func TestQuorumContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		for _, m := range members {
			m.delay = time.Hour
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := quorum(t, g, members).Sign(ctx, signer.VoluntaryExit{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait() // no member is left behind
	})
}

// TestQuorumEnded has a context that has ended: no member records or signs in vain.
func TestQuorumEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("too late")
		cancel(why)
		_, err := quorum(t, g, members).Sign(ctx, signer.VoluntaryExit{})
		require.ErrorIs(t, err, why)
		synctest.Wait()
		require.Zero(t, calls(members))
	})
}

// TestQuorumAsksForTheRest has a member refuse one duty of many: the one who is asked
// in its place is asked only for what is not signed by then.
func TestQuorumAsksForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		last := members[g.Members()[1]]
		last.delay = 5 * time.Millisecond // when the others have answered
		last.lie = func(r []signer.Result) ([]signer.Result, error) {
			r[7] = signer.Result{Err: errors.New("no")}
			return r, nil
		}
		duties := make([]signer.Duty, 20)
		for i := range duties {
			duties[i] = signer.Randao{Epoch: uint64(i)}
		}
		duties[3] = nil // which has no root, and a number all the same
		results, err := quorum(t, g, members).Sign(t.Context(), duties...)
		require.NoError(t, err)
		for i, r := range results {
			if i == 3 {
				require.ErrorContains(t, r.Err, "the duty is missing")
				continue
			}
			require.NoError(t, r.Err)
			root, err := signer.SigningRoot(signer.Hoodi, duties[i])
			require.NoError(t, err)
			require.True(t, g.PublicKey().Verify(root, r.Signature))
		}
		require.EqualValues(t, 1, members[g.Members()[3]].asked.Load())
	})
}

// TestQuorumPatience signs many duties and then one, with members that take as long
// for one as for many: that is how long they are waited for.
func TestQuorumPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		for _, m := range members {
			m.delay = 50 * time.Millisecond
		}
		q := quorum(t, g, members)
		for _, n := range []int{20, 20, 1, 20, 1} {
			duties := make([]signer.Duty, n)
			for i := range duties {
				duties[i] = signer.Randao{Epoch: uint64(i)}
			}
			before := calls(members)
			_, err := q.Sign(t.Context(), duties...)
			require.NoError(t, err)
			require.Equal(t, 3, calls(members)-before, "%d duties: nobody else is asked", n)
		}
	})
}

// TestQuorumBlamesTheFew has too few members answer for a signature: who of them lies
// is found all the same.
func TestQuorumBlamesTheFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		ids := g.Members()
		members[ids[1]].lie = garbage
		out := func([]signer.Result) ([]signer.Result, error) { return nil, errors.New("out") }
		members[ids[0]].lie, members[ids[2]].lie = out, out
		results, err := quorum(t, g, members).Sign(t.Context(), signer.VoluntaryExit{})
		require.NoError(t, err)
		var failed *signer.QuorumError
		require.ErrorAs(t, results[0].Err, &failed)
		require.Equal(t, []keyshare.Index{ids[1]}, failed.Bad)
		require.Equal(t, 1, failed.Have)
		require.Len(t, failed.Failed, 2)
	})
}

// TestQuorumBadDuty mixes a duty that can not be signed with one that can.
func TestQuorumBadDuty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, members := cluster(t, 3, 4)
		q := quorum(t, g, members)
		results, err := q.Sign(t.Context(), nil, signer.VoluntaryExit{}, signer.Deposit{})
		require.NoError(t, err)
		require.ErrorContains(t, results[0].Err, "the duty is missing")
		require.NoError(t, results[1].Err)
		require.Error(t, results[2].Err)
		results, err = q.Sign(t.Context(), nil)
		require.NoError(t, err)
		require.Error(t, results[0].Err)
		require.Equal(t, 3, calls(members), "nobody is asked in vain")
	})
}

// TestQuorumForgives lets a member that sent garbage come back.
func TestQuorumForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, g, members := cluster(t, 3, 4)
		liar := members[g.Members()[0]]
		liar.lie = garbage
		q := quorum(t, g, members)
		wants(t, q, key)
		wants(t, q, key)
		require.EqualValues(t, 1, liar.calls.Load(), "a suspect is asked last")
		liar.lie = nil
		time.Sleep(time.Hour)
		members[g.Members()[1]].delay = time.Hour
		wants(t, q, key)
		require.EqualValues(t, 2, liar.calls.Load())
	})
}

func TestQuorumConcurrently(t *testing.T) {
	key, g, members := cluster(t, 3, 4)
	members[g.Members()[2]].lie = garbage
	q := quorum(t, g, members)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { wants(t, q, key) })
	}
	wg.Wait()
}

func TestNewQuorumRefuses(t *testing.T) {
	_, g, members := cluster(t, 3, 4)
	_, other, strangers := cluster(t, 3, 4)
	ids := g.Members()
	all := func() map[keyshare.Index]signer.Signer {
		m := make(map[keyshare.Index]signer.Signer)
		for id, s := range members {
			m[id] = s
		}
		return m
	}
	for want, f := range map[string]func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group){
		"the network is missing": func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) { return nil, g },
		"the group is missing":   func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) { return signer.Hoodi, nil },
		"2 members, at least 3 expected": func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) {
			delete(m, ids[0])
			delete(m, ids[1])
			return signer.Hoodi, g
		},
		"5 is not a member": func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) {
			m[5] = m[ids[0]]
			return signer.Hoodi, g
		},
		"has no signer": func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) {
			m[ids[0]] = nil
			return signer.Hoodi, g
		},
		"has the public key": func(m map[keyshare.Index]signer.Signer) (*signer.Network, *keyshare.Group) {
			m[ids[0]] = strangers[other.Members()[0]]
			return signer.Hoodi, g
		},
	} {
		m := all()
		n, group := f(m)
		_, err := signer.NewQuorum(n, group, m)
		require.ErrorContains(t, err, want)
	}
}
