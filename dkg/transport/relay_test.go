package transport_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
)

// dying is a relay that dies at a POST, after it took the message and before or after it
// has answered.
type dying struct {
	*transport.Mailbox
	left   atomic.Int32
	answer bool
	die    func()
}

func (d *dying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		d.Mailbox.ServeHTTP(w, r)
		return
	}
	last := d.left.Add(-1) == 0
	if last && !d.answer {
		d.Mailbox.ServeHTTP(httptest.NewRecorder(), r)
		d.die()
		panic(http.ErrAbortHandler)
	}
	d.Mailbox.ServeHTTP(w, r)
	if last {
		go d.die()
	}
}

// A relay that dies at any message and comes back with nothing does not matter.
func TestRelayForgets(t *testing.T) {
	for at := int32(1); at <= 16; at += 5 {
		for _, answer := range []bool{true, false} {
			relay, party := certificate(t), certificate(t)
			s := newServer(t, relay, pool(party))
			d := &dying{Mailbox: transport.NewMailbox(nil), answer: answer}
			d.left.Store(at)
			died := make(chan struct{})
			d.die = func() {
				s.stop()
				s.start(transport.NewMailbox(nil))
				close(died)
			}
			s.start(d)
			p := params(t)
			ceremony(t, p, func(i int) dkg.Transport {
				return client(t, p, transport.ClientTLS(party, pool(relay)), []string{s.address}, nil)
			})
			<-died
			s.stop()
		}
	}
}

// What a relay took is posted again to the next one, also if the client had heard of the
// first only that.
func TestRelayForgetsBeforeItIsRead(t *testing.T) {
	relay, party := certificate(t), certificate(t)
	s := newServer(t, relay, pool(party))
	first := transport.NewMailbox(nil)
	s.start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-r.Context().Done()
			return
		}
		first.ServeHTTP(w, r)
	}))
	p := params(t)
	config := transport.ClientTLS(party, pool(relay))
	a := client(t, p, config, []string{s.address}, nil)
	require.NoError(t, a.Send(t.Context(), []byte("one")))
	require.NoError(t, a.Send(t.Context(), []byte("two")))
	s.stop()
	s.start(transport.NewMailbox(nil))
	b := client(t, p, config, []string{s.address}, nil)
	got := map[string]bool{}
	for len(got) < 2 {
		messages, err := b.Receive(t.Context())
		require.NoError(t, err)
		for _, m := range messages {
			got[string(m)] = true
		}
	}
	require.Equal(t, map[string]bool{"one": true, "two": true}, got)
}

// Of two relays one may be away, or take nothing, the whole time.
func TestOneRelayOfTwo(t *testing.T) {
	relay, party := certificate(t), certificate(t)
	address := serve(t, transport.NewMailbox(nil), relay, pool(party))
	full := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTooManyRequests) }), relay, pool(party))
	away := newServer(t, relay, pool(party)).address
	p := params(t)
	ceremony(t, p, func(i int) dkg.Transport {
		return client(t, p, transport.ClientTLS(party, pool(relay)), []string{full, address, away}, nil)
	})

	// Who waits in vain is told why.
	c := client(t, p, transport.ClientTLS(party, pool(relay)), []string{full}, nil)
	for _, call := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return c.Send(ctx, []byte("x")) },
		func(ctx context.Context) error { _, err := c.Receive(ctx); return err },
	} {
		for told := false; !told; { // once it has asked
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := call(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			told = strings.Contains(err.Error(), "429 Too Many Requests")
		}
	}
}

// A relay that answers nonsense, or the same again and again, is neither believed nor asked
// without a pause.
func TestHostileRelay(t *testing.T) {
	frame := func(size uint32, b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, size), b...) }
	one := frame(1, []byte{7})
	for name, c := range map[string]struct {
		epoch, next string
		body        []byte
		want        string
	}{
		"no epoch":                 {"", "1", one, "has no epoch"},
		"a long epoch":             {strings.Repeat("e", 33), "1", one, "has no epoch"},
		"no number":                {"e", "", one, "number does not fit"},
		"a number that stays":      {"e", "0", one, "number does not fit"},
		"a number that runs ahead": {"e", "9", one, "number does not fit"},
		"a negative number":        {"e", "-1", nil, "number does not fit"},
		"cut off":                  {"e", "1", one[:4], "was cut off"},
		"a long message":           {"e", "1", frame(dkg.MaxMessage+1, nil), "message of 16777217 bytes, expected at most 16777216"},
		"many messages":            {"e", "2000", make([]byte, 4*2000), "more than 1024 messages"},
	} {
		t.Run(name, func(t *testing.T) {
			relay, party := certificate(t), certificate(t)
			address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Dkg-Epoch", c.epoch)
				w.Header().Set("Dkg-Next", c.next)
				_, _ = w.Write(c.body)
			}), relay, pool(party))
			cl := client(t, params(t), transport.ClientTLS(party, pool(relay)), []string{address}, nil)
			for { // until it has asked
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				messages, err := cl.Receive(ctx)
				cancel()
				require.Empty(t, messages)
				require.Error(t, err)
				if strings.Contains(err.Error(), "transport:") {
					require.ErrorContains(t, err, c.want)
					return
				}
			}
		})
	}
	t.Run("a new epoch each time", func(t *testing.T) {
		relay, party := certificate(t), certificate(t)
		var posted atomic.Int32
		begin := time.Now()
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				<-r.Context().Done()
				return
			}
			w.Header().Set("Dkg-Epoch", fmt.Sprint(posted.Add(1)))
			w.WriteHeader(http.StatusNoContent)
		}), relay, pool(party))
		cl := client(t, params(t), transport.ClientTLS(party, pool(relay)), []string{address}, nil)
		require.NoError(t, cl.Send(t.Context(), []byte("one")))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, cl.Send(ctx, []byte("two")), context.DeadlineExceeded)
		require.LessOrEqual(t, time.Duration(posted.Load()/2-1)*100*time.Millisecond, time.Since(begin))
	})
	t.Run("empty answers", func(t *testing.T) {
		relay, party := certificate(t), certificate(t)
		var asked atomic.Int32
		begin := time.Now()
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Dkg-Epoch", fmt.Sprint(asked.Add(1)))
			w.Header().Set("Dkg-Next", "0")
		}), relay, pool(party))
		cl := client(t, params(t), transport.ClientTLS(party, pool(relay)), []string{address}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := cl.Receive(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Duration(asked.Load()-1)*100*time.Millisecond, time.Since(begin))
	})
}
