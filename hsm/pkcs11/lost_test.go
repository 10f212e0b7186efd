//go:build cgo && unix

package pkcs11

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/keyshare"
)

// TestLostWhileHealed loses the new sessions too, before the login, while the device is healed.
func TestLostWhileHealed(t *testing.T) {
	var token *Token
	losses := 0
	token = openToken(t, Config{Module: softHSM(t), Token: mainToken, PIN: func() ([]byte, error) {
		if losses > 0 {
			losses--
			killSessions(t, token)
		}
		return []byte(userPIN), nil
	}})
	work := func() error {
		_, err := use(t.Context(), token.device, "test", func(session pkcs11.SessionHandle) (struct{}, error) {
			return struct{}{}, token.device.loggedIn(session)
		}, nil)
		return err
	}
	require.NoError(t, work())
	killSessions(t, token)
	losses = attempts - 1
	require.NoError(t, work())
	require.Zero(t, losses)
	killSessions(t, token)
	losses = attempts
	err := work()
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "lost faster than they are made")
	require.Zero(t, losses)
	require.Equal(t, err, work(), "a pause has begun")
}

// TestLostLogin loses the login in each way in which it hides keys without an error: they are found all the same, and not
// taken for missing.
func TestLostLogin(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	token := openToken(t, c)
	d := token.device
	signing, err := token.Generate(ctx, "")
	require.NoError(t, err)
	operator, err := token.GenerateRSA(ctx, unique("hidden"))
	require.NoError(t, err)
	public, err := operator.PublicKey(ctx)
	require.NoError(t, err)
	id, err := token.crypto11()
	require.NoError(t, err)
	opened := func() pkcs11.SessionHandle {
		slot, _ := d.place()
		session, err := d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		require.NoError(t, err)
		return session
	}
	idle := func(sessions ...pkcs11.SessionHandle) { // and nobody has noticed anything, but for the objects
		d.mu.Lock()
		defer d.mu.Unlock()
		d.idle = sessions
		d.era++
	}
	ways := map[string]func(){
		"another part of the program logs out": func() {
			idle(opened())
			logOut(t, token)
		},
		"all sessions are lost, and the next is a new one": func() {
			killSessions(t, token)
			idle()
		},
		"all sessions are lost, and the next was opened since": func() {
			killSessions(t, token)
			idle(opened())
		},
		"all sessions are lost, and those of crypto11 were opened since": func() {
			if old, _ := id.current(); old != nil {
				id.detach(d.module, old)
			}
			killSessions(t, token)
			_, err := id.get(d)
			require.NoError(t, err)
			idle(opened())
		},
	}
	calls := map[string]func(t *testing.T){
		"a key signs": func(t *testing.T) {
			sigs, err := signing.SignRoots(ctx, keyshare.Root{1})
			require.NoError(t, err)
			require.True(t, signing.PublicKey().Verify(keyshare.Root{1}, sigs[0]))
		},
		"an RSA key is looked up": func(t *testing.T) {
			got, err := token.RSA(operator.label).PublicKey(ctx)
			require.NoError(t, err)
			require.Equal(t, public, got)
		},
		"an RSA key signs": func(t *testing.T) {
			digest := sha256.Sum256([]byte("message"))
			signature, err := operator.Sign(nil, digest[:], crypto.SHA256)
			require.NoError(t, err)
			require.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature))
		},
		"an RSA label is taken": func(t *testing.T) {
			require.ErrorIs(t, token.checkFree(ctx, operator.label), hsm.ErrExists)
		},
		"a rotation finds its key": func(t *testing.T) {
			n, err := token.Rotate(ctx, c.KEK)
			require.NoError(t, err)
			require.Zero(t, n)
		},
	}
	for way, lose := range ways {
		for call, works := range calls {
			t.Run(way+"/"+call, func(t *testing.T) {
				works(t)
				lose()
				works(t)
			})
		}
	}
}

// TestNotLoggedIn holds that nothing is asked of a session, and nothing kept of it, to which private objects are hidden.
func TestNotLoggedIn(t *testing.T) {
	token := rsaToken(t)
	d := token.device
	label := unique("seen by everybody")
	generateAES(t, token, label, map[uint]any{pkcs11.CKA_PRIVATE: false})
	notLoggedIn := pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)
	killSessions(t, token)
	d.mu.Lock()
	slot, line := d.slot, d.line
	d.idle = nil
	d.mu.Unlock()
	_, _, err := d.take()
	require.Equal(t, notLoggedIn, err)

	session, err := d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	_, err = token.find(session, pkcs11.CKO_SECRET_KEY, label)
	require.Equal(t, notLoggedIn, err, "there may be others with the label")
	d.put(session, line)
	calls := 0
	_, err = withCrypto11(t.Context(), token, token.device.module.during, "test", func(*crypto11.Context) (struct{}, error) {
		calls++
		return struct{}{}, d.loggedIn(d.parked)
	})
	require.NoError(t, err)
	require.Equal(t, 1, calls)

	_, err = withCrypto11(t.Context(), token, token.device.module.during, "test", func(*crypto11.Context) (struct{}, error) {
		if calls++; calls == 2 {
			if err := d.module.raw.Logout(d.parked); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, errors.New("nothing found")
		}
		return struct{}{}, d.loggedIn(d.parked)
	})
	require.NoError(t, err)
	require.Equal(t, 3, calls)

	_, err = withCrypto11(t.Context(), token, token.device.module.during, "test", func(*crypto11.Context) (struct{}, error) {
		if calls++; calls == 4 {
			if err := errors.Join(d.module.raw.Logout(d.parked), d.login()); err != nil { // by another call
				return struct{}{}, err
			}
			return struct{}{}, errors.New("nothing found")
		}
		return struct{}{}, d.loggedIn(d.parked)
	})
	require.NoError(t, err)
	require.Equal(t, 5, calls)
}

// TestLoggedOutMeanwhile loses the login while objects are searched.
func TestLoggedOutMeanwhile(t *testing.T) {
	b, token := native(t)
	k := generateNative(t, b, "key")
	for _, test := range []struct {
		label string
		found int
		err   error
	}{{"key", 1, nil}, {"absent", 0, pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)}} {
		require.NoError(t, hsm.TestSign(t.Context(), k))
		session, line, err := b.device.take()
		require.NoError(t, err)
		set(t, token, testtoken.Behaviour{Refuse: []testtoken.Refusal{
			{Function: "C_GetSessionInfo", Code: pkcs11.CKR_OK, Times: 1},
			{Function: "C_GetSessionInfo", Code: pkcs11.CKR_USER_NOT_LOGGED_IN, Times: 1},
		}})
		found, err := b.search(session, pkcs11.CKO_PRIVATE_KEY, pkcs11.NewAttribute(pkcs11.CKA_LABEL, test.label))
		require.Len(t, found, test.found)
		require.Equal(t, test.err, err)
		set(t, token, testtoken.Behaviour{})
		b.device.put(session, line)
	}
}

// TestLostWithCrypto11 has a call of crypto11 meet lost sessions as often as it may, and once more.
func TestLostWithCrypto11(t *testing.T) {
	token := rsaToken(t)
	calls := 0
	failing := func(times int) error {
		calls = 0
		_, err := withCrypto11(t.Context(), token, token.device.module.during, "test", func(c *crypto11.Context) (struct{}, error) {
			if calls++; calls <= times {
				return struct{}{}, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID)
			}
			return struct{}{}, nil
		})
		return err
	}
	require.NoError(t, failing(attempts-1))
	require.Equal(t, attempts, calls)
	require.ErrorIs(t, failing(attempts), hsm.ErrUnavailable)
	require.Equal(t, attempts, calls)
}

// TestSharedLogin closes the token that logged in, while another one relies on its login.
func TestSharedLogin(t *testing.T) {
	first := rsaToken(t)
	asked := 0
	second := openToken(t, Config{Module: softHSM(t), Token: mainToken, PIN: func() ([]byte, error) { asked++; return []byte(userPIN), nil }})
	require.NoError(t, first.Close())
	inSession(t, second, func(_ *pkcs11.Ctx, session pkcs11.SessionHandle) error { return second.device.loggedIn(session) })
	require.Zero(t, asked, "the login goes on")
	third := rsaToken(t)
	require.NoError(t, second.Close())
	inSession(t, third, func(_ *pkcs11.Ctx, session pkcs11.SessionHandle) error { return third.device.loggedIn(session) })
}

// TestMadeAlone makes keys while others are used, which SoftHSM does not always survive.
func TestMadeAlone(t *testing.T) {
	token := rsaToken(t)
	d := token.device
	require.True(t, d.module.fragile)
	require.NoError(t, useAlone(t.Context(), d, "test", func(pkcs11.SessionHandle) error {
		if d.module.churn.TryRLock() {
			return errors.New("other calls run meanwhile")
		}
		return nil
	}))
	operator, err := token.GenerateRSA(t.Context(), unique("made before"))
	require.NoError(t, err)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			digest := sha256.Sum256([]byte("message"))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := operator.Sign(nil, digest[:], crypto.SHA256); err != nil {
					t.Error(err)
					return
				}
				if _, err := token.RSA(operator.label).PublicKey(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		if err := token.generateKEK(t.Context(), unique("made")); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	group.Wait()
}

// TestMovedToken has a token come back in a slot where another part of the program has logged in: that login is not ended.
func TestMovedToken(t *testing.T) {
	for range 20 {
		m, moved, stays := &module{}, &device{}, &device{}
		m.join(moved, 1, true)
		m.join(moved, 2, false)
		require.False(t, m.leave(moved))
		m.join(moved, 1, true)
		m.join(stays, 1, false)
		m.join(moved, 2, true)
		require.True(t, m.leave(moved))
		require.True(t, m.leave(stays), "made by the one that left before")
		require.False(t, m.leave(stays))
	}
}

// TestMadeOnce makes a call again that makes an RSA key, as when the session is lost right after the key was made.
func TestMadeOnce(t *testing.T) {
	token := rsaToken(t)
	id, label := []byte(unique("id")), unique("generated once")
	_, err := withCrypto11(t.Context(), token, token.device.module.during, "test", func(c *crypto11.Context) (struct{}, error) {
		return struct{}{}, errors.Join(generateRSA(c, id, label), generateRSA(c, id, label))
	})
	require.NoError(t, err)
	_, err = token.tryRSA(t.Context(), label, nil)
	require.NoError(t, err)

	imported, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	id, label = []byte(unique("id")), unique("imported once")
	inSession(t, token, func(_ *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		require.NoError(t, token.createRSA(session, id, label, imported))
		require.NoError(t, token.createRSA(session, id, label, imported))
		found, err := token.find(session, pkcs11.CKO_PUBLIC_KEY, label)
		require.Len(t, found, 1)
		return err
	})
	_, err = token.tryRSA(t.Context(), label, &imported.PublicKey)
	require.NoError(t, err)
}
