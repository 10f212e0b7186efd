package dkg

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// long is how many times as much the simulations do: DKG_SIM=20 for a long run (make sim).
func long() int {
	n, _ := strconv.Atoi(os.Getenv("DKG_SIM"))
	return max(n, 1)
}

// Whatever the order in which messages arrive, however often, and whoever crashes at
// whatever point and comes back, all finish with the same keys.
func TestSimulation(t *testing.T) {
	for seed := range uint64(12 * long()) {
		n := 2 + int(seed%6)
		p := generateParams(t, n, DefaultThreshold(n), 1+int(seed%3))
		w := newNet(t, p, seed)
		w.duplicate = 0.2
		left := 2 * n
		w.crash = func(keyshare.Index, int) bool {
			if left > 0 && w.rng.IntN(4) == 0 {
				left--
				return true
			}
			return false
		}
		w.run()
		w.requireKeys(w.requireSuccess())
		require.Positive(t, w.crashes, "seed %d", seed)
	}
}

// A crash of one party at each point that there is, one run for each.
func TestCrashEverywhere(t *testing.T) {
	points := map[int]bool{}
	for at := 0; ; at++ {
		w := newNet(t, generateParams(t, 3, 3, 1), 9)
		seen, crashed := 0, false
		w.crash = func(id keyshare.Index, point int) bool {
			if id != 22 || crashed {
				return false
			}
			seen++
			crashed = seen > at
			points[point] = points[point] || crashed
			return crashed
		}
		w.run()
		w.requireKeys(w.requireSuccess())
		if !crashed {
			require.Greater(t, at, 10, "there are more points than that")
			require.Len(t, points, 4, "of every kind")
			return
		}
	}
}

// Without a Decrypter, a party that loses its memory before it has confirmed gives the
// session up; after that it goes on.
func TestCrashWithoutDecrypter(t *testing.T) {
	for _, confirmed := range []bool{false, true} {
		w := newNet(t, generateParams(t, 3, 3, 1), 9)
		w.nodes[22].config.Decrypter = nil
		crashed := false
		w.crash = func(id keyshare.Index, point int) bool {
			n := w.nodes[id]
			if id != 22 || crashed || point != afterSave || (n.party.own(RoundConfirm) != nil) != confirmed {
				return false
			}
			crashed = true
			return true
		}
		w.run()
		require.True(t, crashed)
		if confirmed {
			w.requireSuccess()
			continue
		}
		require.ErrorIs(t, w.nodes[22].err, ErrNotResumable)
		require.Empty(t, w.outcomes())
	}
}

// While the network is split nothing happens that is wrong, and when it heals the
// ceremony goes on.
func TestPartition(t *testing.T) {
	for seed := range uint64(4 * long()) {
		w := newNet(t, generateParams(t, 5, 4, 1), seed)
		split := w.rng.IntN(40)
		side := map[keyshare.Index]bool{}
		for _, id := range w.order {
			side[id] = w.rng.IntN(2) == 0
		}
		delivered := 0
		w.blocked = func(from, to keyshare.Index) bool {
			delivered++
			return delivered > split && side[from] != side[to]
		}
		w.run()
		w.oracle()
		w.blocked = nil
		w.drain()
		w.requireKeys(w.requireSuccess())
	}
}

// A party that misses all messages of another waits for it and blames nobody.
func TestSilence(t *testing.T) {
	for _, round := range []Round{RoundHello, RoundDeal, RoundConfirm, RoundAck} {
		w := newNet(t, generateParams(t, 4, 3, 1), 1)
		w.mutate = func(from, to keyshare.Index, raw []byte) [][]byte {
			if m, _ := parseMessage(raw); from == 33 && to == 11 && m.round == round {
				return nil
			}
			return [][]byte{raw}
		}
		w.run()
		require.Empty(t, w.oracle())
		err := w.nodes[11].party.Timeout(errCrash)
		require.Equal(t, round, err.Round)
		require.Equal(t, []keyshare.Index{33}, err.Silent)
		require.ErrorIs(t, err, errCrash)
		require.EqualError(t, err, "dkg: no "+round.String()+" from operators [33] in time: crash")
		require.Equal(t, round >= RoundConfirm, err.Confirmed)
		if round == RoundConfirm { // 11 catches up with what another has
			o := w.nodes[22].party.Outcome()
			require.NotNil(t, o)
			w.requireRecovers(11, o)
		}
	}
}

// Many operators, some of whom crash, with copies of messages, and a network that is split
// for a while.
func TestManyOperators(t *testing.T) {
	n := 24
	if long() > 1 {
		n = 100
	} else if testing.Short() {
		n = 13
	}
	w := newNet(t, generateParams(t, n, DefaultThreshold(n), 1), 1)
	w.duplicate = 0.02
	left := 4
	w.crash = func(keyshare.Index, int) bool {
		if left > 0 && w.rng.IntN(3*n) == 0 {
			left--
			return true
		}
		return false
	}
	delivered := 0
	w.blocked = func(from, to keyshare.Index) bool {
		delivered++
		return delivered > n*n && (from < w.order[n/3]) != (to < w.order[n/3])
	}
	w.run()
	require.Empty(t, w.outcomes())
	w.blocked = nil
	w.drain()
	require.Positive(t, w.crashes)
	w.requireKeys(w.requireSuccess())
}

// Old shares, too, come back after a crash: a reshare survives it.
func TestReshareCrashes(t *testing.T) {
	last, secrets := generated(t, 4, 3, 1)
	for seed := range uint64(3 * long()) {
		w := reshareNet(t, follow(t, Reshare, last, operators(t, 11, 22, 33), operators(t, 33, 44, 55, 66), 3), last, secrets, seed)
		left := 10
		w.crash = func(keyshare.Index, int) bool {
			if left > 0 && w.rng.IntN(4) == 0 {
				left--
				return true
			}
			return false
		}
		w.run()
		w.requireKeys(w.requireSuccess())
	}
}

// Adversaries among crashes, copies and disorder, in a longer run.
func TestAdversariesInDisorder(t *testing.T) {
	list := adversaries(t)
	for seed := range uint64(8 * long()) {
		adv := list[(int(seed)*7+3)%len(list)]
		w := newNet(t, generateParams(t, 5, 4, 2), seed)
		w.duplicate = 0.2
		a := &attack{adversary: &adv, w: w, id: 22, sent: map[Round][]byte{}}
		w.mutate = a.mutate
		left := 6
		w.crash = func(id keyshare.Index, _ int) bool {
			if id != 22 && left > 0 && w.rng.IntN(5) == 0 {
				left--
				return true
			}
			return false
		}
		w.run()
		w.oracle(22)
	}
}
