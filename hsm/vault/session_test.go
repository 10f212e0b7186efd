package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
)

// tokens is a server that gives tokens and renews them, in this process, so that time is what synctest makes of it.
type tokens struct {
	life      time.Duration
	renewable bool
	renew     func(left time.Duration) (time.Duration, error) // what remains after a renewal, of what was left before

	begin            time.Time
	expires          map[string]time.Time
	logins, renewals []time.Duration // when, since the beginning
	expired          int             // requests with a token that was no longer one
}

// RoundTrip answers a request.
func (f *tokens) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	now, value := time.Now(), r.Header.Get("X-Vault-Token")
	give := func(value string, life time.Duration) (*http.Response, error) {
		f.expires[value] = now.Add(life)
		return answer(r, 200, fmt.Sprintf(`{"auth":{"client_token":%q,"lease_duration":%d,"renewable":%t}}`, value, life/time.Second, f.renewable))
	}
	if strings.HasSuffix(r.URL.Path, "/login") {
		f.logins = append(f.logins, now.Sub(f.begin))
		return give(fmt.Sprintf("t%d", len(f.logins)), f.life)
	}
	left := f.expires[value].Sub(now)
	if left <= 0 {
		f.expired++
		return answer(r, 403, `{"errors":["permission denied","invalid token"]}`)
	}
	if strings.HasSuffix(r.URL.Path, "/renew-self") {
		f.renewals = append(f.renewals, now.Sub(f.begin))
		after, err := f.renew(left)
		if err != nil {
			return nil, err
		}
		return give(value, after)
	}
	return answer(r, 200, `{"data":{}}`)
}

func answer(r *http.Request, status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// start is openSession with this server.
func (f *tokens) start(t *testing.T) *session {
	f.begin, f.expires = time.Now(), map[string]time.Time{}
	c := Config{Address: "http://127.0.0.1:1", Auth: AppRole("role", func() ([]byte, error) { return []byte("id"), nil }, nil)}
	require.NoError(t, c.check())
	client, err := api.NewClient(&api.Config{Address: c.Address, HttpClient: &http.Client{Transport: f}, CheckRetry: never})
	require.NoError(t, err)
	s, err := startSession(t.Context(), c, client, &http.Transport{})
	require.NoError(t, err)
	return s
}

// TestTokenIsKept lives on tokens for a day, with a request each minute, of which none meets a token that has expired.
func TestTokenIsKept(t *testing.T) {
	const life = time.Hour
	for name, f := range map[string]*tokens{
		"renewed": {renewable: true, renew: func(time.Duration) (time.Duration, error) { return life, nil }},
		"at most five hours": {renewable: true, renew: func() func(time.Duration) (time.Duration, error) {
			var end time.Time
			return func(left time.Duration) (time.Duration, error) {
				if now := time.Now(); now.After(end) {
					end = now.Add(left + 4*time.Hour)
				}
				return min(life, time.Until(end)), nil
			}
		}()},
		"not renewable":   {},
		"renewal refused": {renewable: true, renew: func(time.Duration) (time.Duration, error) { return 0, errors.New("connection reset") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f.life = life
				s := f.start(t)
				defer s.close()
				for range 24 * 60 {
					time.Sleep(time.Minute)
					require.NoError(t, s.do(t.Context(), &request{doing: "asking", method: http.MethodGet, path: "dvkeys/stats"}))
				}
				require.Zero(t, f.expired)
				switch name {
				case "renewed":
					require.Len(t, f.logins, 1, "a token that can be renewed is not replaced")
					require.InDelta(t, 24*1.5, len(f.renewals), 5)
					for i, at := range f.renewals[1:] {
						require.InDelta(t, 38*time.Minute, at-f.renewals[i], float64(2*time.Minute+time.Second), "at two thirds of its life, or up to a tenth before")
					}
				case "at most five hours":
					require.InDelta(t, 24/4.5, len(f.logins), 1)
				default:
					require.InDelta(t, 24*1.5, len(f.logins), 5)
				}
			})
		})
	}
}

// TestPatience repeats what passes, for as long as it should.
func TestPatience(t *testing.T) {
	away := &Error{Fault: "sealed", is: hsm.ErrUnavailable}
	try := func(ctx context.Context, patience time.Duration, once bool, err error) (attempts int, took time.Duration, got error) {
		start := time.Now()
		got = persist(ctx, patience, once, func() error { attempts++; return err })
		return attempts, time.Since(start), got
	}
	synctest.Test(t, func(t *testing.T) {
		n, took, err := try(t.Context(), time.Minute, false, away)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		require.LessOrEqual(t, took, time.Minute)
		require.Greater(t, took, time.Minute-longestWait)
		require.InDelta(t, 45, n, 15, "the pauses grow to two seconds, less up to a half")

		n, _, err = try(t.Context(), -1, false, away)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		require.Equal(t, 1, n)
		n, _, err = try(t.Context(), time.Minute, true, away)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		require.Equal(t, 1, n, "it may have been done")
		undone := *away
		undone.undone = true
		n, _, _ = try(t.Context(), time.Minute, true, &undone)
		require.Greater(t, n, 10, "it was not done")
		n, _, err = try(t.Context(), time.Minute, false, &Error{is: hsm.ErrDenied})
		require.ErrorIs(t, err, hsm.ErrDenied)
		require.Equal(t, 1, n)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, took, err = try(ctx, time.Minute, false, away)
		require.Equal(t, 10*time.Second, took, "its context ends a call")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		_, took, err = try(ctx, time.Minute, false, away)
		require.Zero(t, took)
		require.ErrorIs(t, err, context.DeadlineExceeded, "also a context that ended while the answer came")
		require.ErrorIs(t, err, hsm.ErrUnavailable)
	})
}
