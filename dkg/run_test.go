package dkg

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// script is a transport that delivers what it is given and then ends the context.
type script struct {
	left [][]byte
	end  context.CancelFunc
	sent [][]byte
}

func (s *script) Send(_ context.Context, message []byte) error {
	s.sent = append(s.sent, message)
	return nil
}

func (s *script) Receive(ctx context.Context) ([][]byte, error) {
	if len(s.left) == 0 {
		s.end()
		return nil, ctx.Err()
	}
	next := s.left[0]
	s.left = s.left[1:]
	return [][]byte{next}, nil
}

// memoryJournal is a Journal.
type memoryJournal struct{ messages [][]byte }

func (j *memoryJournal) Messages() ([][]byte, error) { return j.messages, nil }

func (j *memoryJournal) Append(messages [][]byte) error {
	j.messages = append(j.messages, messages...)
	return nil
}

// 33 confirms badly to 11, who complains, and to 22 well, but late: 22 has confirmed and
// heard the complaint by then. Run has failed; called again, it takes the Confirm.
func TestRunAfterAbort(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 1)
	var late []byte
	w.mutate = func(from, to keyshare.Index, raw []byte) [][]byte {
		m, err := parseMessage(raw)
		require.NoError(t, err)
		if from != 33 || m.round != RoundConfirm {
			return [][]byte{raw}
		}
		if to == 22 {
			late = raw
			return nil
		}
		p := w.nodes[33].party
		c, ok := parseConfirm(m.body, p.params, true)
		require.True(t, ok)
		clear(c.keys[0].partials[0][:])
		bad, err := sign(RoundConfirm, p.id, p.me, p.config.Identity, c.bytes())
		require.NoError(t, err)
		return [][]byte{bad.raw}
	}
	w.run()
	w.oracle(33)
	n := w.nodes[22]
	require.Equal(t, CodePartial, n.party.Abort().Code)
	require.True(t, n.party.Abort().Confirmed)

	again := func(left ...[]byte) (*Result, *script, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &script{left: left, end: cancel}
		keep := func(_ context.Context, _ string, share *keyshare.Share) (keyshare.Key, error) { return n.keep(share) }
		result, err := Run(ctx, n.config, &memoryJournal{n.journal}, keep, s, nil)
		return result, s, err
	}
	_, s, err := again()
	var abort *AbortError
	require.ErrorAs(t, err, &abort)
	require.Equal(t, n.party.Abort(), abort)
	require.NotEmpty(t, s.sent)

	result, s, err := again(late)
	require.NoError(t, err)
	require.Equal(t, []keyshare.Index{11}, result.Unacknowledged)
	require.Len(t, result.Keys, 1)
	last, err := parseMessage(s.sent[len(s.sent)-1])
	require.NoError(t, err)
	require.Equal(t, RoundAck, last.round)
	w.requireRecovers(22, result.Outcome)
}

// An abort before this party has confirmed is final, whenever it is heard of.
func TestRunAfterFinalAbort(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 1)
	w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
		m, err := parseMessage(raw)
		require.NoError(t, err)
		if p := w.nodes[33].party; from == 33 && m.round == RoundDeal {
			m, err = sign(RoundDeal, p.id, p.me, p.config.Identity, nil)
			require.NoError(t, err)
		}
		return [][]byte{m.raw}
	}
	w.run()
	n := w.nodes[22]
	s := &script{}
	_, err := Run(t.Context(), n.config, &memoryJournal{n.journal}, nil, s, nil)
	var abort *AbortError
	require.ErrorAs(t, err, &abort)
	require.Equal(t, CodeEncoding, abort.Code)
	require.False(t, abort.Confirmed)
}
