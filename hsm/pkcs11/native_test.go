//go:build cgo && unix

package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/hsmtest"
	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/keyshare"
)

// startTestToken starts a token that signs BLS12-381.
func startTestToken(t *testing.T) *testtoken.Token {
	t.Helper()
	token, err := testtoken.Start()
	if errors.Is(err, testtoken.ErrNoCompiler) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, token.Close()) })
	return token
}

func nativeConfig(token *testtoken.Token) Config {
	return Config{Module: token.Module(), Token: testtoken.Label, PIN: pin(testtoken.PIN)}
}

func openNative(t *testing.T, token *testtoken.Token) *Native {
	t.Helper()
	b, err := OpenNative(t.Context(), nativeConfig(token), IBMEP11())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// native starts a token and opens it.
func native(t *testing.T) (*Native, *testtoken.Token) {
	t.Helper()
	token := startTestToken(t)
	return openNative(t, token), token
}

func set(t *testing.T, token *testtoken.Token, b testtoken.Behaviour) {
	t.Helper()
	require.NoError(t, token.Set(b))
}

func generateNative(t *testing.T, b *Native, label string) hsm.Key {
	t.Helper()
	k, err := b.Generate(t.Context(), label)
	require.NoError(t, err)
	return k
}

// TestNativeBackend runs the suite on a token that answers a query for a signature's length as EP11 does, wrongly.
func TestNativeBackend(t *testing.T) {
	tokens := map[hsm.Backend]*testtoken.Token{}
	hsmtest.Run(t, func(t *testing.T) hsm.Backend {
		token := startTestToken(t)
		set(t, token, testtoken.Behaviour{LengthQuery: 96})
		b := openNative(t, token)
		tokens[b] = token
		return b
	}, &hsmtest.Options{Keys: 100, NoSplit: true, Reopen: func(t *testing.T, b hsm.Backend) hsm.Backend {
		require.NoError(t, b.Close())
		return openNative(t, tokens[b])
	}})
}

func TestNativeInfo(t *testing.T) {
	b, token := native(t)
	info := b.Info()
	require.Equal(t, "pkcs11", info.Kind)
	require.Contains(t, info.Device, testtoken.Label)
	require.Equal(t, hsm.Isolated, info.Protection)
	require.False(t, info.HardwareBacked)

	counts, err := token.Counts()
	require.NoError(t, err)
	require.Zero(t, counts.Objects, "the self-test left something in the token")
	require.Equal(t, 1, counts.Signatures)
}

// TestNativeLevel holds what makes a token hardware, and that the secrets of a program are not taken to be elsewhere.
func TestNativeLevel(t *testing.T) {
	for _, c := range []struct {
		manufacturer, model string
		slotIsHardware      bool
		level               hsm.Protection
	}{
		{"IBM", "EP11", false, hsm.Native},
		{"IBM", "Soft", false, hsm.Enveloped},
		{"A vendor", "HSM", true, hsm.Native},
		{"A vendor", "HSM", false, hsm.Enveloped},
		{"SoftHSM project", "EP11", false, hsm.Enveloped},
		{testtoken.Manufacturer, "testtoken", false, hsm.Isolated},
	} {
		token := pkcs11.TokenInfo{ManufacturerID: c.manufacturer, Model: c.model}
		b := &Native{profile: IBMEP11(), token: &Token{device: &device{token: token}, info: hsm.Info{HardwareBacked: c.slotIsHardware}}}
		b.device = b.token.device
		info := b.measure()
		require.Equal(t, c.level, info.Protection, c)
		require.Equal(t, c.level == hsm.Native, info.HardwareBacked, c)
	}
}

// TestMismatch opens tokens that sign in other ways: each is refused, and the error says why.
func TestMismatch(t *testing.T) {
	for _, c := range []struct {
		behaviour testtoken.Behaviour
		want      Mismatch
		found     string
	}{
		{testtoken.Behaviour{Fault: testtoken.BasicSuite}, WrongCiphersuite, "_NUL_"},
		{testtoken.Behaviour{Fault: testtoken.LittleEndian}, WrongByteOrder, "the public key has its coordinates in little-endian"},
		{testtoken.Behaviour{Fault: testtoken.PartsSwapped}, WrongByteOrder, "the signature has the real part"},
		{testtoken.Behaviour{Fault: testtoken.SwappedGroups}, WrongGroup, "the public key has 193 bytes, as a point of G2"},
		{testtoken.Behaviour{Fault: testtoken.ShortSignature}, WrongEncoding, "the signature has 191 bytes, expected 192"},
		{testtoken.Behaviour{Fault: testtoken.CompressedForms}, WrongEncoding, "the signature is compressed, 96 bytes, expected 192"},
		{testtoken.Behaviour{Fault: testtoken.OtherKey}, WrongSignature, "another key's"},
		{testtoken.Behaviour{Fault: testtoken.InfinitePoint}, WrongPoint, "infinity"},
		{testtoken.Behaviour{Fault: testtoken.KeysExtractable}, WrongProtection, "CKA_EXTRACTABLE"},
		{testtoken.Behaviour{OtherCurves: true}, WrongCurve, "firmware"},
	} {
		t.Run(string(c.want)+" "+string(c.behaviour.Fault), func(t *testing.T) {
			token := startTestToken(t)
			set(t, token, c.behaviour)
			b, err := OpenNative(t.Context(), nativeConfig(token), IBMEP11())
			require.Nil(t, b)
			var mismatch *MismatchError
			require.ErrorAs(t, err, &mismatch)
			require.Equal(t, c.want, mismatch.Mismatch, err)
			require.Contains(t, mismatch.Found, c.found)
			require.Equal(t, "ibm-ep11", mismatch.Profile)
			require.ErrorIs(t, err, hsm.ErrDenied)

			counts, err := token.Counts()
			require.NoError(t, err)
			require.Zero(t, counts.Objects, "a refused token keeps nothing")
			require.Zero(t, counts.Sessions)
			set(t, token, testtoken.Behaviour{})
			openNative(t, token) // nothing of the refusal stays
		})
	}
}

// TestMismatchOfProfile opens a good token with profiles that are wrong.
func TestMismatchOfProfile(t *testing.T) {
	token := startTestToken(t)
	for _, c := range []struct {
		name   string
		change func(*Profile)
		want   Mismatch
	}{
		{"compressed signatures", func(p *Profile) { p.Signature = Compressed }, WrongEncoding},
		{"prefixed signatures", func(p *Profile) { p.Signature = Prefixed }, WrongEncoding},
		{"uncompressed points", func(p *Profile) { p.Point = Uncompressed }, WrongEncoding},
		{"compressed points", func(p *Profile) { p.Point = Compressed }, WrongEncoding},
		{"another curve", func(p *Profile) { p.Curve = []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07") }, WrongCurve},
		{"another submechanism", func(p *Profile) { p.Sign.Parameter = Words(3) }, WrongSignature},
		{"another mechanism", func(p *Profile) { p.Sign = Mechanism{Type: pkcs11.CKM_ECDSA} }, WrongSignature},
	} {
		p := IBMEP11()
		c.change(&p)
		_, err := OpenNative(t.Context(), nativeConfig(token), p)
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch, c.name)
		require.Equal(t, c.want, mismatch.Mismatch, "%s: %v", c.name, err)
	}
}

func TestOpenNativeRefuses(t *testing.T) {
	token := startTestToken(t)
	for name, change := range map[string]func(*Config, *Profile){
		"no name":            func(_ *Config, p *Profile) { p.Name = "" },
		"no curve":           func(_ *Config, p *Profile) { p.Curve = nil },
		"no point encoding":  func(_ *Config, p *Profile) { p.Point = 0 },
		"signature encoding": func(_ *Config, p *Profile) { p.Signature = 4 },
		"a cache":            func(c *Config, _ *Profile) { c.Cache = true },
		"a KEK":              func(c *Config, _ *Profile) { c.CreateKEK = true },
		"no module":          func(c *Config, _ *Profile) { c.Module = "" },
	} {
		c, p := nativeConfig(token), IBMEP11()
		change(&c, &p)
		_, err := OpenNative(t.Context(), c, p)
		require.Error(t, err, name)
	}
	c := nativeConfig(token)
	c.PIN = pin("000000")
	_, err := OpenNative(t.Context(), c, IBMEP11())
	require.ErrorIs(t, err, hsm.ErrAuth)
	counts, err := token.Counts()
	require.NoError(t, err)
	require.Equal(t, testtoken.Counts{WrongPINs: 1, Opened: counts.Opened}, counts, "nothing but the one wrong PIN reached the token")
}

// TestNativeInterrupted holds that what an interrupted Import or Delete leaves is neither listed nor in the way.
func TestNativeInterrupted(t *testing.T) {
	b, token := native(t)
	secret, err := keyshare.Generate()
	require.NoError(t, err)
	defer secret.Destroy()

	set(t, token, testtoken.Behaviour{Refuse: []testtoken.Refusal{
		{Function: "C_CreateObject", Code: pkcs11.CKR_OK, Times: 1},
		{Function: "C_CreateObject", Code: pkcs11.CKR_DEVICE_MEMORY, Times: 1},
	}})
	_, err = b.Import(t.Context(), "label", secret)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	_, err = b.Open(t.Context(), secret.PublicKey())
	require.ErrorIs(t, err, hsm.ErrNotFound)
	k, err := b.Import(t.Context(), "label", secret)
	require.NoError(t, err)
	require.NoError(t, hsm.TestSign(t.Context(), k))
	require.Equal(t, []keyshare.PublicKey{secret.PublicKey()}, listed(t, b))
	counts, err := token.Counts()
	require.NoError(t, err)
	require.Equal(t, 2, counts.Objects, "the private key that was left is used")

	set(t, token, testtoken.Behaviour{Refuse: []testtoken.Refusal{
		{Function: "C_DestroyObject", Code: pkcs11.CKR_OK, Times: 1},
		{Function: "C_DestroyObject", Code: pkcs11.CKR_DEVICE_MEMORY, Times: 1},
	}})
	require.ErrorIs(t, b.Delete(t.Context(), secret.PublicKey()), hsm.ErrUnavailable)
	require.Empty(t, listed(t, b))
	_, err = k.SignRoots(t.Context(), keyshare.Root{})
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.NoError(t, b.Delete(t.Context(), secret.PublicKey()))
	require.ErrorIs(t, b.Delete(t.Context(), secret.PublicKey()), hsm.ErrNotFound)
	counts, err = token.Counts()
	require.NoError(t, err)
	require.Zero(t, counts.Objects)
}

func listed(t *testing.T, b hsm.Backend) (keys []keyshare.PublicKey) {
	t.Helper()
	for pk, err := range b.List(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, pk)
	}
	return keys
}

// TestNativeHeals holds that a lost session, a lost login and a removed token are set right, and that calls in flight
// fail as unavailable or succeed.
func TestNativeHeals(t *testing.T) {
	b, token := native(t)
	k := generateNative(t, b, "key")
	sign := func() error { return hsm.TestSign(t.Context(), k) }
	require.NoError(t, sign())

	require.NoError(t, token.DropSessions())
	require.NoError(t, sign())
	require.NoError(t, token.LogOut())
	require.NoError(t, sign())
	require.NoError(t, token.LogOut())
	_, err := b.Open(t.Context(), k.PublicKey())
	require.NoError(t, err, "a key that the lost login hides is not taken for one that is not there")

	set(t, token, testtoken.Behaviour{Removed: true})
	require.ErrorIs(t, sign(), hsm.ErrUnavailable)
	require.ErrorIs(t, sign(), hsm.ErrUnavailable)
	_, err = b.Open(t.Context(), k.PublicKey())
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	set(t, token, testtoken.Behaviour{Slot: 5})
	require.Eventually(t, func() bool { return sign() == nil }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, []keyshare.PublicKey{k.PublicKey()}, listed(t, b))
}

// TestNativeHangs holds that a call ends with its context although the token does not answer, and that the others go on.
func TestNativeHangs(t *testing.T) {
	b, token := native(t)
	k := generateNative(t, b, "key")
	set(t, token, testtoken.Behaviour{Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := k.SignRoots(ctx, keyshare.Root{1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	set(t, token, testtoken.Behaviour{})
	require.NoError(t, hsm.TestSign(t.Context(), k))
	require.NoError(t, token.Close(), "or closing the backend would wait for the call")
}

// TestNativeAbandoned holds that a Generate whose caller has gone is finished before the next one begins: both are of the
// same key.
func TestNativeAbandoned(t *testing.T) {
	b, token := native(t)
	set(t, token, testtoken.Behaviour{Delay: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.Generate(ctx, "label")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = b.Generate(ctx, "another label")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	k := generateNative(t, b, "label")
	require.Equal(t, []keyshare.PublicKey{k.PublicKey()}, listed(t, b))
}

// TestNativeUnderStress signs in many goroutines while sessions and logins are lost and the token goes and comes back.
// Each call returns a right signature or hsm.ErrUnavailable.
func TestNativeUnderStress(t *testing.T) {
	b, token := native(t)
	k := generateNative(t, b, "key")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	signed, failed := 0, 0
	for worker := range 6 {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				root := keyshare.Root{byte(worker), byte(i), byte(i >> 8)}
				sigs, err := k.SignRoots(t.Context(), root)
				mu.Lock()
				switch {
				case err == nil && len(sigs) == 1 && k.PublicKey().Verify(root, sigs[0]):
					signed++
				case errors.Is(err, hsm.ErrUnavailable):
					failed++
				default:
					t.Errorf("worker %d: %d signatures, %v", worker, len(sigs), err)
				}
				mu.Unlock()
				if err != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		time.Sleep(50 * time.Millisecond)
		switch i % 4 {
		case 0:
			require.NoError(t, token.DropSessions())
		case 1:
			require.NoError(t, token.LogOut())
		case 2:
			require.NoError(t, token.Set(testtoken.Behaviour{Removed: true}))
		case 3:
			require.NoError(t, token.Set(testtoken.Behaviour{}))
		}
	}
	group.Wait()
	set(t, token, testtoken.Behaviour{})
	require.NotZero(t, signed)
	t.Logf("%d signed, %d unavailable", signed, failed)
	require.Eventually(t, func() bool { return hsm.TestSign(t.Context(), k) == nil }, 15*time.Second, 50*time.Millisecond)
}

// TestNativeSplit holds that the error says why a key cannot be split.
func TestNativeSplit(t *testing.T) {
	b, _ := native(t)
	k := generateNative(t, b, "")
	_, _, err := k.Split(t.Context(), 2, nil)
	require.NotErrorIs(t, err, hsm.ErrDenied, "arguments are looked at first")
	var fault *Error
	var to []keyshare.Operator
	for id := range keyshare.Index(2) {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		to = append(to, keyshare.Operator{ID: id + 1, PublicKey: &private.PublicKey})
	}
	_, _, err = k.Split(t.Context(), 2, to)
	require.ErrorAs(t, err, &fault)
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.Contains(t, fault.Fault, "cannot split")
	require.Contains(t, fault.Remedy, "import the shares")
}

// TestNativeTwice holds that a label of two keys is an error, not one of the two.
func TestNativeTwice(t *testing.T) {
	b, _ := native(t)
	first := generateNative(t, b, "twice")
	inSession(t, b.token, func(_ *pkcs11.Ctx, s pkcs11.SessionHandle) error { // as another process would
		_, _, err := b.generateKeyPair(s, true, []byte("another"), "twice")
		return err
	})
	_, err := b.Generate(t.Context(), "twice")
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	require.ErrorContains(t, err, `"twice"`)
	require.Len(t, listed(t, b), 2)
	require.NoError(t, hsm.TestSign(t.Context(), first), "it still signs")
}

// TestNativeWeakKey holds that a key that the token would give out is not opened.
func TestNativeWeakKey(t *testing.T) {
	b, token := native(t)
	set(t, token, testtoken.Behaviour{Fault: testtoken.KeysExtractable})
	_, err := b.Generate(t.Context(), "weak")
	var mismatch *MismatchError
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, WrongProtection, mismatch.Mismatch)
	_, err = b.Generate(t.Context(), "weak")
	require.ErrorAs(t, err, &mismatch)
}

// TestNativeWrongLater holds that a signature in a wrong form is an error also after the token was opened.
func TestNativeWrongLater(t *testing.T) {
	b, token := native(t)
	k := generateNative(t, b, "")
	for _, f := range []testtoken.Fault{testtoken.ShortSignature, testtoken.InfinitePoint, testtoken.PartsSwapped} {
		set(t, token, testtoken.Behaviour{Fault: f})
		sigs, err := k.SignRoots(t.Context(), keyshare.Root{1})
		require.Error(t, err, f)
		require.Empty(t, sigs)
	}
	set(t, token, testtoken.Behaviour{Fault: testtoken.OtherKey})
	_, err := b.Generate(t.Context(), "next")
	require.ErrorIs(t, err, hsm.ErrCorrupt, "a new key's test signature")
}

// TestNativeEncodings runs a token's points through each encoding of a profile.
func TestNativeEncodings(t *testing.T) {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	defer k.Destroy()
	sigs, err := k.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	for encoding, length := range map[Encoding]int{Compressed: 48, Uncompressed: 96, Prefixed: 97} {
		p := Profile{Name: "test", Point: encoding, Signature: encoding}
		der := p.pointAttribute(k.PublicKey()).Value
		require.Len(t, der, 2+length)
		pk, err := p.parsePoint(der)
		require.NoError(t, err)
		require.Equal(t, k.PublicKey(), pk)
		require.Equal(t, length, encoding.length(widthG1))
		_, err = p.parsePoint(slices.Concat(der, []byte{0}))
		require.ErrorContains(t, err, "OCTET STRING")
	}
	short := sigs[0].Bytes()
	sig, err := Profile{Signature: Compressed}.parseSignature(short[:])
	require.NoError(t, err)
	require.Equal(t, sigs[0], sig)
}

// FuzzOctets holds that what is read as an OCTET STRING is written as the same bytes.
func FuzzOctets(f *testing.F) {
	f.Add([]byte{4, 1, 2})
	f.Add(append([]byte{4, 0x81, 193}, make([]byte, 193)...))
	f.Add([]byte{4, 0x81, 1, 2})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		if inner, ok := octets(der); ok {
			head := []byte{4, byte(len(inner))}
			if len(inner) >= 0x80 {
				head = []byte{4, 0x81, byte(len(inner))}
			}
			require.Equal(t, der, slices.Concat(head, inner))
		}
	})
}

// FuzzPoint holds that no public key or signature that a token answers makes the decoders do worse than refuse it.
func FuzzPoint(f *testing.F) {
	f.Add(append([]byte{4, 97, 4}, make([]byte, 96)...), 3)
	f.Add(make([]byte, 192), 2)
	f.Add([]byte{}, 1)
	f.Fuzz(func(t *testing.T, b []byte, encoding int) {
		e := Encoding(encoding)
		if e < Compressed || e > Prefixed {
			return
		}
		p := Profile{Name: "fuzz", Point: e, Signature: e}
		if pk, err := p.parsePoint(b); err == nil {
			require.Equal(t, b, p.pointAttribute(pk).Value)
		}
		if sig, err := p.parseSignature(b); err == nil {
			require.False(t, sig.IsZero())
		}
	})
}
