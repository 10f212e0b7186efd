//go:build cgo && unix

package pkcs11

import (
	"context"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
)

// faulty returns the checks that found something wrong, by name.
func faulty(checks []Check) map[string]error {
	found := map[string]error{}
	for _, c := range checks {
		if c.Err != nil {
			found[c.Name] = c.Err
		}
	}
	return found
}

func TestDiagnose(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	checks := Diagnose(ctx, c)
	require.Empty(t, faulty(checks))
	found := map[string]string{}
	for _, c := range checks {
		require.NotEmpty(t, c.Found, c.Name)
		found[c.Name] = c.Found
	}
	require.Contains(t, found["module"], "SoftHSM")
	require.Contains(t, found["token"], `"main" in slot`)
	require.Contains(t, found["key-encryption key"], "missing, will be generated")
	require.Contains(t, found["protection"], "JustInTime, not hardware")
	header, err := c.Store.Header(ctx)
	require.NoError(t, err)
	require.Nil(t, header, "the store is left alone")

	token := openToken(t, c)
	require.Contains(t, Diagnose(ctx, c)[len(checks)-3].Found, "never extractable", "beside an open token")
	_, err = token.Generate(ctx, "")
	require.NoError(t, err)
}

func TestDiagnoseFaults(t *testing.T) {
	ctx := t.Context()
	c := config(t)
	c.CreateKEK = false
	var fault *Error
	require.ErrorAs(t, faulty(Diagnose(ctx, c))["key-encryption key"], &fault)
	require.Contains(t, fault.Remedy, "CreateKEK")

	c.PIN = pin("0000-none")
	found := faulty(Diagnose(ctx, c))
	require.Len(t, found, 1)
	require.ErrorIs(t, found["login"], hsm.ErrAuth)

	c.Token = "absent"
	require.ErrorIs(t, faulty(Diagnose(ctx, c))["token"], hsm.ErrUnavailable)
	c.Module = "/nowhere.so"
	require.ErrorAs(t, faulty(Diagnose(ctx, c))["module"], &fault)
	c.Module = ""
	require.ErrorContains(t, faulty(Diagnose(ctx, c))["configuration"], "set Module")
	require.NoError(t, c.Store.Close())

	require.ErrorIs(t, pinState(pkcs11.TokenInfo{Flags: pkcs11.CKF_USER_PIN_LOCKED}), hsm.ErrAuth)
	require.ErrorContains(t, pinState(pkcs11.TokenInfo{Flags: pkcs11.CKF_USER_PIN_FINAL_TRY}), "not tried")
	require.ErrorContains(t, pinState(pkcs11.TokenInfo{}), "no user PIN")
	require.Error(t, sessionsFit(pkcs11.TokenInfo{MaxSessionCount: 16, MaxRwSessionCount: 8}, 4))
	require.NoError(t, sessionsFit(pkcs11.TokenInfo{MaxSessionCount: 16, MaxRwSessionCount: 16}, 4))
}

// TestAsk holds that a question to a module that hangs ends with the context, and that the module is left as it is then.
func TestAsk(t *testing.T) {
	token := rsaToken(t)
	m := token.device.module
	ctx, cancel := context.WithCancel(t.Context())
	release, ended := make(chan struct{}), make(chan struct{})
	_, err := ask(ctx, m, func() (int, error) {
		defer close(ended)
		cancel()
		<-release
		return 1, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NotZero(t, m.running.Load())
	close(release)
	<-ended
	n, err := ask(t.Context(), m, func() (int, error) { return 2, nil })
	require.NoError(t, err)
	require.Equal(t, 2, n)

	for _, c := range Diagnose(ctx, Config{Module: softHSM(t), Token: mainToken, PIN: pin(userPIN)}) {
		require.ErrorIs(t, c.Err, context.Canceled)
	}
}

func TestIsSoftware(t *testing.T) {
	token := rsaToken(t)
	require.False(t, token.Info().HardwareBacked)
	require.True(t, isSoftware("SoftHSM project"))
	require.True(t, isSoftware("IBM opencryptoki Soft Token"))
	require.False(t, isSoftware("Yubico YubiHSM"))
}
