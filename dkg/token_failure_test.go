package dkg

import (
	"crypto"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

// failing is a token that fails at one of its signatures and works again after that.
type failing struct {
	rsaKey
	calls, at int
}

var errToken = errors.New("the token is away")

func (f *failing) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if f.calls++; f.calls == f.at {
		return nil, errToken
	}
	return f.rsaKey.Sign(random, digest, o)
}

// A step that failed for want of a signature can be made again, whichever it was: the party
// goes on with what it began and contradicts itself nowhere.
func TestTokenFailsOnce(t *testing.T) {
	for at := 1; ; at++ {
		w := newNet(t, generateParams(t, 3, 3, 1), uint64(at))
		n := w.nodes[22]
		token := &failing{rsaKey: keyOf(t, n.config.Params.Operators[1]), at: at}
		n.config.Identity, n.retry = token, true
		w.run()
		w.requireKeys(w.requireSuccess())
		if token.calls < at {
			require.Equal(t, 6, at, "hedge, Hello, Deal, Confirm and Ack are signed")
			return
		}
	}
}

// A fault that could not be complained of for want of a signature is found again.
func TestTokenFailsAtComplaint(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 1)
	n := w.nodes[11]
	token := &failing{rsaKey: keyOf(t, n.config.Params.Operators[0]), at: 3} // after hedge and Hello
	n.config.Identity, n.retry = token, true
	w.mutate = func(from, _ keyshare.Index, raw []byte) [][]byte {
		m, err := parseMessage(raw)
		require.NoError(t, err)
		if from != 22 {
			return [][]byte{raw}
		}
		p := w.nodes[22].party
		bad, err := sign(m.round, p.id, p.me, p.config.Identity, nil)
		require.NoError(t, err)
		return [][]byte{bad.raw}
	}
	w.run()
	require.Equal(t, 4, token.calls, "the Complaint at the second attempt")
	require.Equal(t, CodeEncoding, n.party.Abort().Code)
	require.NotNil(t, n.party.own(RoundComplaint))
	faulty, code, err := VerifyEvidence(n.config.Params, nil, nil, n.party.Abort().Evidence)
	require.NoError(t, err)
	require.Equal(t, CodeEncoding, code)
	require.Equal(t, []keyshare.Index{22}, faulty)
}
