package main

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

var module, errModule = "", error(nil)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "softhsm")
	if err != nil {
		panic(err)
	}
	module, errModule = softhsmtest.Make(dir, "operator")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// operator runs the program with the test's token.
func operator(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	if errModule != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(errModule)
		}
		t.Skip(errModule)
	}
	pin := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(pin, []byte(softhsmtest.UserPIN+"\n"), 0o600))
	var buf, diag bytes.Buffer
	err = run(t.Context(), append([]string{"-module", module, "-token", "operator", "-pin-file", pin}, args...), &buf, &diag)
	return buf.String(), err
}

// keyshares makes a keyshares file of two validators whose operator 7 has the given key.
func keyshares(t *testing.T, operatorKey string) *ssv.File {
	t.Helper()
	public, err := ssv.ParseOperatorKey([]byte(operatorKey))
	require.NoError(t, err)
	operators := []keyshare.Operator{{ID: 7, PublicKey: public}}
	for _, id := range []keyshare.Index{20, 30, 40} {
		k, err := ssv.GenerateOperatorKey()
		require.NoError(t, err)
		operators = append(operators, keyshare.Operator{ID: id, PublicKey: &k.PublicKey})
	}
	owner, err := keyshare.ParseAddress("0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494")
	require.NoError(t, err)
	file := &ssv.File{}
	for nonce := range uint64(2) {
		k, err := keyshare.Generate()
		require.NoError(t, err)
		group, shares, err := keyshare.Split(k, 3, []keyshare.Index{7, 20, 30, 40})
		require.NoError(t, err)
		sealed := make([]keyshare.Sealed, len(shares))
		for i, s := range shares {
			sealed[i], err = s.Seal(operators[i])
			require.NoError(t, err)
		}
		ownership, err := k.SignRoots(t.Context(), ssv.OwnerNonceRoot(owner, nonce))
		require.NoError(t, err)
		item, err := ssv.NewItem(group, sealed, operators, owner, nonce, ownership[0])
		require.NoError(t, err)
		file.Items = append(file.Items, *item)
	}
	return file
}

func write(t *testing.T, file *ssv.File) (path string) {
	t.Helper()
	b, err := file.Bytes()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "keyshares.json")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

func TestOperator(t *testing.T) {
	_, err := operator(t)
	require.ErrorContains(t, err, `RSA key "operator" is not in the token`)
	out, err := operator(t, "-generate")
	require.NoError(t, err)
	key, ok := strings.CutPrefix(strings.TrimSpace(out), "operator key ")
	require.True(t, ok)
	require.Len(t, key, ssv.OperatorKeyLen)
	_, err = operator(t, "-generate")
	require.ErrorContains(t, err, "is in the token")

	file := keyshares(t, key)
	path := write(t, file)
	out, err = operator(t, path)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, " good: share 7, "), out)

	store := filepath.Join(t.TempDir(), "shares.db")
	for range 2 {
		out, err = operator(t, "-store", store, path)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(out, " good, in custody: share 7, "), out)
	}

	other, err := ssv.GenerateOperatorKey()
	require.NoError(t, err)
	stranger, err := ssv.FormatOperatorKey(&other.PublicKey)
	require.NoError(t, err)
	out, err = operator(t, "-store", store, write(t, keyshares(t, stranger)))
	require.ErrorContains(t, err, "2 of 2 shares are bad")
	require.Contains(t, out, "BAD: ")
	require.NotContains(t, out, "in custody")
}

// failing is an operator's key of which all but the first decryption fails.
type failing struct {
	crypto.Decrypter
	err   error
	calls int
}

func (k *failing) Decrypt(random io.Reader, ciphertext []byte, options crypto.DecrypterOpts) ([]byte, error) {
	if k.calls++; k.calls > 1 {
		return nil, k.err
	}
	return k.Decrypter.Decrypt(random, ciphertext, options)
}

// TestTokenFails tells a share that does not open from a token that fails after the first share.
func TestTokenFails(t *testing.T) {
	k, err := ssv.GenerateOperatorKey()
	require.NoError(t, err)
	text, err := ssv.FormatOperatorKey(&k.PublicKey)
	require.NoError(t, err)
	file := keyshares(t, text)
	file.Items = append(file.Items, file.Items[1])
	var out bytes.Buffer
	key := &failing{Decrypter: k, err: pkcs11.ErrDecrypt}
	require.EqualError(t, takeShares(t.Context(), file, key, nil, false, &out), "2 of 3 shares are bad")
	require.Equal(t, 2, strings.Count(out.String(), " BAD: "), out.String())
	for _, fault := range []error{hsm.ErrUnavailable, hsm.ErrAuth, hsm.ErrDenied} {
		out.Reset()
		key = &failing{Decrypter: k, err: fmt.Errorf("token: %w", fault)}
		require.ErrorIs(t, takeShares(t.Context(), file, key, nil, false, &out), fault)
		require.Equal(t, 1, strings.Count(out.String(), " good: share 7, "), out.String())
		require.NotContains(t, out.String(), "BAD")
		require.Equal(t, 2, key.calls, "it stops")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key = &failing{Decrypter: k}
	require.ErrorIs(t, takeShares(ctx, file, key, nil, false, &out), context.Canceled)
	require.Zero(t, key.calls)
}

func TestBadArguments(t *testing.T) {
	_, err := operator(t, "a", "b")
	require.ErrorContains(t, err, "one keyshares file")
	_, err = operator(t, filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = operator(t, "-store", "x", "-postgres", "y")
	require.ErrorContains(t, err, "expected one")
}
