//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// Check is one line of a diagnosis.
type Check struct {
	Name  string // what was looked at
	Found string // what was found, if nothing is wrong
	Err   error  // what is wrong, nil if nothing: an *Error says what to do
}

// Diagnose looks at all that Open and the keys of a token need, and tries it out. It goes as far as it gets: what follows
// from an earlier fault is left out. The PIN is tried once, and not at all if the token says that one more wrong PIN locks
// it. Objects that it makes for trying out are gone when it returns. The store is read, not written, and left open.
func Diagnose(ctx context.Context, c Config) []Check {
	g := &diagnosis{}
	g.run(ctx, c)
	return g.checks
}

type diagnosis struct{ checks []Check }

// add notes a result and reports whether it is good.
func (g *diagnosis) add(name, found string, err error) bool {
	if err != nil {
		found = ""
	}
	g.checks = append(g.checks, Check{name, found, explain(name, err)})
	return err == nil
}

func (g *diagnosis) run(ctx context.Context, c Config) {
	if !g.add("configuration", "complete", errors.Join(c.check(), ctx.Err())) {
		return
	}
	m, err := await(ctx, func() (*module, error) { return acquire(c.Module, c.selection()) }, (*module).release)
	var about pkcs11.Info
	if err == nil {
		about, err = ask(ctx, m, m.raw.GetInfo)
	}
	if !g.add("module", fmt.Sprintf("%s, %s, library %d.%d, PKCS #11 %d.%d", about.ManufacturerID, about.LibraryDescription,
		about.LibraryVersion.Major, about.LibraryVersion.Minor, about.CryptokiVersion.Major, about.CryptokiVersion.Minor), err) {
		if m != nil {
			m.release()
		}
		return
	}
	type present struct {
		slot uint
		pkcs11.TokenInfo
	}
	token, err := ask(ctx, m, func() (p present, err error) {
		p.slot, p.TokenInfo, err = c.selection().find(m)
		return p, err
	})
	if !g.add("token", fmt.Sprintf("%q in slot %d, %s %s, serial number %s", token.Label, token.slot, token.ManufacturerID, token.Model, token.SerialNumber), err) {
		m.release()
		return
	}
	g.add("firmware", fmt.Sprintf("%d.%d, hardware %d.%d", token.FirmwareVersion.Major, token.FirmwareVersion.Minor, token.HardwareVersion.Major, token.HardwareVersion.Minor), nil)
	g.mechanisms(ctx, m, token.slot)
	if !g.add("PIN", "can be tried", pinState(token.TokenInfo)) {
		m.release()
		return
	}
	d, err := await(ctx, func() (*device, error) { return openDevice(m, c.selection(), c.PIN, c.sessions()) }, (*device).release)
	if !g.add("login", "works", err) {
		m.release()
		return
	}
	defer d.release()
	g.add("sessions", sessionLimits(token.TokenInfo, c.sessions()), sessionsFit(token.TokenInfo, c.sessions()))
	t := &Token{device: d, store: c.Store, cache: c.Cache, keks: map[string]*kek{}}
	g.encryption(ctx, t)
	g.kek(ctx, t, c)
	g.rsa(ctx, t)
	t.info = t.measure()
	hardware := "hardware"
	if !t.info.HardwareBacked {
		hardware = "not hardware: the token is a program, or does not say that it is a device"
	}
	g.add("protection", fmt.Sprintf("%s, %s", t.info.Protection, hardware), nil)
}

// ask puts a question to the module that needs no session. Like use, it waits no longer than ctx lasts.
func ask[T any](ctx context.Context, m *module, question func() (T, error)) (T, error) {
	m.running.Add(1)
	return await(ctx, func() (T, error) {
		defer m.running.Add(-1)
		return question()
	}, nil)
}

// needed are the mechanisms that this package calls.
var needed = []struct {
	mechanism uint
	name      string
	flags     uint
	use       string
}{
	{pkcs11.CKM_AES_GCM, "CKM_AES_GCM", pkcs11.CKF_ENCRYPT | pkcs11.CKF_DECRYPT, "seals keys"},
	{pkcs11.CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN", pkcs11.CKF_GENERATE, "makes key-encryption keys"},
	{pkcs11.CKM_RSA_PKCS, "CKM_RSA_PKCS", pkcs11.CKF_DECRYPT | pkcs11.CKF_SIGN, "opens operators' shares"},
	{pkcs11.CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS", pkcs11.CKF_SIGN, "signs with RSASSA-PSS"},
	{pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN", pkcs11.CKF_GENERATE_KEY_PAIR, "makes operators' keys"},
}

func (g *diagnosis) mechanisms(ctx context.Context, m *module, slot uint) {
	for _, n := range needed {
		info, err := ask(ctx, m, func() (pkcs11.MechanismInfo, error) {
			return m.raw.GetMechanismInfo(slot, []*pkcs11.Mechanism{pkcs11.NewMechanism(n.mechanism, nil)})
		})
		if isCode(err, pkcs11.CKR_MECHANISM_INVALID) || err == nil && info.Flags&n.flags != n.flags {
			err = &Error{Fault: fmt.Sprintf("the token does not offer %s, which %s", n.name, n.use), Remedy: "allow it in the token's configuration (FIPS mode may forbid it), or use another token", is: hsm.ErrDenied}
		}
		g.add(n.name, "offered", err)
	}
}

// pinState says why the PIN should not be tried.
func pinState(token pkcs11.TokenInfo) error {
	switch {
	case token.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return &Error{Fault: "the user PIN is locked", Remedy: "the token's security officer has to set a new one", is: hsm.ErrAuth}
	case token.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return &Error{Fault: "the next wrong PIN locks the token, so it is not tried", Remedy: "make sure of the PIN, and log in with the token's own program first", is: hsm.ErrAuth}
	case token.Flags&pkcs11.CKF_USER_PIN_INITIALIZED == 0:
		return &Error{Fault: "the token has no user PIN", Remedy: "its security officer has to set one", is: hsm.ErrAuth}
	}
	return nil
}

// rsaSessions are the sessions that crypto11 opens beside this package's: the anchor's, and its own parked one.
const rsaSessions = 2

// sessionsFit compares the sessions that a token allows with those that are used at most: one parked, one for each call at
// a time, and as many again for signatures with RSA.
func sessionsFit(token pkcs11.TokenInfo, sessions int) error {
	for _, most := range []uint{token.MaxSessionCount, token.MaxRwSessionCount} {
		unlimited := most == pkcs11.CK_EFFECTIVELY_INFINITE || most == pkcs11.CK_UNAVAILABLE_INFORMATION
		if use := uint(1 + 2*sessions + rsaSessions); !unlimited && most < use {
			return &Error{Fault: fmt.Sprintf("the token allows %d sessions, and up to %d are used", most, use), Remedy: "set Sessions lower", is: hsm.ErrUnavailable}
		}
	}
	return nil
}

func sessionLimits(token pkcs11.TokenInfo, sessions int) string {
	most := "any number"
	if n := token.MaxRwSessionCount; n != pkcs11.CK_EFFECTIVELY_INFINITE && n != pkcs11.CK_UNAVAILABLE_INFORMATION {
		most = fmt.Sprint(n)
	}
	return fmt.Sprintf("%s allowed, %d calls at a time", most, sessions)
}

// encryption tries AES-GCM with a key that lasts as long as the session.
func (g *diagnosis) encryption(ctx context.Context, t *Token) {
	err := useAlone(ctx, t.device, "AES-GCM", func(session pkcs11.SessionHandle) error {
		raw := t.device.module.raw
		key, err := raw.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		})
		if err != nil {
			return err
		}
		_, err = t.tryKEK(session, "of this session", key)
		return errors.Join(err, raw.DestroyObject(session, key))
	})
	g.add("AES-GCM", "12-byte IV, 16-byte tag, associated data: tried", err)
}

// kek tries the key-encryption key of the store, or the one that a new store would use.
func (g *diagnosis) kek(ctx context.Context, t *Token, c Config) {
	label := c.kek()
	if c.Store != nil {
		header, err := c.Store.Header(ctx)
		if err == nil && header != nil {
			label, err = decodeHeader(header)
		}
		if !g.add("store", c.Store.String(), err) {
			return
		}
	}
	err := t.awaitKEK(ctx, label, 0)
	found := fmt.Sprintf("%q: sensitive, never extractable, AES-256", label)
	if missing(err) && c.CreateKEK {
		found, err = fmt.Sprintf("%q: missing, will be generated", label), nil
	}
	g.add("key-encryption key", found, err)
}

// rsa tries decryption with an RSA key pair that lasts as long as the session.
func (g *diagnosis) rsa(ctx context.Context, t *Token) {
	err := useAlone(ctx, t.device, "RSA decryption", t.trySessionRSA)
	g.add("RSA decryption", "RSA-2048, PKCS #1 v1.5: tried", err)
}

func (t *Token) trySessionRSA(session pkcs11.SessionHandle) (err error) {
	raw := t.device.module.raw
	public, private, err := raw.GenerateKeyPair(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)},
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, rsaBits), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		},
		[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true)})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, raw.DestroyObject(session, public), raw.DestroyObject(session, private))
	}()
	got, err := raw.GetAttributeValue(session, public, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil)})
	if err != nil {
		return err
	}
	message := make([]byte, 66) // as long as a share that is sealed to an operator
	rand.Read(message)
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &rsa.PublicKey{N: new(big.Int).SetBytes(got[0].Value), E: 65537}, message)
	if err != nil {
		return fmt.Errorf("pkcs11: %w", err)
	}
	room, err := secret.New(len(sealed))
	if err != nil {
		return err
	}
	defer room.Destroy()
	n, err := t.device.module.cryptoki.decrypt(session, private, pkcs11.CKM_RSA_PKCS, sealed, room.Bytes())
	if err == nil && (n != len(message) || !bytes.Equal(room.Bytes()[:n], message)) {
		err = &Error{Fault: "RSA decryption gives wrong results", Remedy: "the token or its module is faulty: do not use it", is: hsm.ErrDenied}
	}
	return err
}
