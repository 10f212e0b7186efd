//go:build cgo && unix

package checks

import (
	"crypto/rand"
	"crypto/rsa"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/keyshare"
)

// tokenValues makes a value of every type of package pkcs11 that holds a secret, with a
// cache so that it does. The PIN comes from a function and is in none of them.
func tokenValues(t *testing.T) []secretValue {
	module := softhsmtest.Token(t)
	records := must[store.Store](t)(store.OpenFile(filepath.Join(t.TempDir(), "keys.db"), nil))
	pin := func() ([]byte, error) { return slices.Clone([]byte(softhsmtest.UserPIN)), nil }
	token := must[*pkcs11.Token](t)(pkcs11.Open(t.Context(), pkcs11.Config{
		Module: module, Token: "dvkeys", PIN: pin, Store: records, CreateKEK: true, Cache: true,
	}))
	t.Cleanup(func() { require.NoError(t, token.Close()) })
	b := scalar("token")
	key := must[hsm.Key](t)(token.Import(t.Context(), "label", must[*keyshare.SecretKey](t)(keyshare.ParseSecretKey(b))))
	_, err := key.SignRoots(t.Context(), keyshare.Root{1})
	require.NoError(t, err)
	private := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	operator := must[*pkcs11.RSAKey](t)(token.ImportRSA(t.Context(), "operator", private))
	secrets := [][]byte{b, private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes()}
	return []secretValue{
		{"pkcs11.Token", token, secrets},
		{"hsm.Key of a token", key, secrets},
		{"pkcs11.RSAKey", operator, secrets},
	}
}
