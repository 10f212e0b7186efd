package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/claystack/dvkeys/hsm"
)

// session is a connection to a server with a token that is kept alive: renewed at two thirds of its life, replaced by a
// new login when it can be renewed no further, and replaced at once when a request finds it refused.
type session struct {
	config Config
	client *api.Client
	pool   *http.Transport

	mu    sync.Mutex
	token *token
	born  time.Time     // when the token was given or last renewed
	life  time.Duration // from then on; 0 if it is not known

	entering chan struct{} // holds a place while nobody logs in

	ended context.Context // until close
	end   context.CancelFunc
	alive sync.WaitGroup
}

// openSession checks the configuration and logs in.
func openSession(ctx context.Context, c Config) (*session, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	client, pool, err := c.client()
	if err != nil {
		return nil, err
	}
	return startSession(ctx, c, client, pool)
}

// startSession logs in.
func startSession(ctx context.Context, c Config, client *api.Client, pool *http.Transport) (*session, error) {
	s := &session{config: c, client: client, pool: pool, entering: make(chan struct{}, 1)}
	s.entering <- struct{}{}
	s.ended, s.end = context.WithCancel(context.Background())
	if _, err := s.enter(ctx, nil); err != nil {
		s.end()
		return nil, err
	}
	s.alive.Go(s.keep)
	return s, nil
}

// close ends all requests and forgets the token. A token that this session got by a login is revoked, if its policy and
// the server allow, within a second.
func (s *session) close() {
	s.end()
	s.alive.Wait()
	s.mu.Lock()
	t := s.token
	s.token = nil
	s.mu.Unlock()
	if t != nil && !t.borrowed {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = send(ctx, s.client, &request{doing: "logging out", method: http.MethodPut, path: "auth/token/revoke-self", token: t.value}) // it expires anyway
	}
	s.pool.CloseIdleConnections()
}

// do sends a request with the session's token, again while it is safe and what is wrong may pass.
func (s *session) do(ctx context.Context, r *request) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err := persist(ctx, s.config.Patience, r.once, func() error {
		s.mu.Lock()
		t := s.token
		s.mu.Unlock()
		for entered := false; ; entered = true {
			if t == nil {
				return closed()
			}
			try := *r
			try.token = t.value
			err := send(ctx, s.client, &try)
			if entered || !errors.Is(err, hsm.ErrAuth) {
				return err
			}
			if t, err = s.enter(ctx, t); err != nil {
				return err
			}
		}
	})
	return s.explain(err)
}

// plain sends a request that brings its own token, or needs none.
func (s *session) plain(ctx context.Context, r *request) error {
	return persist(ctx, s.config.Patience, r.once, func() error { return send(ctx, s.client, r) })
}

// bound ends with ctx or when the session is closed.
func (s *session) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ended, cancel)
	return ctx, func() { stop(); cancel() }
}

// explain says that the session is closed, if that is why a request failed.
func (s *session) explain(err error) error {
	if err != nil && s.ended.Err() != nil {
		return closed()
	}
	return err
}

// usable says why there is nothing to be asked, if so.
func (s *session) usable(ctx context.Context) error {
	if s.ended.Err() != nil {
		return closed()
	}
	return ctx.Err()
}

// enter logs in anew unless somebody else did so since the token was seen, and returns the token in force.
func (s *session) enter(ctx context.Context, seen *token) (*token, error) {
	select {
	case <-s.entering:
		defer func() { s.entering <- struct{}{} }()
	case <-ctx.Done():
		return nil, failure(ctx, "logging in", ctx.Err())
	}
	s.mu.Lock()
	now := s.token
	s.mu.Unlock()
	if now != seen {
		return now, nil
	}
	next, err := s.config.Auth.login(ctx, s)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Err() != nil {
		return nil, closed()
	}
	s.token, s.born, s.life = next, time.Now(), next.ttl
	return next, nil
}

// auth is the part of an answer that has a token.
type auth struct {
	Auth *struct {
		Token     string `json:"client_token"`
		Seconds   int64  `json:"lease_duration"`
		Renewable bool   `json:"renewable"`
	} `json:"auth"`
}

func (a *auth) read(r io.Reader) error {
	return json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(a)
}

// login writes credentials to an auth method. They may be good for one use only, so nothing is repeated that may have
// arrived.
func (s *session) login(ctx context.Context, mount string, credentials map[string]string) (*token, error) {
	doing := "logging in at auth/" + mount
	var a auth
	err := s.plain(ctx, &request{doing: doing, method: http.MethodPut, path: "auth/" + mount + "/login", body: credentials, once: true, read: a.read})
	if e := (*Error)(nil); errors.As(err, &e) && e.Status/100 == 4 && e.is != hsm.ErrUnavailable {
		return nil, &Error{Doing: doing, Status: e.Status, Fault: e.Fault, Remedy: "give valid credentials: they may have expired, been used up, or be bound to another address", is: hsm.ErrAuth}
	}
	if err != nil {
		return nil, err
	}
	if a.Auth == nil || a.Auth.Token == "" {
		return nil, &Error{Doing: doing, Fault: "the answer has no token", is: hsm.ErrAuth}
	}
	return &token{a.Auth.Token, time.Duration(a.Auth.Seconds) * time.Second, a.Auth.Renewable, false}, nil
}

// retryKeep is how long to wait after a renewal or login that failed.
const retryKeep = 5 * time.Second

// keep renews the token in time until the session is closed.
func (s *session) keep() {
	for {
		s.mu.Lock()
		t, wait := s.token, time.Hour // a token of unknown life is replaced when it is refused
		if s.life > 0 {
			wait = time.Until(s.born.Add(s.life - s.life/3))
		}
		s.mu.Unlock()
		select {
		case <-time.After(wait - jitter(max(wait/10, 1))):
		case <-s.ended.Done():
			return
		}
		if t.ttl == 0 {
			continue
		}
		if s.refresh(t) != nil {
			select {
			case <-time.After(min(retryKeep, t.ttl/6)):
			case <-s.ended.Done():
				return
			}
		}
	}
}

// refresh renews a token, or logs in if renewing gives less than half of its life.
func (s *session) refresh(t *token) error {
	ctx, cancel := context.WithTimeout(s.ended, max(t.ttl/6, time.Second))
	defer cancel()
	if t.renewable {
		var a auth
		err := send(ctx, s.client, &request{doing: "renewing the token", method: http.MethodPut, path: "auth/token/renew-self", token: t.value, read: a.read})
		if err == nil && a.Auth != nil {
			if left := time.Duration(a.Auth.Seconds) * time.Second; left > t.ttl/2 {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.token == t {
					s.born, s.life = time.Now(), left
				}
				return nil
			}
		}
	}
	_, err := s.enter(ctx, t)
	return err
}
