package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/claystack/dvkeys/dkg"
)

// Client is a party's end of a session over HTTP/2. It implements dkg.Transport: Send may be
// called from one goroutine and Receive from another.
type Client struct {
	session dkg.Session
	http    *http.Client
	boxes   []*remote
	own     *Mailbox

	arrived chan [][]byte
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	sent    [][]byte      // all of it, for relays that forget
	changed chan struct{} // closed when sent or a remote's posted changes
}

// remote is a mailbox that a client reads from and, if it is a relay, posts to. The
// client's lock guards what changes.
type remote struct {
	url      string
	epoch    string // of its memory, as heard last
	posted   int    // how many of the client's messages this memory has
	unposted error  // why the last POST failed
	unread   error  // why the last GET did
}

// ClientOptions change what a Client does. The zero value, and nil, are the defaults.
type ClientOptions struct {
	// Own is set to talk to the others directly: the party's own Mailbox, to which
	// Send adds. The addresses are then those of the other parties' mailboxes.
	// Otherwise they are those of relays, to each of which Send posts.
	Own *Mailbox
}

const (
	// firstRetry is how long a client waits after an error before it asks again: twice as
	// long each time, up to lastRetry.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second

	// A connection on which nothing came for pingAfter is asked for a sign of life, and is
	// given up if none comes for as long.
	pingAfter = 15 * time.Second
)

// NewClient begins to read the session's messages from mailboxes at the given
// addresses, https://host:port each. The TLS configuration has the party's certificate
// and says which servers it believes (see [ClientTLS]). Close ends it.
//
// Whatever fails on the network is tried again until the context of the call ends, so
// that mailboxes may come later, or go and come back. Of several relays one suffices that
// can be reached.
func NewClient(session dkg.Session, config *tls.Config, addresses []string, o *ClientOptions) (*Client, error) {
	if len(addresses) == 0 {
		return nil, errors.New("transport: no addresses")
	}
	c := &Client{
		session: session,
		http: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
				HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		arrived: make(chan [][]byte), changed: make(chan struct{}),
	}
	if o != nil {
		c.own = o.Own
	}
	for _, a := range addresses {
		if !strings.HasPrefix(a, "https://") {
			return nil, fmt.Errorf("transport: address %q, expected https://host:port", a)
		}
		c.boxes = append(c.boxes, &remote{url: strings.TrimSuffix(a, "/") + "/v1/" + session.String()})
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for _, r := range c.boxes {
		c.done.Go(func() { c.follow(ctx, r) })
		if c.own == nil {
			c.done.Go(func() { c.feed(ctx, r) })
		}
	}
	return c, nil
}

// Close ends the reading, and what is still being posted.
func (c *Client) Close() error {
	c.stop()
	c.done.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// Send implements dkg.Transport. It returns when the party's own mailbox, or at least one
// relay, has the message; the other relays get it when they can be reached. Its error, when
// the context ends, tells what failed.
func (c *Client) Send(ctx context.Context, message []byte) error {
	if c.own != nil {
		return c.own.Add(c.session, message)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, bytes.Clone(message))
	mine := len(c.sent)
	c.wake()
	for {
		for _, r := range c.boxes {
			if r.posted >= mine {
				return nil
			}
		}
		if c.wait(ctx) != nil {
			return c.failed(ctx)
		}
	}
}

// wake tells who waits that something has changed. The lock is held.
func (c *Client) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns when something has changed, or the context has ended, with its error. The
// lock is held, but not meanwhile.
func (c *Client) wait(ctx context.Context) error {
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed returns the error of a context that has ended, with what kept failing till then.
// The lock is held.
func (c *Client) failed(ctx context.Context) error {
	var errs []error
	for _, r := range c.boxes {
		errs = append(errs, r.unposted, r.unread)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return ctx.Err()
}

// Receive implements dkg.Transport. Its error, when the context ends, tells what failed.
func (c *Client) Receive(ctx context.Context) ([][]byte, error) {
	select {
	case messages := <-c.arrived:
		return messages, nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, c.failed(ctx)
	}
}

// persist makes a request until it succeeds or the context ends, and keeps in fault why
// it fails.
func (c *Client) persist(ctx context.Context, fault *error, request func() error) error {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := request()
		c.mu.Lock()
		*fault = err
		c.mu.Unlock()
		if err == nil {
			return nil
		}
		if sleep(ctx, pause) != nil {
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heard takes note of the epoch of an answer. In a memory that is new, a relay has none of
// the client's messages. The lock is held.
func (c *Client) heard(r *remote, epoch string) {
	if epoch == r.epoch {
		return
	}
	if r.epoch != "" {
		r.posted = 0
		c.wake()
	}
	r.epoch = epoch
}

// epochOf returns the epoch that was heard last.
func (c *Client) epochOf(r *remote) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.epoch
}

// feed posts to a relay what the client has sent, in order, and all of it again when the
// relay has lost its memory.
func (c *Client) feed(ctx context.Context, r *remote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for r.posted == len(c.sent) {
			if c.wait(ctx) != nil {
				return
			}
		}
		at, message := r.posted, c.sent[r.posted]
		c.mu.Unlock()
		var epoch string
		err := c.persist(ctx, &r.unposted, func() (err error) { epoch, err = c.post(ctx, r.url, message); return err })
		c.mu.Lock()
		if err != nil {
			return
		}
		c.heard(r, epoch)
		if r.posted == at { // and was not set back meanwhile
			r.posted++
			c.wake()
			continue
		}
		c.mu.Unlock()
		_ = sleep(ctx, firstRetry) // not too often, to a relay that forgets all the time
		c.mu.Lock()
	}
}

func (c *Client) post(ctx context.Context, address string, message []byte) (epoch string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(message))
	if err != nil {
		return "", err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return "", fmt.Errorf("transport: post to %s: %s", address, resp.Status)
	}
	return epochIn(resp)
}

// epochIn returns the name that a mailbox gives its present memory of the session.
func epochIn(r *http.Response) (string, error) {
	epoch := r.Header.Get("Dkg-Epoch")
	if epoch == "" || len(epoch) > 32 {
		return "", errors.New("transport: the answer has no epoch")
	}
	return epoch, nil
}

// follow reads a mailbox. It asks for more when the party has taken what came.
func (c *Client) follow(ctx context.Context, r *remote) {
	epoch, next := "", 0
	for ctx.Err() == nil {
		var messages [][]byte
		asked := time.Now()
		if c.persist(ctx, &r.unread, func() (err error) {
			if epoch == "" {
				epoch = c.epochOf(r) // so that a memory newer than that is noticed at once
			}
			epoch, next, messages, err = c.get(ctx, r.url, epoch, next)
			return err
		}) != nil {
			return
		}
		c.mu.Lock()
		c.heard(r, epoch)
		c.mu.Unlock()
		if len(messages) == 0 {
			_ = sleep(ctx, firstRetry-time.Since(asked)) // not too often, of a mailbox that does not wait
			continue
		}
		select {
		case c.arrived <- messages:
		case <-ctx.Done():
		}
	}
}

// Limits of one answer: several messages of together about answerBytes and at most
// answerMessages of them, or one of any length; and their lengths.
const (
	answerBytes    = 4 << 20
	answerMessages = 1024
	maxAnswer      = dkg.MaxMessage + answerBytes
)

// get asks for the messages from a number on. It returns epoch and number unchanged if it
// fails.
func (c *Client) get(ctx context.Context, address, epoch string, from int) (string, int, [][]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?from=%d&epoch=%s", address, from, url.QueryEscape(epoch)), nil)
	if err != nil {
		return epoch, from, nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return epoch, from, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return epoch, from, nil, fmt.Errorf("transport: get from %s: %s", address, resp.Status)
	}
	now, err := epochIn(resp)
	if err != nil {
		return epoch, from, nil, err
	}
	messages, err := readFrames(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return epoch, from, nil, err
	}
	switch next, err := strconv.Atoi(resp.Header.Get("Dkg-Next")); {
	case err == nil && next == from+len(messages) && (epoch == "" || epoch == now):
		return now, next, messages, nil
	case err == nil && next == 0 && len(messages) == 0 && epoch != now: // it has forgotten
		return now, 0, nil, nil
	}
	return epoch, from, nil, errors.New("transport: the answer's number does not fit")
}

// readFrames reads u32 length ‖ message until the end. It allocates for a message no more
// than has come of it.
func readFrames(r io.Reader) ([][]byte, error) {
	var out [][]byte
	for {
		var n [4]byte
		switch _, err := io.ReadFull(r, n[:]); {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		}
		size := binary.BigEndian.Uint32(n[:])
		if size > dkg.MaxMessage {
			return nil, fmt.Errorf("transport: message of %d bytes, expected at most %d", size, dkg.MaxMessage)
		}
		if len(out) == answerMessages {
			return nil, fmt.Errorf("transport: more than %d messages in one answer", answerMessages)
		}
		var b bytes.Buffer
		if _, err := io.CopyN(&b, r, int64(size)); err != nil {
			return nil, fmt.Errorf("transport: message of %d bytes was cut off: %w", size, err)
		}
		out = append(out, b.Bytes())
	}
}
