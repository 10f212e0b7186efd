package software_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
)

func TestWrongPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	b := open(t, path)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	for _, wrong := range []string{"Passphrase", "passphrase ", "passphrase\n", "p"} {
		_, err := software.Open(path, pass(wrong), nil)
		require.ErrorIs(t, err, software.ErrPassphrase, "%q", wrong)
		require.ErrorIs(t, err, hsm.ErrAuth)
	}
	again, err := open(t, path).Open(t.Context(), k.PublicKey())
	require.NoError(t, err, "a wrong passphrase leaves the file as it is, and unlocked")
	require.NoError(t, hsm.TestSign(t.Context(), again))
}

func TestPassphraseIsAskedForOnceAndWiped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	var given []byte
	calls := 0
	ask := func() ([]byte, error) {
		calls++
		given = []byte("passphrase")
		return given, nil
	}
	for i := range 2 { // the first makes the file
		b, err := software.Open(path, ask, nil)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.Equal(t, i+1, calls)
		require.Equal(t, make([]byte, len("passphrase")), given)
	}
}

func TestPassphraseFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	refused := errors.New("no terminal")
	leaked := []byte("half a passphrase")
	for _, makes := range []bool{true, false} {
		_, err := software.Open(path, func() ([]byte, error) { return leaked, refused }, nil)
		require.ErrorIs(t, err, refused)
		require.Equal(t, make([]byte, len(leaked)), leaked)
		_, err = software.Open(path, pass(""), nil)
		require.ErrorContains(t, err, "passphrase is empty")
		require.NotErrorIs(t, err, software.ErrPassphrase)
		_, err = software.Open(path, nil, nil)
		require.ErrorContains(t, err, "no passphrase function")
		if makes {
			require.NoFileExists(t, path)
			require.NoError(t, open(t, path).Close())
		}
	}
}

func TestMustExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	_, err := software.Open(path, pass("passphrase"), &software.Options{MustExist: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, path)
	_, err = software.Open(filepath.Join(path, "no such folder", "keys.db"), pass("passphrase"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestChangePassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	b := open(t, path)
	k, err := b.Generate(t.Context(), "x")
	require.NoError(t, err)
	require.ErrorContains(t, b.ChangePassphrase(pass("")), "passphrase is empty")
	require.NoError(t, b.ChangePassphrase(pass("another")))
	require.NoError(t, hsm.TestSign(t.Context(), k), "open keys stay open")
	late, err := b.Generate(t.Context(), "late")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.ChangePassphrase(pass("third")), hsm.ErrClosed)

	_, err = software.Open(path, pass("passphrase"), nil)
	require.ErrorIs(t, err, software.ErrPassphrase)
	b, err = software.Open(path, pass("another"), nil)
	require.NoError(t, err)
	defer b.Close()
	for _, pk := range []keyshare.PublicKey{k.PublicKey(), late.PublicKey()} {
		k, err := b.Open(t.Context(), pk)
		require.NoError(t, err)
		require.NoError(t, hsm.TestSign(t.Context(), k))
	}
}

func TestPassphraseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pass")
	long := strings.Repeat("x", 4096)
	for content, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", "secret\n\n": "secret\n", " secret \n": " secret ",
		"\r": "\r", "\n": "", "": "", long: long, long[1:] + "\n": long[1:], "\xff\x00\n": "\xff\x00",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		got, err := software.PassphraseFile(path)()
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	require.NoError(t, os.WriteFile(path, []byte(long+"y"), 0o600))
	_, err := software.PassphraseFile(path)()
	require.ErrorContains(t, err, "more than 4096 bytes")
	require.NotContains(t, err.Error(), "xxx")

	for mode, ok := range map[fs.FileMode]bool{0o400: true, 0o640: true, 0o644: false, 0o604: false} {
		require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		_, err = software.PassphraseFile(path)()
		if ok {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "everybody can read it")
		}
		require.NoError(t, os.Chmod(path, 0o600))
	}
	_, err = software.PassphraseFile(filepath.Dir(path))()
	require.Error(t, err, "a folder")
	_, err = software.PassphraseFile(path + "missing")()
	require.ErrorIs(t, err, fs.ErrNotExist)
}
