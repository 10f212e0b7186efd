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
// defaults.
type MailboxOptions struct {
	Sessions int           // sessions at a time; 0 means 64
	Messages int           // messages of one client in one session; 0 means 1024
	Bytes    int           // bytes of one client in one session; 0 means 256 MiB
	Idle     time.Duration // a session that nobody used for so long makes room for another; 0 means a day
	Wait     time.Duration // how long a request waits for messages; 0 means 20 seconds
}

// Mailbox is an http.Handler that keeps the messages of sessions in memory. Serve it
// with [ServerTLS]: who may connect may post. It is safe for concurrent use.
//
//	POST /v1/<session>                      adds the body as a message
//	GET  /v1/<session>?from=<n>&epoch=<e>   returns the messages from number n on, and waits if there is none
//
// The answer to GET is u32 length ‖ message for each, with the number of the next in the
// header Dkg-Next and a name of the session's memory in Dkg-Epoch. A client that asks
// with the epoch of an earlier answer, which is not the present one, gets no messages
// and the number 0: the mailbox has lost what it had.
type Mailbox struct {
	o    MailboxOptions
	mu   sync.Mutex
	open map[dkg.Session]*box
}

// box is one session.
type box struct {
	epoch    string
	messages [][]byte
	seen     map[[32]byte]bool
	used     map[string]usage // by client
	last     time.Time
	more     chan struct{} // closed when a message comes
}

type usage struct{ messages, bytes int }

// NewMailbox returns an empty Mailbox. o may be nil.
func NewMailbox(o *MailboxOptions) *Mailbox {
	m := &Mailbox{open: map[dkg.Session]*box{}}
	if o != nil {
		m.o = *o
	}
	m.o.Sessions = orElse(m.o.Sessions, 64)
	m.o.Messages = orElse(m.o.Messages, 1024)
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
var errFull = errors.New("transport: the mailbox takes no more")

// Add adds a message of this process. A message that is there already is not added
// again.
func (m *Mailbox) Add(session dkg.Session, message []byte) error {
	return m.add(session, "", message)
}

// get returns a session's box, which it makes if there is room. The lock is held.
func (m *Mailbox) get(session dkg.Session) (*box, error) {
	if b := m.open[session]; b != nil {
		b.last = time.Now()
		return b, nil
	}
	if len(m.open) >= m.o.Sessions {
		for s, b := range m.open {
			if time.Since(b.last) > m.o.Idle {
				delete(m.open, s)
			}
		}
		if len(m.open) >= m.o.Sessions {
			return nil, errFull
		}
	}
	var epoch [8]byte
	_, _ = rand.Read(epoch[:])
	b := &box{epoch: hex.EncodeToString(epoch[:]), seen: map[[32]byte]bool{}, used: map[string]usage{}, last: time.Now(), more: make(chan struct{})}
	m.open[session] = b
	return b, nil
}

func (m *Mailbox) add(session dkg.Session, client string, message []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.get(session)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(message)
	if b.seen[sum] {
		return nil
	}
	u := b.used[client]
	u.messages, u.bytes = u.messages+1, u.bytes+len(message)
	if u.messages > m.o.Messages || u.bytes > m.o.Bytes {
		return errFull
	}
	b.used[client], b.seen[sum] = u, true
	b.messages = append(b.messages, bytes.Clone(message))
	close(b.more)
	b.more = make(chan struct{})
	return nil
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
	switch r.Method {
	case http.MethodPost:
		m.post(w, r, session, client)
	case http.MethodGet:
		m.read(w, r, session)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "expected GET or POST", http.StatusMethodNotAllowed)
	}
}

func (m *Mailbox) post(w http.ResponseWriter, r *http.Request, session dkg.Session, client string) {
	if r.ContentLength < 0 || r.ContentLength > dkg.MaxMessage {
		http.Error(w, fmt.Sprintf("a message has a Content-Length of at most %d", dkg.MaxMessage), http.StatusRequestEntityTooLarge)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, r.ContentLength))
	if err != nil || int64(len(body)) != r.ContentLength {
		http.Error(w, "the message was cut off", http.StatusBadRequest)
		return
	}
	if err := m.add(session, client, body); err != nil {
		http.Error(w, err.Error(), http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (m *Mailbox) read(w http.ResponseWriter, r *http.Request, session dkg.Session) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 31)
	if err != nil {
		http.Error(w, "from: expected a number", http.StatusBadRequest)
		return
	}
	wait := time.NewTimer(m.o.Wait)
	defer wait.Stop()
	for {
		epoch, messages, more, err := m.after(session, int(from))
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

// answerBytes is about how much one answer to GET holds at most, if it holds more than one
// message.
const answerBytes = 4 << 20

// after returns messages from a number on, and what is closed when there are more.
func (m *Mailbox) after(session dkg.Session, from int) (epoch string, messages [][]byte, more <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.get(session)
	if err != nil {
		return "", nil, nil, err
	}
	size := 0
	for i := from; i < len(b.messages) && (size == 0 || size+len(b.messages[i]) <= answerBytes); i++ {
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
