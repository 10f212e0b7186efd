package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
)

var keys = sync.OnceValue(func() (list []*rsa.PrivateKey) {
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list = append(list, k)
	}
	return list
})

func params(t *testing.T) *dkg.Params {
	p := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: 2, Threshold: 3}
	_, _ = rand.Read(p.Nonce[:])
	for i, k := range keys() {
		p.Operators = append(p.Operators, dkg.Operator{Operator: keyshare.Operator{ID: keyshare.Index(i + 1), PublicKey: &k.PublicKey}, Scheme: dkg.PSS})
	}
	return p
}

// keep is a custody in memory.
func keep(_ context.Context, _ string, s *keyshare.Share) (keyshare.Key, error) {
	var k *keyshare.SecretKey
	err := s.Use(func(b []byte) (err error) { k, err = keyshare.ParseSecretKey(b); return err })
	return k, err
}

// ceremony runs all parties to the end.
func ceremony(t *testing.T, p *dkg.Params, end func(i int) dkg.Transport) []*dkg.Result {
	results := make([]*dkg.Result, 4)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		e := end(i)
		all.Go(func() { results[i], errs[i] = dkg.Run(t.Context(), c, j, keep, e, nil) })
	}
	all.Wait()
	for i := range errs {
		require.NoError(t, errs[i], "party %d", i+1)
		require.Equal(t, results[0].Lineages[0].Hash(), results[i].Lineages[0].Hash())
		require.Empty(t, results[i].Unacknowledged)
		require.Len(t, results[i].Keys, 2)
	}
	return results
}

func TestMemory(t *testing.T) {
	net := transport.NewMemory(7)
	ceremony(t, params(t), func(int) dkg.Transport { return net.Join() })
}

// The order of delivery is the seed's.
func TestMemoryOrder(t *testing.T) {
	order := func(seed uint64) (got []byte) {
		net := transport.NewMemory(seed)
		a, b := net.Join(), net.Join()
		for i := range 20 {
			require.NoError(t, a.Send(t.Context(), []byte{byte(i)}))
		}
		for range 20 {
			m, err := b.Receive(t.Context())
			require.NoError(t, err)
			got = append(got, m[0]...)
		}
		return got
	}
	require.Equal(t, order(1), order(1))
	require.NotEqual(t, order(1), order(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	end := transport.NewMemory(1).Join()
	require.ErrorIs(t, end.Send(ctx, nil), context.Canceled)
	_, err := end.Receive(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

func pool(list ...tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range list {
		p.AddCert(c.Leaf)
	}
	return p
}

// server serves a mailbox at an address that stays its own when it is stopped.
type server struct {
	t       *testing.T
	socket  *os.File
	address string
	config  *tls.Config
	running *http.Server
}

func newServer(t *testing.T, own tls.Certificate, clients *x509.CertPool) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	s := &server{t: t, socket: socket, address: "https://" + l.Addr().String(), config: transport.ServerTLS(own, clients)}
	t.Cleanup(func() { s.stop(); _ = socket.Close() })
	return s
}

// start serves a handler, and stop cuts all connections.
func (s *server) start(h http.Handler) {
	l, err := net.FileListener(s.socket)
	if !assert.NoError(s.t, err) {
		return
	}
	s.running = &http.Server{Handler: h, TLSConfig: s.config, ErrorLog: log.New(io.Discard, "", 0)}
	go s.running.ServeTLS(l, "", "")
}

func (s *server) stop() {
	if s.running != nil {
		_ = s.running.Close()
		s.running = nil
	}
}

// serve serves a handler to the end of the test and returns where.
func serve(t *testing.T, h http.Handler, own tls.Certificate, clients *x509.CertPool) string {
	s := newServer(t, own, clients)
	s.start(h)
	return s.address
}

func client(t *testing.T, p *dkg.Params, c *tls.Config, addresses []string, o *transport.ClientOptions) *transport.Client {
	cl, err := transport.NewClient(p.Session(), c, addresses, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cl.Close()) })
	return cl
}

func TestDirect(t *testing.T) {
	p := params(t)
	var certs []tls.Certificate
	for range 4 {
		certs = append(certs, certificate(t))
	}
	everybody := pool(certs...)
	boxes, addresses := make([]*transport.Mailbox, 4), make([]string, 4)
	for i := range boxes {
		boxes[i] = transport.NewMailbox(&transport.MailboxOptions{ReadOnly: true})
		addresses[i] = serve(t, boxes[i], certs[i], everybody)
	}
	ceremony(t, p, func(i int) dkg.Transport {
		var others []string
		for j, a := range addresses {
			if j != i {
				others = append(others, a)
			}
		}
		return client(t, p, transport.ClientTLS(certs[i], everybody), others, &transport.ClientOptions{Own: boxes[i]})
	})
}

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

// request is one of a client with a key, as the TLS server hands it over.
func request(method, path, key string, body io.Reader, length int64) *http.Request {
	r := httptest.NewRequest(method, path, body)
	r.ContentLength = length
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{RawSubjectPublicKeyInfo: []byte(key)}}}
	return r
}

// unread fails a test that reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("was read"); return 0, io.EOF }

// Each client has its own limits, in all sessions together, and what is above them is not
// even read.
func TestLimitsOfEachClient(t *testing.T) {
	m := transport.NewMailbox(&transport.MailboxOptions{Sessions: 2, Messages: 3, Bytes: 10, Wait: time.Millisecond})
	path := func(n byte) string { return "/v1/" + dkg.Session{n}.String() }
	do := func(r *http.Request) int {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w.Code
	}
	post := func(client string, session byte, body string) int {
		return do(request("POST", path(session), client, strings.NewReader(body), int64(len(body))))
	}
	require.Equal(t, http.StatusNoContent, post("a", 1, "12345678"))
	require.Equal(t, http.StatusTooManyRequests, do(request("POST", path(2), "a", unread{t}, 3)), "bytes, in another session")
	require.Equal(t, http.StatusNoContent, post("a", 2, "9"))
	require.Equal(t, http.StatusTooManyRequests, do(request("POST", path(3), "a", unread{t}, 0)), "sessions")
	require.Equal(t, http.StatusTooManyRequests, do(request("GET", path(3)+"?from=0", "a", nil, 0)))
	require.Equal(t, http.StatusNoContent, post("b", 3, "123"), "another client")
	require.Equal(t, http.StatusNoContent, post("b", 1, "456"), "in the session of the first")
	require.Equal(t, http.StatusNoContent, post("a", 3, "0"), "and the other way round")
	require.Equal(t, http.StatusTooManyRequests, do(request("POST", path(3), "a", unread{t}, 0)), "messages")
	require.NoError(t, m.Add(dkg.Session{9}, make([]byte, 100)), "this process")

	// A message that does not come whole, or is there already, takes nothing.
	for range 5 {
		require.Equal(t, http.StatusBadRequest, do(request("POST", path(1), "b", strings.NewReader("12"), 3)))
		require.Equal(t, http.StatusNoContent, post("b", 1, "456"))
	}
	// While one is being read it has its room.
	r, w := io.Pipe()
	answer := make(chan int)
	go func() { answer <- do(request("POST", path(1), "b", r, 4)) }()
	_, err := w.Write([]byte("78"))
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, do(request("POST", path(1), "b", unread{t}, 1)))
	require.NoError(t, w.Close())
	require.Equal(t, http.StatusBadRequest, <-answer)
	require.Equal(t, http.StatusNoContent, post("b", 1, "7890"))
}

// Sessions that nobody has used for long make room for others.
func TestIdleSessions(t *testing.T) {
	m := transport.NewMailbox(&transport.MailboxOptions{Sessions: 1, Messages: 1, Bytes: 10, Idle: time.Nanosecond})
	for n := range byte(5) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, request("POST", "/v1/"+dkg.Session{n}.String(), "a", strings.NewReader("1234567890"), 10))
		require.Equal(t, http.StatusNoContent, w.Code)
	}
}

func TestReadOnly(t *testing.T) {
	m := transport.NewMailbox(&transport.MailboxOptions{ReadOnly: true, Wait: time.Millisecond})
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request("POST", "/v1/"+dkg.Session{1}.String(), "a", unread{t}, 1))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET", w.Header().Get("Allow"))
	require.NoError(t, m.Add(dkg.Session{1}, []byte("x")))
	w = httptest.NewRecorder()
	m.ServeHTTP(w, request("GET", "/v1/"+dkg.Session{1}.String()+"?from=0", "a", nil, 0))
	require.Equal(t, []byte{0, 0, 0, 1, 'x'}, w.Body.Bytes())
}

// Many small messages come in more than one answer.
func TestManyMessages(t *testing.T) {
	relay, party := certificate(t), certificate(t)
	m := transport.NewMailbox(nil)
	p := params(t)
	for i := range uint16(3000) {
		require.NoError(t, m.Add(p.Session(), binary.BigEndian.AppendUint16(nil, i)))
	}
	c := client(t, p, transport.ClientTLS(party, pool(relay)), []string{serve(t, m, relay, pool(party))}, nil)
	for next := uint16(0); next < 3000; {
		messages, err := c.Receive(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(messages), 1024)
		for _, b := range messages {
			require.Equal(t, next, binary.BigEndian.Uint16(b))
			next++
		}
	}
}

func TestLimits(t *testing.T) {
	p := params(t)
	relay, party, stranger := certificate(t), certificate(t), certificate(t)
	m := transport.NewMailbox(&transport.MailboxOptions{Sessions: 1, Messages: 2, Bytes: 10, Wait: 10 * time.Millisecond})
	address := serve(t, m, relay, pool(party))
	url := address + "/v1/" + p.Session().String()
	web := func(c tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: transport.ClientTLS(c, pool(relay)), ForceAttemptHTTP2: true}}
	}
	do := func(method, url string, body []byte) int {
		r, err := http.NewRequest(method, url, bytes.NewReader(body))
		require.NoError(t, err)
		resp, err := web(party).Do(r)
		require.NoError(t, err)
		require.Equal(t, 2, resp.ProtoMajor)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	_, err := web(stranger).Get(url + "?from=0")
	require.Error(t, err, "a client without a certificate that is known")

	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("one")))
	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("one")), "the same again")
	require.Equal(t, http.StatusTooManyRequests, do("POST", url, []byte("too many bytes")))
	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("two")))
	require.Equal(t, http.StatusTooManyRequests, do("POST", url, []byte("3")))
	require.Equal(t, http.StatusTooManyRequests, do("POST", address+"/v1/"+params(t).Session().String(), []byte("x")), "a second session")
	require.Equal(t, http.StatusNotFound, do("GET", address+"/v1/xyz", nil))
	require.Equal(t, http.StatusBadRequest, do("GET", url+"?from=-1", nil))
	require.Equal(t, http.StatusMethodNotAllowed, do("PUT", url, nil))
	require.Equal(t, http.StatusOK, do("GET", url+"?from=7", nil), "nothing to read")

	r, err := http.NewRequest("POST", url, http.NoBody)
	require.NoError(t, err)
	r.ContentLength = dkg.MaxMessage + 1
	r.Body = http.MaxBytesReader(nil, http.NoBody, 1)
	if resp, err := web(party).Do(r); err == nil {
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
	_, err = transport.NewClient(p.Session(), nil, nil, nil)
	require.EqualError(t, err, "transport: no addresses")
	_, err = transport.NewClient(p.Session(), nil, []string{"http://x"}, nil)
	require.EqualError(t, err, `transport: address "http://x", expected https://host:port`)
}

// Run gives up when its context ends, and says whom it waits for.
func TestRunTimesOut(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	var waiting, all sync.WaitGroup
	waiting.Add(3)
	for i, k := range keys()[:3] {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		var once sync.Once
		o := &dkg.RunOptions{Progress: func(p dkg.Progress) {
			if slices.Equal(p.Missing, []keyshare.Index{4}) {
				once.Do(waiting.Done)
			}
		}}
		all.Go(func() {
			_, err := dkg.Run(ctx, dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k}, j, keep, end, o)
			var late *dkg.TimeoutError
			if assert.ErrorAs(t, err, &late) {
				assert.Equal(t, dkg.RoundHello, late.Round)
				assert.Equal(t, []keyshare.Index{4}, late.Silent)
				assert.ErrorIs(t, err, context.Canceled)
				assert.ErrorIs(t, err, enough)
			}
		})
	}
	waiting.Wait() // until all three lack only the fourth
	cancel(enough)
	all.Wait()
}

// It also gives up when the Params expire.
func TestRunExpires(t *testing.T) {
	p := params(t)
	j, err := dkg.OpenJournal(t.TempDir(), p.Session())
	require.NoError(t, err)
	identity := keys()[0]
	p.Expires = time.Now().Add(2 * time.Second)
	_, err = dkg.Run(t.Context(), dkg.Config{Params: p, ID: 1, Identity: identity}, j, keep, transport.NewMemory(1).Join(), nil)
	var late *dkg.TimeoutError
	require.ErrorAs(t, err, &late)
	require.Equal(t, []keyshare.Index{2, 3, 4}, late.Silent)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Run returns what a fault is, and what proves it.
func TestRunAborts(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	bad := func(_ int, k keyshare.PublicKey) ([]keyshare.Root, error) { return []keyshare.Root{{9}}, nil }
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		if i == 2 {
			c.Roots = bad // another configuration than the others'
		}
		all.Go(func() {
			_, err := dkg.Run(t.Context(), c, j, keep, end, nil)
			var abort *dkg.AbortError
			if assert.ErrorAs(t, err, &abort) {
				assert.Equal(t, dkg.CodeRoots, abort.Code)
				assert.True(t, abort.Confirmed)
				assert.Nil(t, abort.Evidence)
				if i != 2 {
					assert.Equal(t, []keyshare.Index{3}, abort.Faulty)
				}
			}
		})
	}
	all.Wait()
	_, err := dkg.Run(t.Context(), dkg.Config{}, nil, nil, nil, nil)
	require.EqualError(t, err, "dkg: params are missing")
}
