package transport

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/claystack/dvkeys/dkg"
)

// MailboxOptions limit what a Mailbox takes. The zero value, and nil, are the
// defaults. What a client is, its TLS key says; this process itself has no limits. A
// session counts, with its messages, until it has been idle and room is needed.
type MailboxOptions struct {
	Sessions int           // sessions at a time that one client has begun; 0 means 64
	Messages int           // messages of one client, in all sessions; 0 means 16384
	Bytes    int           // bytes of one client, in all sessions; 0 means 256 MiB
	Idle     time.Duration // a session that nobody used for so long makes room for another; 0 means a day
	Wait     time.Duration // how long a request waits for messages; 0 means 20 seconds
	ReadOnly bool          // clients can not post: all messages are this process's own
}

// Mailbox is an http.Handler that keeps the messages of sessions in memory. Serve it
// with [ServerTLS]: who may connect may post. It is safe for concurrent use.
//
//	POST /v1/<session>                      adds the body as a message
//	GET  /v1/<session>?from=<n>&epoch=<e>   returns the messages from number n on, and waits if there is none
//
// The answer to GET is u32 length ‖ message for each, with the number of the next in the
// header Dkg-Next. Dkg-Epoch in each answer names the session's memory: when it is another
// one than in an earlier answer, the mailbox has lost what it had. A client that asks with
// the epoch of that gets no messages and the number 0.
type Mailbox struct {
	o    MailboxOptions
	mu   sync.Mutex
	open map[dkg.Session]*box
	used map[string]usage // by client
}

// box is one session.
type box struct {
	epoch    string
	begun    string // the client that began it
	messages [][]byte
	seen     map[[32]byte]bool
	used     map[string]usage // by client: what it gives back when the box goes
	last     time.Time
	more     chan struct{} // closed when a message comes
}

// usage is what a client takes up.
type usage struct{ sessions, messages, bytes int }

func (u usage) plus(v usage) usage {
	return usage{u.sessions + v.sessions, u.messages + v.messages, u.bytes + v.bytes}
}

func (u usage) negative() usage { return usage{-u.sessions, -u.messages, -u.bytes} }

// NewMailbox returns an empty Mailbox. o may be nil.
func NewMailbox(o *MailboxOptions) *Mailbox {
	m := &Mailbox{open: map[dkg.Session]*box{}, used: map[string]usage{}}
	if o != nil {
		m.o = *o
	}
	m.o.Sessions = orElse(m.o.Sessions, 64)
	m.o.Messages = orElse(m.o.Messages, 16384)
	m.o.Bytes = orElse(m.o.Bytes, 256<<20)
	m.o.Idle = orElse(m.o.Idle, 24*time.Hour)
	m.o.Wait = orElse(m.o.Wait, 20*time.Second)
	return m
}

func orElse[T int | time.Duration](x, otherwise T) T {
	if x == 0 {
		return otherwise
	}
	return x
}

// errFull is returned when a limit is reached.
var errFull = errors.New("transport: the mailbox takes no more of this client")

// thisProcess is the client that has no limits.
const thisProcess = ""

// Add adds a message of this process. A message that is there already is not added
// again.
func (m *Mailbox) Add(session dkg.Session, message []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.get(session, thisProcess)
	if err == nil {
		b.add(bytes.Clone(message))
	}
	return err
}

// claim counts what a client is about to take up, if that is within its limits. The lock
// is held.
func (m *Mailbox) claim(client string, more usage) error {
	if client == thisProcess {
		return nil
	}
	for retried := false; ; retried = true {
		u := m.used[client].plus(more)
		if u.sessions <= m.o.Sessions && u.messages <= m.o.Messages && u.bytes <= m.o.Bytes {
			m.used[client] = u
			return nil
		}
		if retried {
			return errFull
		}
		m.expire()
	}
}

// release gives back what was claimed. The lock is held.
func (m *Mailbox) release(client string, u usage) {
	if client == thisProcess {
		return
	}
	left := m.used[client].plus(u.negative())
	if m.used[client] = left; left == (usage{}) {
		delete(m.used, client)
	}
}

// expire drops the sessions that nobody uses. The lock is held.
func (m *Mailbox) expire() {
	for s, b := range m.open {
		if time.Since(b.last) <= m.o.Idle {
			continue
		}
		delete(m.open, s)
		m.release(b.begun, usage{sessions: 1})
		for client, u := range b.used {
			m.release(client, u)
		}
	}
}

// get returns a session's box, which it makes if there is none and the client may. The
// lock is held.
func (m *Mailbox) get(session dkg.Session, client string) (*box, error) {
	b := m.open[session]
	if b == nil {
		if err := m.claim(client, usage{sessions: 1}); err != nil {
			return nil, err
		}
		var epoch [8]byte
		_, _ = rand.Read(epoch[:])
		b = &box{epoch: hex.EncodeToString(epoch[:]), begun: client, seen: map[[32]byte]bool{}, used: map[string]usage{}, more: make(chan struct{})}
		m.open[session] = b
	}
	b.last = time.Now()
	return b, nil
}

// add adds a message, and reports whether it is new. The lock is held.
func (b *box) add(message []byte) bool {
	sum := sha256.Sum256(message)
	if b.seen[sum] {
		return false
	}
	b.seen[sum] = true
	b.messages = append(b.messages, message)
	close(b.more)
	b.more = make(chan struct{})
	return true
}

// take adds a message of size bytes that read returns, for which it has made room before.
func (m *Mailbox) take(session dkg.Session, client string, size int, read func() ([]byte, error)) (epoch string, err error) {
	room := usage{messages: 1, bytes: size}
	m.mu.Lock()
	if _, err = m.get(session, client); err == nil {
		err = m.claim(client, room)
	}
	m.mu.Unlock()
	if err != nil {
		return "", err
	}
	message, err := read()
	m.mu.Lock()
	defer m.mu.Unlock()
	var b *box
	if err == nil {
		b, err = m.get(session, client) // it may have been dropped meanwhile
	}
	if err != nil || !b.add(message) {
		m.release(client, room)
	} else {
		b.used[client] = b.used[client].plus(room)
	}
	if err != nil {
		return "", err
	}
	return b.epoch, nil
}

// ServeHTTP implements http.Handler.
func (m *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		http.Error(w, "a TLS client certificate is needed", http.StatusForbidden)
		return
	}
	client := string(r.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
	var session dkg.Session
	path, ok := bytes.CutPrefix([]byte(r.URL.Path), []byte("/v1/"))
	if !ok || session.UnmarshalText(path) != nil {
		http.Error(w, "no such path: expected /v1/<session>", http.StatusNotFound)
		return
	}
	switch {
	case r.Method == http.MethodGet:
		m.read(w, r, session, client)
	case r.Method != http.MethodPost || m.o.ReadOnly:
		w.Header().Set("Allow", "GET, POST")
		if m.o.ReadOnly {
			w.Header().Set("Allow", "GET")
		}
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		m.post(w, r, session, client)
	}
}

// errCut is returned for a body that ends before its Content-Length.
var errCut = errors.New("the message was cut off")

func (m *Mailbox) post(w http.ResponseWriter, r *http.Request, session dkg.Session, client string) {
	if r.ContentLength < 0 || r.ContentLength > dkg.MaxMessage {
		http.Error(w, fmt.Sprintf("a message has a Content-Length of at most %d", dkg.MaxMessage), http.StatusRequestEntityTooLarge)
		return
	}
	epoch, err := m.take(session, client, int(r.ContentLength), func() ([]byte, error) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, r.ContentLength))
		if err != nil || int64(len(body)) != r.ContentLength {
			return nil, errCut
		}
		return body, nil
	})
	switch {
	case errors.Is(err, errCut):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusTooManyRequests)
	default:
		w.Header().Set("Dkg-Epoch", epoch)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (m *Mailbox) read(w http.ResponseWriter, r *http.Request, session dkg.Session, client string) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 31)
	if err != nil {
		http.Error(w, "from: expected a number", http.StatusBadRequest)
		return
	}
	wait := time.NewTimer(m.o.Wait)
	defer wait.Stop()
	for {
		epoch, messages, more, err := m.after(session, client, int(from))
		if err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		if known := r.URL.Query().Get("epoch"); known != "" && known != epoch {
			answer(w, epoch, 0, nil) // what the client has seen is gone: it starts from 0
			return
		}
		if len(messages) > 0 {
			answer(w, epoch, int(from)+len(messages), messages)
			return
		}
		select {
		case <-more:
		case <-wait.C:
			answer(w, epoch, int(from), nil)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// after returns messages from a number on, and what is closed when there are more.
func (m *Mailbox) after(session dkg.Session, client string, from int) (epoch string, messages [][]byte, more <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.get(session, client)
	if err != nil {
		return "", nil, nil, err
	}
	size := 0
	for i := from; i < len(b.messages) && (i == from || size+len(b.messages[i]) <= answerBytes) && len(messages) < answerMessages; i++ {
		messages = append(messages, b.messages[i])
		size += len(b.messages[i])
	}
	return b.epoch, messages, b.more, nil
}

func answer(w http.ResponseWriter, epoch string, next int, messages [][]byte) {
	w.Header().Set("Dkg-Epoch", epoch)
	w.Header().Set("Dkg-Next", strconv.Itoa(next))
	w.Header().Set("Content-Type", "application/octet-stream")
	for _, raw := range messages {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(raw)))
		if _, err := w.Write(n[:]); err != nil {
			return
		}
		if _, err := w.Write(raw); err != nil {
			return
		}
	}
}
