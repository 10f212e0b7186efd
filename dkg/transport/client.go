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
	urls    []string
	own     *Mailbox

	arrived chan [][]byte
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu   sync.Mutex
	sent [][]byte // for a relay that forgets
}

// ClientOptions change what a Client does. The zero value, and nil, are the defaults.
type ClientOptions struct {
	// Own is set to talk to the others directly: the party's own Mailbox, to which
	// Send adds. The addresses are then those of the other parties' mailboxes.
	// Otherwise they are those of relays, to each of which Send posts.
	Own *Mailbox
}

// retry is how long a client waits after an error before it asks again.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// NewClient begins to read the session's messages from mailboxes at the given
// addresses, https://host:port each. The TLS configuration has the party's certificate
// and says which servers it believes (see [ClientTLS]). Close ends it.
//
// Whatever fails on the network is tried again until the context of the call ends, so
// that mailboxes may come later, or go and come back.
func NewClient(session dkg.Session, config *tls.Config, addresses []string, o *ClientOptions) (*Client, error) {
	if len(addresses) == 0 {
		return nil, errors.New("transport: no addresses")
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{
		session: session,
		http: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		arrived: make(chan [][]byte), stop: stop,
	}
	if o != nil {
		c.own = o.Own
	}
	for _, a := range addresses {
		if !strings.HasPrefix(a, "https://") {
			stop()
			return nil, fmt.Errorf("transport: address %q, expected https://host:port", a)
		}
		c.urls = append(c.urls, strings.TrimSuffix(a, "/")+"/v1/"+session.String())
	}
	for _, url := range c.urls {
		c.done.Go(func() { c.follow(ctx, url) })
	}
	return c, nil
}

// Close ends the reading.
func (c *Client) Close() error {
	c.stop()
	c.done.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// Send implements dkg.Transport. It returns when the party's own mailbox, or all relays,
// have the message.
func (c *Client) Send(ctx context.Context, message []byte) error {
	if c.own != nil {
		return c.own.Add(c.session, message)
	}
	c.mu.Lock()
	c.sent = append(c.sent, bytes.Clone(message))
	c.mu.Unlock()
	for _, url := range c.urls {
		if err := persist(ctx, func() error { return c.post(ctx, url, message) }); err != nil {
			return err
		}
	}
	return nil
}

// persist calls f until it succeeds or the context ends.
func persist(ctx context.Context, f func() error) error {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c *Client) post(ctx context.Context, url string, message []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(message))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("transport: post to %s: %s", url, resp.Status)
	}
	return nil
}

// Receive implements dkg.Transport.
func (c *Client) Receive(ctx context.Context) ([][]byte, error) {
	select {
	case messages := <-c.arrived:
		return messages, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// follow reads a mailbox. It asks for more when the party has taken what came.
func (c *Client) follow(ctx context.Context, url string) {
	epoch, next := "", 0
	for ctx.Err() == nil {
		var messages [][]byte
		lost := false
		if persist(ctx, func() error {
			now, at, got, err := c.get(ctx, url, epoch, next)
			if err != nil {
				return err
			}
			lost = epoch != "" && now != epoch
			epoch, next, messages = now, at, got
			return nil
		}) != nil {
			return
		}
		if lost {
			c.repost(ctx, url)
		}
		if len(messages) == 0 {
			continue
		}
		select {
		case c.arrived <- messages:
		case <-ctx.Done():
		}
	}
}

// repost gives a relay that has lost its memory what this party had sent.
func (c *Client) repost(ctx context.Context, url string) {
	if c.own != nil {
		return
	}
	c.mu.Lock()
	sent := append([][]byte(nil), c.sent...)
	c.mu.Unlock()
	for _, m := range sent {
		if persist(ctx, func() error { return c.post(ctx, url, m) }) != nil {
			return
		}
	}
}

// maxAnswer bounds what is read of one answer: one message, or several of together
// answerBytes, and their lengths.
const maxAnswer = dkg.MaxMessage + answerBytes

func (c *Client) get(ctx context.Context, url, epoch string, from int) (now string, next int, messages [][]byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?from=%d&epoch=%s", url, from, epoch), nil)
	if err != nil {
		return "", 0, nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", 0, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", 0, nil, fmt.Errorf("transport: get from %s: %s", url, resp.Status)
	}
	now = resp.Header.Get("Dkg-Epoch")
	if len(now) > 32 || strings.ContainsAny(now, "&#% ") {
		return "", 0, nil, errors.New("transport: the answer has no epoch")
	}
	if next, err = strconv.Atoi(resp.Header.Get("Dkg-Next")); err != nil || next < 0 {
		return "", 0, nil, errors.New("transport: the answer has no number")
	}
	messages, err = readFrames(io.LimitReader(resp.Body, maxAnswer))
	return now, next, messages, err
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
		var b bytes.Buffer
		if _, err := io.CopyN(&b, r, int64(size)); err != nil {
			return nil, err
		}
		out = append(out, b.Bytes())
	}
}
