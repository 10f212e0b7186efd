package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/softhsmtest"
	"github.com/claystack/dvkeys/internal/vaulttest"
)

// TestUnseal initializes a Vault, keeps its shares under a key in a token, and unseals with them, also after a restart.
func TestUnseal(t *testing.T) {
	s := vaulttest.Start(t, &vaulttest.Options{Raft: true, TLS: true, Uninitialized: true})
	pin, shares := filepath.Join(t.TempDir(), "pin"), filepath.Join(t.TempDir(), "shares.json")
	require.NoError(t, os.WriteFile(pin, []byte(softhsmtest.UserPIN), 0o600))
	flags := []string{"-module", softhsmtest.Token(t), "-token", "dvkeys", "-pin-file", pin, "-shares", shares}

	initial, err := exec.Command(s.Program(), "operator", "init", "-address="+s.Address, "-ca-cert="+s.CAFile, "-key-shares=3", "-key-threshold=2", "-format=json").Output()
	require.NoError(t, err)
	rootToken := program(t, bytes.NewReader(initial), append(flags, "-wrap")...)
	var printed struct {
		B64   []string `json:"unseal_keys_b64"`
		Hex   []string `json:"unseal_keys_hex"`
		Token string   `json:"root_token"`
	}
	require.NoError(t, json.Unmarshal(initial, &printed))
	require.Equal(t, printed.Token+"\n", rootToken, "the root token and nothing else")
	stored, err := os.ReadFile(shares)
	require.NoError(t, err)
	require.Len(t, printed.B64, 3)
	for i, share := range printed.B64 {
		raw, err := base64.StdEncoding.DecodeString(share)
		require.NoError(t, err)
		require.Equal(t, printed.Hex[i], hex.EncodeToString(raw))
		for _, form := range []string{share, printed.Hex[i], string(raw)} {
			require.NotContains(t, string(stored), form, "no share is in the file")
		}
	}

	at := append(flags, "-address", s.Address, "-ca", s.CAFile)
	refused(t, "expected https", nil, append(flags, "-address", "http://192.0.2.1:8200")...)
	require.Equal(t, s.Address+" is unsealed\n", program(t, nil, at...))
	s.Token = printed.Token
	require.NoError(t, s.AwaitActive())
	require.NoError(t, s.Call("GET", "sys/mounts", nil, nil))
	require.Equal(t, s.Address+" is unsealed\n", program(t, nil, at...), "it may be run again")

	s.Kill()
	require.NoError(t, s.Launch())
	program(t, nil, at...)
	require.NoError(t, s.AwaitActive())
	require.NoError(t, s.Call("PUT", "sys/seal", nil, nil))

	one := filepath.Join(t.TempDir(), "one.json")
	var file sharesFile
	require.NoError(t, json.Unmarshal(stored, &file))
	file.Shares = file.Shares[:1]
	text, err := json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(one, text, 0o600))
	refused(t, "has 1 of 2 shares", nil, append(at, "-shares", one)...)
	require.Error(t, s.Call("GET", "sys/mounts", nil, nil))

	file.Shares[0][7] ^= 1
	text, err = json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(one, text, 0o600))
	refused(t, "share 1 of", nil, append(at, "-shares", one)...)
	refused(t, "file exists", bytes.NewReader(initial), append(flags, "-wrap")...)
	err = refused(t, "stdin is not what", strings.NewReader(`{"unseal_keys_b64":["`+printed.B64[0]+`"`), append(flags, "-wrap", "-shares", "new.json")...)
	require.NotContains(t, err.Error(), printed.B64[0])
}

func TestFlags(t *testing.T) {
	refused(t, "-pin-file: is missing", nil)
	refused(t, "flags only expected", nil, "-pin-file", "pin", "more")
}

func program(t *testing.T, in io.Reader, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), args, in, &out, io.Discard))
	return out.String()
}

func refused(t *testing.T, text string, in io.Reader, args ...string) error {
	t.Helper()
	err := run(context.Background(), args, in, io.Discard, io.Discard)
	require.ErrorContains(t, err, text)
	return err
}
