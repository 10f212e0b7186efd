//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
)

// TestDetachedUnderCall throws away the context of crypto11 under a call that is running and about to fail, while another
// call asks for a new one: neither may wait for the other.
func TestDetachedUnderCall(t *testing.T) {
	token := rsaToken(t)
	m := token.device.module
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	errFailed := errors.New("failed")
	in, fail := make(chan *crypto11.Context), make(chan struct{})
	first := make(chan error, 1)
	runs := 0
	go func() {
		_, err := withCrypto11(ctx, token, token.device.module.during, "test", func(c *crypto11.Context) (int, error) {
			if runs++; runs == 1 {
				in <- c
				<-fail
				return 0, errFailed
			}
			return 0, nil
		})
		first <- err
	}()
	c := <-in
	id, err := token.crypto11()
	require.NoError(t, err)
	id.detach(m, c)
	second := make(chan error, 1)
	go func() {
		_, err := withCrypto11(ctx, token, token.device.module.during, "test", func(*crypto11.Context) (int, error) { return 0, nil })
		second <- err
	}()
	require.Eventually(t, func() bool { // the second call makes its context, for which it waits until the first has ended
		if id.making.TryLock() {
			id.making.Unlock()
			return false
		}
		return true
	}, 5*time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	close(fail)
	require.NoError(t, <-second)
	require.NoError(t, <-first, "the call runs again, with the new context")
	require.Equal(t, 2, runs)

	_, err = withCrypto11(ctx, token, token.device.module.during, "test", func(*crypto11.Context) (int, error) { return 0, errFailed })
	require.ErrorIs(t, err, errFailed, "nobody threw the context away")
	start := time.Now()
	require.NoError(t, token.Close())
	require.Less(t, time.Since(start), patience)
	_, err = withCrypto11(ctx, token, token.device.module.during, "test", func(*crypto11.Context) (int, error) { return 0, nil })
	require.ErrorIs(t, err, hsm.ErrClosed)
}

// TestSessionsOfCrypto11 holds that SoftHSM opens no session for crypto11 once its context is there.
func TestSessionsOfCrypto11(t *testing.T) {
	token := rsaToken(t)
	d := token.device
	require.True(t, d.module.fragile)
	id, err := token.crypto11()
	require.NoError(t, err)
	c, err := id.get(d)
	require.NoError(t, err)
	slot, _ := d.place()
	next := func() pkcs11.SessionHandle { // SoftHSM counts handles up
		session, err := d.module.raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		require.NoError(t, err)
		require.NoError(t, d.module.raw.CloseSession(session))
		return session
	}
	before := next()
	require.NoError(t, fill(c, 2*cap(d.free)))
	require.Equal(t, before+1, next())
}

// TestFinalizeUnderCall closes the last token while a call is running: the module is left initialized, and finalized after
// the next token.
func TestFinalizeUnderCall(t *testing.T) {
	token := rsaToken(t)
	m := token.device.module
	m.running.Add(1)
	anchor := m.anchor
	require.NotNil(t, anchor)
	require.NoError(t, token.Close())
	require.Same(t, anchor, m.anchor)

	token = rsaToken(t)
	require.Same(t, anchor, m.anchor)
	_, err := withCrypto11(t.Context(), token, token.device.module.during, "test", func(*crypto11.Context) (int, error) { return 0, nil })
	require.NoError(t, err)
	m.running.Add(-1)
	require.NoError(t, token.Close())
	require.Nil(t, m.anchor)
	_, err = m.raw.GetInfo()
	require.ErrorIs(t, err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED))
}

func TestWritten(t *testing.T) {
	plain := []byte{1, 2, 3}
	got, ok := written(plain, 2)
	require.True(t, ok)
	require.Equal(t, []byte{1, 2}, got)
	require.Equal(t, []byte{1, 2, 0}, plain)
	for _, n := range []int{-1, 4, 1 << 40} {
		plain := []byte{1, 2, 3}
		got, ok := written(plain, n)
		require.False(t, ok)
		require.Nil(t, got)
		require.Equal(t, []byte{0, 0, 0}, plain)
	}
}
