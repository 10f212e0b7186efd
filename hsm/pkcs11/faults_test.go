//go:build cgo && unix

package pkcs11

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/keyshare"
)

// refused opens a token and returns why it does not open.
func refused(t *testing.T, c Config) *Error {
	t.Helper()
	token, err := Open(t.Context(), c)
	if err == nil {
		require.NoError(t, token.Close())
	}
	var fault *Error
	require.ErrorAs(t, err, &fault)
	require.NotEmpty(t, fault.Remedy)
	return fault
}

func TestSelectionRefused(t *testing.T) {
	base := Config{Module: softHSM(t), PIN: pin(userPIN)}
	slot := uint(1 << 40)
	notAModule := filepath.Join(t.TempDir(), "file.so")
	require.NoError(t, os.WriteFile(notAModule, []byte("text"), 0o600))
	for name, test := range map[string]struct {
		change        func(c *Config)
		is            error
		fault, remedy string
	}{
		"no module":         {func(c *Config) { c.Module, c.Token = "", mainToken }, nil, "no module", "set Module"},
		"missing module":    {func(c *Config) { c.Module, c.Token = "/nowhere/x.so", mainToken }, nil, "/nowhere/x.so: no such file", "give the path"},
		"not a module":      {func(c *Config) { c.Module, c.Token = notAModule, mainToken }, nil, "cannot be loaded", "give a PKCS #11 library"},
		"no way to select":  {func(c *Config) {}, nil, "0 ways", "exactly one"},
		"two ways":          {func(c *Config) { c.Token, c.Serial = mainToken, "1" }, nil, "2 ways", "exactly one"},
		"unknown label":     {func(c *Config) { c.Token = "absent" }, hsm.ErrUnavailable, `no token with the label "absent"`, `"main" with serial number`},
		"unknown serial":    {func(c *Config) { c.Serial = "absent" }, hsm.ErrUnavailable, `no token with the serial number "absent"`, `"main"`},
		"unknown slot":      {func(c *Config) { c.Slot = &slot }, hsm.ErrUnavailable, "no token in slot 1099511627776", `"main"`},
		"label twice":       {func(c *Config) { c.Token = twinToken }, hsm.ErrDenied, `2 tokens with the label "twins"`, "by its serial number"},
		"negative sessions": {func(c *Config) { c.Token, c.Sessions = mainToken, -1 }, nil, "-1 sessions", "positive"},
		"bad KEK label":     {func(c *Config) { c.Token, c.KEK = mainToken, "ü" }, nil, "label", "printable ASCII"},
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			test.change(&c)
			err := refused(t, c)
			require.Contains(t, err.Fault, test.fault)
			require.Contains(t, err.Remedy, test.remedy)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
	empty := uint(0)
	token := rsaToken(t)
	slots, err := token.device.module.raw.GetSlotList(true)
	require.NoError(t, err)
	for _, s := range slots {
		if info, err := token.device.module.raw.GetTokenInfo(s); err == nil && info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			empty = s
		}
	}
	c := base
	c.Slot = &empty
	require.Contains(t, refused(t, c).Fault, "is not initialized")
	c.Slot, c.Serial = nil, token.device.token.SerialNumber
	require.Equal(t, openToken(t, c).Info().Device, token.Info().Device)
}

// TestWrongPIN holds that a PIN is tried once, when the token is opened and when the login is lost.
func TestWrongPIN(t *testing.T) {
	path := softHSM(t)
	asked := 0
	c := Config{Module: path, Token: otherToken, PIN: func() ([]byte, error) { asked++; return []byte("0000-none"), nil }}
	err := refused(t, c)
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.Equal(t, uint(pkcs11.CKR_PIN_INCORRECT), err.Code)
	require.Contains(t, err.Remedy, "not tried a second time")
	require.Contains(t, err.Error(), "CKR_PIN_INCORRECT")
	require.NotContains(t, err.Error(), "0000-none")
	require.Equal(t, 1, asked)

	c.PIN = nil
	require.ErrorIs(t, refused(t, c), hsm.ErrAuth)
	c.PIN = pin("")
	require.ErrorIs(t, refused(t, c), hsm.ErrAuth)
	c.PIN = func() ([]byte, error) { return nil, errors.New("the prompt was closed") }
	require.Contains(t, refused(t, c).Fault, "the prompt was closed")

	given := []byte(userPIN)
	asked = 0
	c.PIN = func() ([]byte, error) { asked++; return given, nil }
	token := openToken(t, c)
	require.Equal(t, make([]byte, len(userPIN)), given, "the PIN is wiped")
	require.Equal(t, 1, asked)
	copy(given, "0000-user")
	logOut(t, token)
	for range 5 {
		_, err := token.GenerateRSA(t.Context(), "x")
		require.ErrorIs(t, err, hsm.ErrAuth)
	}
	require.Equal(t, 2, asked, "the PIN that was changed meanwhile is tried once")
}

func logOut(tb testing.TB, t *Token) {
	tb.Helper()
	m := t.device.module
	m.churn.Lock()
	defer m.churn.Unlock()
	require.NoError(tb, m.raw.Logout(t.device.parked))
}

func TestPINFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	for text, want := range map[string]string{"1234": "1234", "1234\n": "1234", "1234\r\n": "1234", "12 34\n\n": "12 34\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		got, err := PINFile(path)()
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	require.NoError(t, os.WriteFile(path, make([]byte, 256), 0o600))
	_, err := PINFile(path)()
	require.ErrorContains(t, err, "more than 255 bytes")
	require.NoError(t, os.Chmod(path, 0o604))
	_, err = PINFile(path)()
	require.ErrorContains(t, err, "everybody can read it")
	_, err = PINFile(path + "x")()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestKEKRefused(t *testing.T) {
	admin := rsaToken(t)
	gcmForbidden := binary.NativeEndian.AppendUint64(nil, pkcs11.CKM_AES_CBC)
	for name, test := range map[string]struct {
		change map[uint]any
		fault  string
	}{
		"extractable":       {map[uint]any{pkcs11.CKA_EXTRACTABLE: true}, "CKA_EXTRACTABLE = true"},
		"readable":          {map[uint]any{pkcs11.CKA_SENSITIVE: false}, "CKA_SENSITIVE = false"},
		"wraps too":         {map[uint]any{pkcs11.CKA_WRAP: true}, "CKA_WRAP = true"},
		"unwraps too":       {map[uint]any{pkcs11.CKA_UNWRAP: true}, "CKA_UNWRAP = true"},
		"does not decrypt":  {map[uint]any{pkcs11.CKA_DECRYPT: false}, "CKA_DECRYPT = false"},
		"does not encrypt":  {map[uint]any{pkcs11.CKA_ENCRYPT: false}, "CKA_ENCRYPT = false"},
		"short":             {map[uint]any{pkcs11.CKA_VALUE_LEN: 16}, "not an AES key of 32 bytes"},
		"missing mechanism": {map[uint]any{pkcs11.CKA_ALLOWED_MECHANISMS: gcmForbidden}, "cannot encrypt with AES-GCM"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.KEK = unique("kek that " + name)
			generateAES(t, admin, c.KEK, test.change)
			err := refused(t, c)
			require.ErrorIs(t, err, hsm.ErrDenied)
			require.Contains(t, err.Fault, c.KEK)
			require.Contains(t, err.Fault, test.fault)
		})
	}
	t.Run("imported", func(t *testing.T) {
		c := config(t)
		inSession(t, admin, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
			_, err := raw.CreateObject(session, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
				pkcs11.NewAttribute(pkcs11.CKA_VALUE, make([]byte, 32)), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
				pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
				pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
				pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.KEK),
			})
			return err
		})
		require.Contains(t, refused(t, c).Remedy, "generated in the token")
	})
	t.Run("label twice", func(t *testing.T) {
		c := config(t)
		generateAES(t, admin, c.KEK, nil)
		generateAES(t, admin, c.KEK, nil)
		err := refused(t, c)
		require.ErrorIs(t, err, hsm.ErrDenied)
		require.Contains(t, err.Fault, "2 secret keys with the label")
	})
	t.Run("missing", func(t *testing.T) {
		c := config(t)
		c.CreateKEK = false
		err := refused(t, c)
		require.ErrorIs(t, err, hsm.ErrDenied)
		require.Contains(t, err.Remedy, "CreateKEK")
		_, closed := c.Store.Header(t.Context())
		require.ErrorIs(t, closed, hsm.ErrClosed, "Open closes the store when it fails")
	})
}

// TestRecordsRefused moves and alters records in the store.
func TestRecordsRefused(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	token := openToken(t, c)
	a, err := token.Generate(ctx, "a")
	require.NoError(t, err)
	b, err := token.Generate(ctx, "b")
	require.NoError(t, err)
	ra, err := c.Store.Get(ctx, a.PublicKey().Bytes())
	require.NoError(t, err)
	rb, err := c.Store.Get(ctx, b.PublicKey().Bytes())
	require.NoError(t, err)
	reset := func(r store.Record) {
		if err := token.Delete(ctx, a.PublicKey()); !errors.Is(err, hsm.ErrNotFound) {
			require.NoError(t, err)
		}
		require.NoError(t, c.Store.Put(ctx, r))
	}
	altered := func(at int) store.Record {
		r := ra
		r.Sealed = append([]byte(nil), ra.Sealed...)
		r.Sealed[(at+len(r.Sealed))%len(r.Sealed)] ^= 1
		return r
	}
	otherKEK := config(t)
	openToken(t, otherKEK)
	relabelled := ra
	relabelled.Sealed = append([]byte{recordVersion, byte(len(otherKEK.KEK))}, otherKEK.KEK...)
	relabelled.Sealed = append(relabelled.Sealed, ra.Sealed[2+len(c.KEK):]...)
	for name, r := range map[string]store.Record{
		"sealed bytes of another key":   {PublicKey: ra.PublicKey, Label: "a", Sealed: rb.Sealed},
		"another label":                 {PublicKey: ra.PublicKey, Label: "c", Sealed: ra.Sealed},
		"no label":                      {PublicKey: ra.PublicKey, Sealed: ra.Sealed},
		"version":                       altered(0),
		"length of the KEK's label":     altered(1),
		"IV":                            altered(2 + len(c.KEK)),
		"ciphertext":                    altered(-20),
		"tag":                           altered(-1),
		"cut":                           {PublicKey: ra.PublicKey, Label: "a", Sealed: ra.Sealed[:len(ra.Sealed)-1]},
		"one byte":                      {PublicKey: ra.PublicKey, Label: "a", Sealed: ra.Sealed[:1]},
		"sealed by another KEK's label": relabelled,
	} {
		t.Run(name, func(t *testing.T) {
			reset(r)
			k, err := token.Open(ctx, a.PublicKey())
			require.NoError(t, err)
			_, err = k.SignRoots(ctx, keyshare.Root{1})
			var fault *Error
			require.ErrorAs(t, err, &fault)
			require.ErrorIs(t, err, hsm.ErrCorrupt)
			require.Contains(t, fault.Remedy, "restore")
			_, err = b.SignRoots(ctx, keyshare.Root{1})
			require.NoError(t, err, "other keys go on")
		})
	}
	reset(altered(2))
	k, err := token.Open(ctx, a.PublicKey())
	require.NoError(t, err)
	_, err = k.SignRoots(ctx, keyshare.Root{1})
	require.ErrorIs(t, err, hsm.ErrDenied, "a key-encryption key with the altered label is not there")
	reset(ra)
	k, err = token.Open(ctx, a.PublicKey())
	require.NoError(t, err)
	_, err = k.SignRoots(ctx, keyshare.Root{1})
	require.NoError(t, err)
}

func TestHeaderRefused(t *testing.T) {
	for name, header := range map[string]string{"version": "\x02kek", "no label": "\x01", "label": "\x01\x00"} {
		c := config(t)
		require.NoError(t, c.Store.SetHeader(t.Context(), nil, []byte(header)))
		require.ErrorIs(t, refused(t, c), hsm.ErrCorrupt, name)
	}
}

// TestKilledBeforeKEK opens a store whose first process died after it had claimed the store and before it made the key.
func TestKilledBeforeKEK(t *testing.T) {
	if testing.Short() {
		t.Skip("Open waits for the other process")
	}
	c := config(t)
	require.NoError(t, c.Store.SetHeader(t.Context(), nil, encodeHeader(c.KEK)))
	used := config(t)
	require.NoError(t, used.Store.SetHeader(t.Context(), nil, encodeHeader(used.KEK)))
	require.NoError(t, used.Store.Put(t.Context(), store.Record{PublicKey: [48]byte{1}, Sealed: []byte{1}}))
	require.ErrorIs(t, refused(t, used), hsm.ErrDenied, "the key of a store with records is not made anew")
	token := openToken(t, c)
	k, err := token.Generate(t.Context(), "")
	require.NoError(t, err)
	_, err = k.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
}

// TestDisabledKEK takes the key-encryption key away from a running signer, in another process.
func TestDisabledKEK(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	token := openToken(t, c)
	k, err := token.Generate(ctx, "")
	require.NoError(t, err)
	sign := func() error {
		_, err := k.SignRoots(ctx, keyshare.Root{1})
		return err
	}
	runChild(t, "forbid", c.KEK)
	require.ErrorIs(t, sign(), hsm.ErrDenied)
	_, err = token.SignAll(ctx, keyshare.Root{1}, k.PublicKey())
	require.ErrorIs(t, err, hsm.ErrDenied)
	runChild(t, "allow", c.KEK)
	require.NoError(t, sign())
	runChild(t, "delete", c.KEK)
	require.ErrorIs(t, sign(), hsm.ErrDenied)
	require.ErrorContains(t, sign(), "is not in the token")
	_, err = token.Generate(ctx, "new")
	require.ErrorIs(t, err, hsm.ErrDenied)
}

// TestDisabledPIN changes the PIN under a running signer whose login is then lost.
func TestDisabledPIN(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	c.Token = otherToken
	token := openToken(t, c)
	k, err := token.Generate(ctx, "")
	require.NoError(t, err)
	change := func(from, to string) {
		inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error { return raw.SetPIN(session, from, to) })
	}
	change(userPIN, "another-pin")
	killSessions(t, token)
	_, err = k.SignRoots(ctx, keyshare.Root{1})
	require.ErrorIs(t, err, hsm.ErrAuth)
	require.NoError(t, token.Close())
	c.Store, c.PIN = openStore(t, filepath.Join(t.TempDir(), "keys.db")), pin("another-pin")
	token = openToken(t, c)
	change("another-pin", userPIN)
}

// TestBusyAndHung holds that a call waits neither for a session nor for the module past its context.
func TestBusyAndHung(t *testing.T) {
	c := config(t)
	c.Sessions = 1
	token := openToken(t, c)
	k, err := token.Generate(t.Context(), "")
	require.NoError(t, err)
	release, hung := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-hung
		cancel()
	}()
	dropped := make(chan int, 1)
	_, err = use(ctx, token.device, "test", func(pkcs11.SessionHandle) (int, error) {
		close(hung)
		<-release
		return 42, nil
	}, func(late int) { dropped <- late })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, hsm.ErrUnavailable)

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = token.RSA("x").PublicKey(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "all 1 sessions are in use")
	close(release)
	require.Equal(t, 42, <-dropped)
	_, err = k.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	_, err = token.RSA("x").PublicKey(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a session is free")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
}
