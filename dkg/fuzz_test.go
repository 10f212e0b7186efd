package dkg

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// ceremonyMessages are all messages of a ceremony, as seeds.
func ceremonyMessages(f *testing.F) (*Params, *Outcome, [][]byte) {
	p := generateParams(f, 2, 2, 1)
	w := newNet(f, p, 1)
	w.run()
	return p, w.requireSuccess(), w.nodes[11].journal
}

func FuzzParseParams(f *testing.F) {
	p := generateParams(f, 4, 3, 2)
	f.Add(p.Bytes())
	q := generateParams(f, 2, 2, 1)
	q.Kind, q.Dealers, q.Parents = Refresh, q.Operators, make([][32]byte, 1)
	f.Add(q.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseParams(b); err == nil {
			require.Equal(t, b, p.Bytes())
		}
	})
}

func FuzzMessage(f *testing.F) {
	_, _, messages := ceremonyMessages(f)
	for _, m := range messages {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		w := &writer{}
		w.u16(Version)
		w.u8(uint8(m.round))
		w.raw(m.session[:])
		w.u64(uint64(m.sender))
		w.u8(uint8(m.scheme))
		w.counted(m.body)
		w.counted(m.sig)
		require.Equal(t, b, w.b)
	})
}

func FuzzBodies(f *testing.F) {
	p, _, messages := ceremonyMessages(f)
	for _, raw := range messages {
		m, err := parseMessage(raw)
		require.NoError(f, err)
		f.Add(m.body)
		f.Add(m.stub())
	}
	f.Add((&complaint{accused: 22, code: CodeShare, hellos: make([][32]byte, 2), messages: messages[:3]}).bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseHello(b); ok {
			require.Equal(t, b, h.bytes())
		}
		if d, code := parseDeal(b, p); code == 0 {
			require.Equal(t, b, d.bytes())
		}
		for _, receives := range []bool{true, false} {
			if c, ok := parseConfirm(b, p, receives); ok {
				require.Equal(t, b, c.bytes())
			}
		}
		if c, ok := parseComplaint(b); ok {
			require.Equal(t, b, c.bytes())
		}
		if m, err := parseStub(b); err == nil {
			require.Equal(t, b, m.stub())
		}
		if a, ok := parseAck(b); ok {
			require.Equal(t, b, a.certificate[:])
		}
	})
}

// Whatever bytes arrive, a party neither fails nor blames.
func FuzzStep(f *testing.F) {
	p, _, messages := ceremonyMessages(f)
	for _, raw := range messages {
		if m, _ := parseMessage(raw); m.sender != 11 { // its own are another process's
			f.Add(raw)
		}
	}
	w := newNet(f, p, 1)
	w.start(11)
	f.Fuzz(func(t *testing.T, b []byte) {
		party := w.nodes[11].party
		before := len(party.slots)
		m, err := party.open(b)
		out, stepErr := party.Step(b)
		require.NoError(t, stepErr)
		if err != nil {
			require.Len(t, out.Ignored, 1)
			require.Len(t, party.slots, before)
			return
		}
		require.NotNil(t, m)
		require.Nil(t, party.Abort())
	})
}

func FuzzVerify(f *testing.F) {
	p, o, _ := ceremonyMessages(f)
	f.Add(o.Transcript, o.Certificate)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, transcript, certificate []byte) {
		if again, err := Verify(p, nil, transcript, certificate); err == nil {
			require.Equal(t, transcript, again.Transcript)
			require.Equal(t, certificate, again.Certificate)
		}
		_, _ = ReadParams(transcript)
	})
}

// Transcript and certificate that are changed anywhere are refused.
func TestTamperedTranscript(t *testing.T) {
	w := newNet(t, generateParams(t, 2, 2, 1), 1)
	w.run()
	o := w.requireSuccess()
	p := o.Params
	step := 61
	if testing.Short() {
		step = 307
	}
	for _, what := range []struct{ transcript, certificate []byte }{{o.Transcript, nil}, {nil, o.Certificate}} {
		b := append(append([]byte(nil), what.transcript...), what.certificate...)
		for i := 0; i < len(b); i += step {
			b[i] ^= 4
			var err error
			if what.transcript != nil {
				_, err = Verify(p, nil, b, o.Certificate)
			} else {
				_, err = Verify(p, nil, o.Transcript, b)
			}
			require.Error(t, err, "byte %d", i)
			b[i] ^= 4
		}
	}
	// Nor can parts be left out, or taken from another ceremony.
	_, err := Verify(p, nil, o.Transcript, o.Certificate[:len(o.Certificate)-1])
	require.Error(t, err)
	_, err = Verify(generateParams(t, 2, 2, 1), nil, o.Transcript, o.Certificate)
	require.ErrorIs(t, err, errTranscript)
	read, err := ReadParams(o.Transcript)
	require.NoError(t, err)
	require.Equal(t, p.Session(), read.Session())

	c := w.nodes[11].config
	c.Decrypter = identity(t, 1)
	_, _, err = Recover(c, o.Transcript, o.Certificate)
	require.ErrorContains(t, err, "not the key that the params have")
	c.Decrypter = nil
	_, _, err = Recover(c, o.Transcript, o.Certificate)
	require.ErrorContains(t, err, "decrypter is missing")
	c.ID = 99
	_, _, err = Recover(c, o.Transcript, o.Certificate)
	require.ErrorContains(t, err, "receives no shares")
}

// Without a sealed seed, shares come back from the form in which they were published.
func TestRecoverWithoutSeed(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 2), 1)
	for _, n := range w.nodes {
		n.config.Decrypter = nil
	}
	w.run()
	o := w.requireSuccess()
	for i, id := range w.order {
		w.nodes[id].config.Decrypter = identity(t, i)
		w.requireRecovers(id, o)
	}
}
