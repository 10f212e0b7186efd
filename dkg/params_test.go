package dkg

import (
	"crypto/rsa"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
)

func TestParamsRefusals(t *testing.T) {
	weak := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Rsh(identity(t, 0).N, 1024), E: 65537}}
	for _, c := range []struct {
		name   string
		change func(p *Params)
		want   string
	}{
		{"kind 0", func(p *Params) { p.Kind = 0 }, "kind 0, expected generate (1)"},
		{"kind 4", func(p *Params) { p.Kind = 4 }, "kind 4, expected generate (1)"},
		{"expired before it was created", func(p *Params) { p.Expires = p.Created }, "expected a later second"},
		{"expired in the same second", func(p *Params) { p.Expires = p.Created.Add(time.Second - 1) }, "expected a later second"},
		{"created after the last time there is", func(p *Params) { p.Created = time.Unix(math.MaxInt64, 0) }, "expected a later second"},
		{"created before 1970", func(p *Params) { p.Created = time.Unix(-1, 0) }, "expected a later second"},
		{"no keys", func(p *Params) { p.Keys = 0 }, "0 keys, expected 1 to 4096"},
		{"too many keys", func(p *Params) { p.Keys = MaxKeys + 1 }, "4097 keys, expected 1 to 4096"},
		{"threshold 0", func(p *Params) { p.Threshold = 0 }, "threshold 0 of 4 operators, expected 2 to 4"},
		{"threshold 1", func(p *Params) { p.Threshold = 1 }, "threshold 1 of 4 operators, expected 2 to 4"},
		{"threshold above n", func(p *Params) { p.Threshold = 5 }, "threshold 5 of 4 operators, expected 2 to 4"},
		{"no operators", func(p *Params) { p.Operators = nil }, "threshold 3 of 0 operators"},
		{"id 0", func(p *Params) { p.Operators[0].ID = 0 }, "id 0, whose share would be the whole key"},
		{"an id twice", func(p *Params) { p.Operators[1].ID = 11 }, "operator 11 stands after 11, expected ascending ids"},
		{"not ascending", func(p *Params) { slices.Reverse(p.Operators) }, "operator 33 stands after 44, expected ascending ids"},
		{"a key twice", func(p *Params) { p.Operators[1].PublicKey = p.Operators[0].PublicKey }, "operators 11 and 22 have the same key"},
		{"no RSA key", func(p *Params) { p.Operators[1].PublicKey = nil }, "operator 22 has no RSA key"},
		{"a weak RSA key", func(p *Params) { p.Operators[1].PublicKey = &weak.PublicKey }, "RSA key of 1024 bits, expected 2048"},
		{"an even modulus", func(p *Params) {
			n := new(big.Int).Sub(p.Operators[1].PublicKey.N, big.NewInt(1))
			p.Operators[1].PublicKey = &rsa.PublicKey{N: n, E: 65537}
		}, "RSA key with an even modulus"},
		{"another exponent", func(p *Params) {
			p.Operators[1].PublicKey = &rsa.PublicKey{N: p.Operators[1].PublicKey.N, E: 3}
		}, "RSA key with exponent 3, expected 65537"},
		{"scheme 0", func(p *Params) { p.Operators[2].Scheme = 0 }, "operator 33: signature scheme 0, expected 1 (PSS) or 2"},
		{"scheme 3", func(p *Params) { p.Operators[2].Scheme = 3 }, "operator 33: signature scheme 3"},
		{"generate with dealers", func(p *Params) { p.Dealers = p.Operators }, "generate with dealers or parents"},
		{"generate with parents", func(p *Params) { p.Parents = [][32]byte{{}} }, "generate with dealers or parents"},
		{"reshare without dealers", func(p *Params) { p.Kind = Reshare }, "reshare with 0 dealers"},
		{"reshare without parents", func(p *Params) { p.Kind, p.Dealers = Reshare, p.Operators }, "0 parents for 1 keys"},
		{"a parent twice", func(p *Params) {
			p.Kind, p.Dealers, p.Keys, p.Parents = Reshare, p.Operators, 2, make([][32]byte, 2)
		}, "parent 1 stands twice"},
		{"another key as dealer", func(p *Params) {
			p.Kind, p.Dealers, p.Parents = Reshare, slices.Clone(p.Operators), make([][32]byte, 1)
			p.Dealers[0].PublicKey = operator(t, 1, 9).PublicKey
		}, "operator 11 has one key as dealer and another as receiver"},
		{"a large context", func(p *Params) { p.Context = make([]byte, MaxContext+1) }, "context of 65537 bytes, expected at most 65536"},
		{"messages too large", func(p *Params) {
			p.Keys = MaxKeys
			for i := len(p.Operators); i < 100; i++ {
				o := operator(t, keyshare.Index(11*(i+1)), 0)
				o.PublicKey = &rsa.PublicKey{N: new(big.Int).Add(o.PublicKey.N, big.NewInt(int64(2*i))), E: 65537}
				p.Operators = append(p.Operators, o)
			}
			p.Threshold = 67
		}, "use smaller batches"},
		{"too many participants", func(p *Params) {
			for i := len(p.Operators); i < 129; i++ {
				o := operator(t, keyshare.Index(11*(i+1)), 0)
				o.PublicKey = &rsa.PublicKey{N: new(big.Int).Add(o.PublicKey.N, big.NewInt(int64(2*i))), E: 65537}
				p.Operators = append(p.Operators, o)
			}
		}, "129 participants, expected at most 128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := generateParams(t, 4, 3, 1)
			require.NoError(t, p.Check())
			c.change(p)
			require.ErrorContains(t, p.Check(), c.want)
			_, err := New(Config{Params: p, ID: 11, Identity: identity(t, 0)}, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// The largest Complaint, with two Deals of the largest size, is still a message.
func TestLargestComplaint(t *testing.T) {
	largest := func(body int) []byte { return make([]byte, body+messageOverhead) }
	hello := (&hello{wrap: make([]byte, keyshare.SealedSize)}).bytes()
	c := &complaint{hellos: make([][32]byte, MaxOperators), messages: [][]byte{largest(len(hello)), largest(maxBody), largest(len(hello)), largest(maxBody)}}
	require.LessOrEqual(t, len(c.bytes())+messageOverhead, MaxMessage)
	_, ok := parseComplaint(c.bytes())
	require.True(t, ok)
	p := generateParams(t, 4, 3, 2)
	s, err := newSession(p, nil)
	require.NoError(t, err)
	c.messages[1], c.messages[3] = largest(p.dealSize()+spare), largest(p.dealSize()+spare)
	require.LessOrEqual(t, len(c.bytes()), s.longest(RoundComplaint))
	require.Equal(t, messageOverhead+len(hello), 760)
}

func TestParamsEncoding(t *testing.T) {
	p := generateParams(t, 4, 3, 1)
	b := p.Bytes()
	back, err := ParseParams(b)
	require.NoError(t, err)
	require.Equal(t, b, back.Bytes())
	require.Equal(t, p.Session(), back.Session())
	for n := range b {
		_, err := ParseParams(b[:n])
		require.Error(t, err)
	}
	_, err = ParseParams(append(slices.Clone(b), 0))
	require.ErrorContains(t, err, "not an encoding of this version")
	newer := slices.Clone(b)
	newer[1] = 2
	_, err = ParseParams(newer)
	require.EqualError(t, err, "dkg: peer runs version 2 of the protocol, this is version 1")
	other := slices.Clone(b)
	other[4] = 9
	_, err = ParseParams(other)
	require.ErrorContains(t, err, "suite 9, expected 1")
	changed := generateParams(t, 4, 3, 1)
	require.NotEqual(t, p.Session(), changed.Session(), "another nonce")

	var s Session
	require.NoError(t, s.UnmarshalText([]byte(p.Session().String())))
	require.Equal(t, p.Session(), s)
	for _, text := range []string{"", "00", p.Session().String() + "0", "zz" + p.Session().String()[2:]} {
		require.Error(t, s.UnmarshalText([]byte(text)))
	}
}

func TestConfigRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"no params", func(c *Config) { c.Params = nil }, "params are missing"},
		{"no participant", func(c *Config) { c.ID = 12 }, "operator 12 is no participant"},
		{"no identity", func(c *Config) { c.Identity = nil }, "the identity is missing"},
		{"another's identity", func(c *Config) { c.Identity = identity(t, 1) }, "not the key that the params have for operator 11"},
		{"another's decrypter", func(c *Config) { c.Decrypter = identity(t, 1) }, "not the key that the params have for operator 11"},
		{"another threshold", func(c *Config) { c.AnyThreshold, c.Params.Threshold = false, 2 }, "threshold 2 of 4 operators, expected 3"},
		{"old shares", func(c *Config) { c.Old = make([]keyshare.Secret, 1) }, "does not deal them"},
		{"lineages", func(c *Config) { c.Lineages = make([]*Lineage, 1) }, "1 lineages for 0 parents"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := newNet(t, generateParams(t, 4, 3, 1), 1).nodes[11].config
			c.change(&config)
			_, err := New(config, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCheckKnown(t *testing.T) {
	p := generateParams(t, 4, 3, 1)
	register := func(id keyshare.Index) (*rsa.PublicKey, bool) {
		at, ok := position(p.Operators, id)
		if !ok {
			return nil, false
		}
		return p.Operators[at].PublicKey, true
	}
	require.NoError(t, p.CheckKnown(register))
	q := generateParams(t, 5, 4, 1)
	require.ErrorContains(t, q.CheckKnown(register), "operator 55 is not in the register")
	q = generateParams(t, 4, 3, 1)
	q.Operators[2].PublicKey = operator(t, 1, 8).PublicKey
	require.ErrorContains(t, q.CheckKnown(register), "operator 33 has another key in the register")
}

func TestDefaultThreshold(t *testing.T) {
	for n, want := range map[int]int{2: 2, 3: 3, 4: 3, 7: 5, 10: 7, 13: 9, 100: 67} {
		require.Equal(t, want, DefaultThreshold(n))
	}
}

// Damaged journals are found.
func TestJournals(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 1)
	w.run()
	n := w.nodes[11]
	_, err := New(n.config, append([][]byte{{1}}, n.journal...))
	require.ErrorContains(t, err, "dkg: journal:")
	p := n.party
	second, err := sign(RoundDeal, p.id, p.me, p.config.Identity, []byte("another"))
	require.NoError(t, err)
	_, err = New(n.config, append(slices.Clone(n.journal), second.raw))
	require.ErrorContains(t, err, "two Deals of this party")
	again, err := New(n.config, n.journal)
	require.NoError(t, err)
	out, err := again.Step()
	require.NoError(t, err)
	require.Len(t, out.Send, 4, "all that it had sent")
	require.Empty(t, out.Save)
	requireSame(t, p.Outcome(), again.Outcome())

	// Another process with the same identity is noticed.
	_, err = again.Step(second.raw)
	require.ErrorContains(t, err, "another process uses the identity of operator 11")
}

func TestFileJournal(t *testing.T) {
	dir := t.TempDir()
	s := Session{1}
	open := func() *FileJournal {
		j, err := OpenJournal(dir, s)
		require.NoError(t, err)
		return j
	}
	j := open()
	require.NoError(t, j.Append([][]byte{[]byte("one"), []byte("two")}))
	require.NoError(t, j.Append([][]byte{[]byte("three")}))
	require.NoError(t, j.Close())
	require.Error(t, j.Append([][]byte{[]byte("four")}))
	_, err := j.Messages()
	require.Error(t, err)

	want := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	j = open()
	got, err := j.Messages()
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = OpenJournal(dir, s)
	require.ErrorContains(t, err, "another process has it open")
	require.NoError(t, j.Close())

	path := filepath.Join(dir, s.String()+".dkg")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := 1; cut < 4+4+5+sumSize; cut++ { // cut off in the last message
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		j := open()
		got, err = j.Messages()
		require.NoError(t, err)
		require.Equal(t, want[:2], got)
		require.NoError(t, j.Append(want[2:]))
		require.NoError(t, j.Close())
		again, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole, again)
	}
	j = open()
	require.ErrorContains(t, j.Append([][]byte{make([]byte, MaxMessage+1)}), "expected at most 16777216")
	require.NoError(t, j.Close())
	for at := range whole { // whatever is damaged, nothing that was said is forgotten
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x40
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		_, err = OpenJournal(dir, s)
		require.ErrorContains(t, err, "is damaged", "byte %d", at)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, damaged, left)
	}
	require.NoError(t, os.WriteFile(path, append(slices.Clone(whole), make([]byte, 8)...), 0o600))
	_, err = OpenJournal(dir, s)
	require.ErrorContains(t, err, "the length at byte 59 is damaged")
}

// A ceremony does not start after it has expired.
func TestExpiry(t *testing.T) {
	p := generateParams(t, 3, 3, 1)
	p.Expires = p.Created.Add(time.Second)
	w := newNet(t, p, 1)
	j, err := OpenJournal(t.TempDir(), p.Session())
	require.NoError(t, err)
	_, err = Run(t.Context(), w.nodes[11].config, j, nil, nil, nil)
	require.ErrorContains(t, err, "expired")
	messages, err := j.Messages()
	require.NoError(t, err)
	require.Empty(t, messages)
}

// What is not a message of the session is ignored, and the reason says why.
func TestIgnored(t *testing.T) {
	w := newNet(t, generateParams(t, 3, 3, 1), 1)
	for _, id := range w.order {
		w.start(id)
	}
	good := w.nodes[22].party.own(RoundHello).raw
	changed := func(at int, b byte) []byte {
		raw := slices.Clone(good)
		raw[at] = b
		return raw
	}
	other := newNet(t, generateParams(t, 3, 3, 1), 1)
	other.start(11)
	larger := generateParams(t, 4, 3, 1)
	larger.Nonce = w.nodes[11].config.Params.Nonce
	stranger, err := sign(RoundHello, w.nodes[11].party.id, larger.Operators[3], identity(t, 3), nil)
	require.NoError(t, err)
	unsigned, err := parseMessage(good)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"nothing", nil, "not a message of this protocol"},
		{"a newer version", changed(1, 2), "peer runs version 2 of the protocol, this is version 1"},
		{"a newer version, cut off", []byte{0, 9}, "peer runs version 9 of the protocol, this is version 1"},
		{"no such round", changed(2, 0), "not a message of this protocol"},
		{"no such round either", changed(2, 6), "not a message of this protocol"},
		{"another session", other.nodes[11].party.own(RoundHello).raw, "message of session"},
		{"a stranger", stranger.raw, "operator 44, who takes no part"},
		{"another round than was signed", changed(2, 2), "Deal with a bad signature of operator 22"},
		{"another sender than signed", changed(42, 33), "Hello with a bad signature of operator 33"},
		{"another scheme than in the params", changed(43, byte(3-unsigned.scheme)), "Hello with a bad signature of operator 22"},
		{"longer than the round allows", func() []byte {
			m, err := sign(RoundHello, unsigned.session, w.nodes[22].party.me, identity(t, 1), make([]byte, spare+1))
			require.NoError(t, err)
			return m.raw
		}(), "Hello of 1025 bytes, expected at most 1024"},
		{"cut off", good[:len(good)-1], "not a message of this protocol"},
		{"more bytes", append(slices.Clone(good), 0), "not a message of this protocol"},
		{"too long", make([]byte, MaxMessage+1), "message of 16777217 bytes, expected at most 16777216"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := w.nodes[11].party
			out, err := p.Step(c.raw, c.raw)
			require.NoError(t, err)
			require.Len(t, out.Ignored, 2)
			require.ErrorContains(t, out.Ignored[0], c.want)
			require.Empty(t, out.Save)
			require.Empty(t, out.Send)
			require.Nil(t, p.Abort())
		})
	}
	late := w.nodes[11].party.Timeout(errCrash)
	require.Equal(t, &VersionError{Peer: 9}, late.Version)
	require.EqualError(t, late, "dkg: no Hello from operators [22 33] in time; a message came of version 9, this is version 1: crash")
	out, err := w.nodes[11].party.Step(good)
	require.NoError(t, err)
	require.Equal(t, [][]byte{good}, out.Save, "the good one has its slot still")
}
