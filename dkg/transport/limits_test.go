package transport_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
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

// Many small messages come in more than one answer, and the next one is asked for only when
// the party has taken the one before.
func TestManyMessages(t *testing.T) {
	relay, party := certificate(t), certificate(t)
	m := transport.NewMailbox(nil)
	p := params(t)
	for i := range uint16(3000) {
		require.NoError(t, m.Add(p.Session(), binary.BigEndian.AppendUint16(nil, i)))
	}
	var asked atomic.Int32
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); m.ServeHTTP(w, r) })
	c := client(t, p, transport.ClientTLS(party, pool(relay)), []string{serve(t, counting, relay, pool(party))}, nil)
	taken := int32(0)
	for next := uint16(0); next < 3000; {
		messages, err := c.Receive(t.Context())
		require.NoError(t, err)
		taken++
		require.LessOrEqual(t, asked.Load(), taken+1)
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
