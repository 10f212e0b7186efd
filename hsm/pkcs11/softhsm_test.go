//go:build cgo && unix

package pkcs11

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/internal/softhsmtest"
)

const userPIN = softhsmtest.UserPIN

// The tokens that TestMain makes. Two have the same label.
const (
	mainToken  = "main"
	otherToken = "other"
	twinToken  = "twins"
)

// soft is the path of SoftHSM's module, or why there is none.
var soft struct {
	path string
	err  error
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if testtoken.Served() {
			return 0
		}
		dir, err := os.MkdirTemp("", "softhsm")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if task := os.Getenv(taskVariable); task != "" {
			return child(task)
		}
		soft.path, soft.err = softhsmtest.Make(dir, mainToken, otherToken, twinToken, twinToken)
		return pgtest.Run(m)
	}())
}

// softHSM returns SoftHSM's path, or skips the test. In continuous integration a missing module fails it.
func softHSM(tb testing.TB) string {
	tb.Helper()
	if soft.err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal(soft.err)
		}
		tb.Skip(soft.err)
	}
	return soft.path
}

func pin(text string) PIN { return func() ([]byte, error) { return []byte(text), nil } }

var names atomic.Int64

// unique makes a label that no object of a token has, also when a test runs for a second time.
func unique(label string) string { return fmt.Sprintf("%s %d", label, names.Add(1)) }

// config opens the main token with a new store file and a key-encryption key of its own.
func config(tb testing.TB) Config {
	tb.Helper()
	return Config{
		Module: softHSM(tb), Token: mainToken, PIN: pin(userPIN), CreateKEK: true,
		KEK:   unique("kek"),
		Store: openStore(tb, filepath.Join(tb.TempDir(), "keys.db")),
	}
}

func openStore(tb testing.TB, path string) store.Store {
	tb.Helper()
	s, err := store.OpenFile(path, nil)
	require.NoError(tb, err)
	return s
}

func openToken(tb testing.TB, c Config) *Token {
	tb.Helper()
	token, err := Open(context.Background(), c)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, token.Close()) })
	return token
}

// inSession runs f with a session of the token, to do to it what its owner could.
func inSession(tb testing.TB, t *Token, f func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error) {
	tb.Helper()
	_, err := use(context.Background(), t.device, "test", func(session pkcs11.SessionHandle) (struct{}, error) {
		return struct{}{}, f(t.device.module.raw, session)
	}, nil)
	require.NoError(tb, err)
}

// generateAES makes an AES key with the given attributes changed from what generateKEK makes.
func generateAES(tb testing.TB, t *Token, label string, change map[uint]any) {
	tb.Helper()
	inSession(tb, t, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		template := map[uint]any{
			pkcs11.CKA_CLASS: pkcs11.CKO_SECRET_KEY, pkcs11.CKA_KEY_TYPE: pkcs11.CKK_AES, pkcs11.CKA_VALUE_LEN: 32,
			pkcs11.CKA_TOKEN: true, pkcs11.CKA_PRIVATE: true, pkcs11.CKA_SENSITIVE: true, pkcs11.CKA_EXTRACTABLE: false,
			pkcs11.CKA_ENCRYPT: true, pkcs11.CKA_DECRYPT: true, pkcs11.CKA_WRAP: false, pkcs11.CKA_UNWRAP: false,
			pkcs11.CKA_LABEL: label,
		}
		for k, v := range change {
			template[k] = v
		}
		var attributes []*pkcs11.Attribute
		for k, v := range template {
			attributes = append(attributes, pkcs11.NewAttribute(k, v))
		}
		_, err := raw.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, attributes)
		return err
	})
}
