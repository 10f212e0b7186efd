//go:build cgo && unix

package pkcs11

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

// rsaToken opens the main token without a store.
func rsaToken(tb testing.TB) *Token {
	tb.Helper()
	return openToken(tb, Config{Module: softHSM(tb), Token: mainToken, PIN: pin(userPIN)})
}

func TestRSA(t *testing.T) {
	token := rsaToken(t)
	imported, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, make := range map[string]func(label string) (*RSAKey, error){
		"generated": func(label string) (*RSAKey, error) { return token.GenerateRSA(t.Context(), label) },
		"imported":  func(label string) (*RSAKey, error) { return token.ImportRSA(t.Context(), label, imported) },
	} {
		t.Run(name, func(t *testing.T) {
			label := unique("rsa " + name)
			_, err := make(label)
			require.NoError(t, err)
			_, err = make(label)
			require.ErrorIs(t, err, hsm.ErrExists)
			require.ErrorContains(t, err, label)

			k := token.RSA(label)
			public, ok := k.Public().(*rsa.PublicKey)
			require.True(t, ok)
			require.Equal(t, 2048, public.N.BitLen())
			require.Equal(t, 65537, public.E)
			requireOpens(t, k, public)
			requireRSASigns(t, k, public)
			inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
				pair, err := k.find(session)
				require.NoError(t, err)
				_, err = raw.GetAttributeValue(session, pair.private, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_PRIVATE_EXPONENT, nil)})
				require.ErrorIs(t, err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE))
				return nil
			})
		})
	}
}

// requireOpens seals shares to the key and opens its own.
func requireOpens(t *testing.T, k *RSAKey, public *rsa.PublicKey) {
	t.Helper()
	whole, err := keyshare.Generate()
	require.NoError(t, err)
	defer whole.Destroy()
	group, shares, err := keyshare.Split(whole, 2, []keyshare.Index{7, 9})
	require.NoError(t, err)
	sealed, err := shares[0].Seal(keyshare.Operator{ID: 7, PublicKey: public})
	require.NoError(t, err)
	share, err := keyshare.Open(sealed, 7, k, group)
	require.NoError(t, err)
	defer share.Destroy()
	require.Equal(t, shares[0].PublicKey(), share.PublicKey())

	for name, change := range map[string]func([]byte) []byte{
		"bit":   func(b []byte) []byte { b[100] ^= 1; return b },
		"short": func(b []byte) []byte { return b[:255] },
		"long":  func(b []byte) []byte { return append(b, 0) },
		"empty": func(b []byte) []byte { return nil },
		"zero":  func(b []byte) []byte { clear(b); return b },
		"above": func(b []byte) []byte { b[0] = 0xff; b[1] = 0xff; return b },
	} {
		plain, err := k.Decrypt(nil, change(append([]byte(nil), sealed.Ciphertext...)), nil)
		require.Equal(t, ErrDecrypt, err, name)
		require.Nil(t, plain)
	}
	_, err = k.Decrypt(nil, sealed.Ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256})
	require.ErrorContains(t, err, "OAEPOptions")
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	_, err = k.Decrypt(nil, sealed.Ciphertext, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 66})
	require.ErrorContains(t, err, "SessionKeyLen")
}

func requireRSASigns(t *testing.T, k *RSAKey, public *rsa.PublicKey) {
	t.Helper()
	digest := sha256.Sum256([]byte("message"))
	signature, err := k.Sign(nil, digest[:], crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature))
	for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 20} {
		signature, err = k.Sign(nil, digest[:], &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: salt})
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}))
	}
	_, err = k.Sign(nil, digest[:31], crypto.SHA256)
	require.ErrorContains(t, err, "digest of its size")
	for _, options := range []crypto.SignerOpts{nil, crypto.Hash(0), crypto.Hash(99), &rsa.PSSOptions{}} {
		_, err = k.Sign(nil, digest[:], options)
		require.ErrorContains(t, err, "expected options")
	}
}

func TestRSARefused(t *testing.T) {
	token := rsaToken(t)
	_, err := token.RSA("absent").PublicKey(t.Context())
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.ErrorContains(t, err, `RSA key "absent" is not in the token "main"`)
	require.Nil(t, token.RSA("absent").Public())
	_, err = token.RSA("absent").Decrypt(nil, make([]byte, 256), nil)
	require.ErrorIs(t, err, hsm.ErrNotFound)

	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = token.ImportRSA(t.Context(), "small", small)
	require.ErrorContains(t, err, "2048 bits")
	_, err = token.ImportRSA(t.Context(), "nil", nil)
	require.Error(t, err)
	_, err = token.GenerateRSA(t.Context(), "")
	require.ErrorContains(t, err, "label")

	generate := func(label string, extractable bool) {
		inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
			private := append(privateRSA(), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
			for i, a := range private {
				if a.Type == pkcs11.CKA_EXTRACTABLE {
					private[i] = pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, extractable)
				}
			}
			_, _, err := raw.GenerateKeyPair(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)},
				[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})}, private)
			return err
		})
	}
	extractable, double := unique("extractable"), unique("double")
	generate(extractable, true)
	_, err = token.RSA(extractable).PublicKey(t.Context())
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.ErrorContains(t, err, "can be read out")
	generate(double, false)
	generate(double, false)
	_, err = token.RSA(double).PublicKey(t.Context())
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.ErrorContains(t, err, "2 private keys")
}

func TestRSAPrints(t *testing.T) {
	require.Contains(t, fmt.Sprint(rsaToken(t).RSA("x")), `RSA key "x" in PKCS #11 token "main"`)
}

// TestRSASurvives kills all sessions under an RSA key that has been used.
func TestRSASurvives(t *testing.T) {
	token := rsaToken(t)
	k, err := token.GenerateRSA(t.Context(), unique("survivor"))
	require.NoError(t, err)
	public, err := k.PublicKey(t.Context())
	require.NoError(t, err)
	requireRSASigns(t, k, public)
	for range 3 {
		killSessions(t, token)
		requireRSASigns(t, k, public)
		requireOpens(t, k, public)
	}
	for range 5 {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5 {
					digest := sha256.Sum256([]byte("message"))
					if signature, err := k.Sign(nil, digest[:], crypto.SHA256); err != nil || rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) != nil {
						t.Error("signing failed", err)
					}
				}
			})
		}
		for range attempts - 1 { // no call may meet more
			killSessions(t, token)
		}
		group.Wait()
	}
}

// killSessions closes all sessions of this process with the token, between calls, as the loss of a connection does.
func killSessions(tb testing.TB, t *Token) {
	tb.Helper()
	m := t.device.module
	slot, _ := t.device.place()
	m.churn.Lock()
	defer m.churn.Unlock()
	require.NoError(tb, m.raw.CloseAllSessions(slot))
}

// TestHostInitialized opens a token in a process that has initialized the module already.
func TestHostInitialized(t *testing.T) {
	path := softHSM(t)
	host := pkcs11.New(path)
	require.NoError(t, host.Initialize())
	token := rsaToken(t)
	_, err := token.GenerateRSA(t.Context(), unique("by crypto11"))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "initialized the module before")
	imported, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	k, err := token.ImportRSA(t.Context(), unique("imported into a host's module"), imported)
	require.NoError(t, err)
	requireOpens(t, k, &imported.PublicKey)
	require.NoError(t, token.Close())
	_, err = host.GetSlotList(true)
	require.NoError(t, err, "the host's module is still initialized")
	require.NoError(t, host.Finalize())

	token, err = Open(context.Background(), Config{Module: path, Token: mainToken, PIN: pin(userPIN)})
	require.NoError(t, err)
	require.NoError(t, token.Close())
	require.NoError(t, host.Initialize(), "this package finalizes what it initialized")
	require.NoError(t, host.Finalize())
}
