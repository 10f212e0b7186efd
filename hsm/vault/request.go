package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/claystack/dvkeys/hsm"
)

// request is one thing to ask of Vault.
type request struct {
	doing  string // for errors
	method string // of HTTP, or LIST
	path   string // below /v1/
	params url.Values
	body   any    // encoded as JSON; nil for none
	raw    []byte // the body as it is, instead; not kept
	token  string // instead of the session's

	sent func() // called before each attempt, unless nil

	// once forbids to send it again when it is not known whether the first one was carried out.
	once bool

	// read takes the body of an answer that is a success. Nil reads nothing.
	read func(io.Reader) error
}

// into decodes the "data" of an answer into v. An answer without data leaves v alone.
func into(v any) func(io.Reader) error {
	return func(r io.Reader) error {
		answer := struct {
			Data any `json:"data"`
		}{v}
		err := json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(&answer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 32 << 20

// never is the retry policy of the HTTP client, whose own knows neither our deadlines nor what is safe to repeat.
func never(context.Context, *http.Response, error) (bool, error) { return false, nil }

// send makes one attempt.
func send(ctx context.Context, client *api.Client, r *request) error {
	if r.sent != nil {
		r.sent()
	}
	method := r.method
	if method == "LIST" {
		method = http.MethodGet // some proxies know no other
	}
	req := client.NewRequest(method, "/v1/"+r.path)
	for key, values := range r.params {
		req.Params[key] = values
	}
	if r.method == "LIST" {
		req.Params.Set("list", "true")
	}
	if r.token != "" {
		req.ClientToken = r.token
	}
	req.BodyBytes = r.raw
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("vault: %s: %w", r.doing, err)
		}
		req.BodyBytes = b
	}
	for redirected := false; ; redirected = true {
		//lint:ignore SA1019 the ways that remain read every answer into strings, where secrets must not be
		resp, err := client.RawRequestWithContext(ctx, req)
		if err != nil {
			drain(resp)
			return failure(ctx, r.doing, err)
		}
		if resp.StatusCode/100 != 3 {
			defer drain(resp)
			return receive(ctx, r, resp)
		}
		// A standby that does not forward names the active node.
		to, err := resp.Location()
		drain(resp)
		if err != nil || redirected || to.Scheme != req.URL.Scheme || to.Scheme == "http" && !isLoopback(to.Hostname()) {
			return &Error{Doing: r.doing, Status: resp.StatusCode, Fault: "a redirection that leads nowhere", Remedy: "set Address to the active node", is: hsm.ErrUnavailable}
		}
		req.URL = to
		req.Host = to.Host
	}
}

func receive(ctx context.Context, r *request, resp *api.Response) error {
	if r.read == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := r.read(resp.Body); err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			return err
		}
		return &Error{Doing: r.doing, Fault: "an answer that was cut short or is not Vault's", is: hsm.ErrUnavailable, cause: ctx.Err()}
	}
	return nil
}

// drain lets the connection be used again.
func drain(resp *api.Response) {
	if resp != nil && resp.Body != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 4096)
		_ = resp.Body.Close()
	}
}

// The waits between attempts double from the first to the longest, each less a random part of up to a half.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// persist calls attempt until it succeeds, fails for good, or patience or ctx end. With once it also ends when it is not
// known whether the attempt was carried out.
func persist(ctx context.Context, patience time.Duration, once bool, attempt func() error) error {
	start := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := attempt()
		if err == nil || !passing(err, once) {
			return err
		}
		pause := wait - jitter(wait/2)
		if ctx.Err() == nil && time.Since(start)+pause > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if !errors.Is(err, ctx.Err()) {
				err = errors.Join(err, fmt.Errorf("vault: %w", ctx.Err()))
			}
			return err
		}
	}
}

// passing reports whether an error is one that may pass by itself.
func passing(err error, once bool) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && errors.Is(e.is, hsm.ErrUnavailable) && e.Status != http.StatusNotFound && (!once || e.undone)
}

// jitter returns a random time below d, so that clients that failed together do not come back together.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d))
}
