//go:build cgo && unix

package pkcs11

import (
	"errors"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
)

// TestClasses has a call fail once in each way that a module knows, and looks whether it is made again, how the error
// reads, and whether the next call works.
func TestClasses(t *testing.T) {
	token := rsaToken(t)
	for code, want := range map[uint]struct {
		calls int
		is    error
	}{
		pkcs11.CKR_SESSION_HANDLE_INVALID:     {2, nil},
		pkcs11.CKR_SESSION_CLOSED:             {2, nil},
		pkcs11.CKR_USER_NOT_LOGGED_IN:         {2, nil},
		pkcs11.CKR_KEY_HANDLE_INVALID:         {2, nil},
		pkcs11.CKR_OBJECT_HANDLE_INVALID:      {2, nil},
		pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:   {2, nil},
		pkcs11.CKR_DEVICE_REMOVED:             {1, hsm.ErrUnavailable},
		pkcs11.CKR_TOKEN_NOT_PRESENT:          {1, hsm.ErrUnavailable},
		pkcs11.CKR_DEVICE_ERROR:               {1, hsm.ErrUnavailable},
		pkcs11.CKR_SESSION_COUNT:              {1, hsm.ErrUnavailable},
		pkcs11.CKR_HOST_MEMORY:                {1, hsm.ErrUnavailable},
		pkcs11.CKR_GENERAL_ERROR:              {1, hsm.ErrUnavailable},
		pkcs11.CKR_PIN_LOCKED:                 {1, hsm.ErrAuth},
		pkcs11.CKR_PIN_EXPIRED:                {1, hsm.ErrAuth},
		pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED: {1, hsm.ErrDenied},
		pkcs11.CKR_ENCRYPTED_DATA_INVALID:     {1, hsm.ErrCorrupt},
	} {
		calls := 0
		_, err := use(t.Context(), token.device, "test", func(session pkcs11.SessionHandle) (int, error) {
			if calls++; calls == 1 {
				return 0, pkcs11.Error(code)
			}
			_, err := token.device.module.raw.GetSessionInfo(session)
			return 0, err
		}, nil)
		require.Equal(t, want.calls, calls, "%#x", code)
		if want.is == nil {
			require.NoError(t, err, "%#x", code)
		} else {
			var fault *Error
			require.ErrorAs(t, err, &fault)
			require.ErrorIs(t, err, want.is, "%#x", code)
			require.Equal(t, code, fault.Code)
			require.NotEmpty(t, fault.Remedy)
		}
		inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
			_, err := raw.GetSessionInfo(session)
			return err
		})
	}
	calls := 0
	_, err := use(t.Context(), token.device, "test", func(pkcs11.SessionHandle) (int, error) {
		calls++
		return 0, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID)
	}, nil)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.Equal(t, attempts, calls, "sessions that are lost again and again")
}

// TestStuckSession gives up a session in which an operation goes on that nobody ends, and leaves it to nobody.
func TestStuckSession(t *testing.T) {
	token := rsaToken(t)
	d := token.device
	var stuck pkcs11.SessionHandle
	inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		if stuck == 0 {
			stuck = session
			require.NoError(t, raw.FindObjectsInit(session, nil))
			return raw.FindObjectsInit(session, nil)
		}
		require.NotEqual(t, stuck, session)
		return nil
	})
	_, err := d.module.raw.GetSessionInfo(stuck)
	require.ErrorIs(t, err, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID), "it is closed")
}

// TestGone takes a token away: calls fail at once while it is away, and work when it is back.
func TestGone(t *testing.T) {
	token := rsaToken(t)
	d := token.device
	work := func() error {
		_, err := use(t.Context(), d, "test", func(session pkcs11.SessionHandle) (pkcs11.SessionInfo, error) {
			return d.module.raw.GetSessionInfo(session)
		}, nil)
		return err
	}
	require.NoError(t, work())
	there := d.which
	d.healing.Lock()
	d.which = selection{label: "taken out"}
	d.healing.Unlock()
	killSessions(t, token)
	begin := time.Now()
	require.ErrorIs(t, work(), hsm.ErrUnavailable)
	pauseEnds := func(then time.Time) { // instead of waiting for it
		d.mu.Lock()
		defer d.mu.Unlock()
		require.False(t, d.after.Before(begin.Add(d.pause)))
		d.after = then
	}
	pauseEnds(time.Now().Add(time.Hour))
	for range 2 {
		require.ErrorIs(t, work(), hsm.ErrUnavailable)
	}
	require.Equal(t, firstPause, d.pause, "within the pause the token is not looked for")
	pauseEnds(time.Now())
	require.ErrorIs(t, work(), hsm.ErrUnavailable)
	require.Equal(t, 2*firstPause, d.pause, "the pauses grow")
	d.healing.Lock()
	d.which = there
	d.healing.Unlock()
	pauseEnds(time.Now())
	require.NoError(t, work())
}

// TestFinalized has somebody finalize the module under an open token.
func TestFinalized(t *testing.T) {
	c := config(t)
	token := openToken(t, c)
	k, err := token.Generate(t.Context(), "")
	require.NoError(t, err)
	m := token.device.module
	m.churn.Lock()
	require.NoError(t, m.raw.Finalize())
	m.churn.Unlock()
	_, err = k.SignRoots(t.Context(), [32]byte{1})
	require.NoError(t, err)
}

func TestErrorsOfOthers(t *testing.T) {
	plain := errors.New("plain")
	require.Equal(t, plain, explain("test", plain))
	require.NoError(t, explain("test", nil))
	require.Equal(t, other, classify(plain))
}
