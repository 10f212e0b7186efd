//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
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
		_, err := withCrypto11(ctx, token, "test", func(c *crypto11.Context) (int, error) {
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
		_, err := withCrypto11(ctx, token, "test", func(*crypto11.Context) (int, error) { return 0, nil })
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

	_, err = withCrypto11(ctx, token, "test", func(*crypto11.Context) (int, error) { return 0, errFailed })
	require.ErrorIs(t, err, errFailed, "nobody threw the context away")
	start := time.Now()
	require.NoError(t, token.Close())
	require.Less(t, time.Since(start), patience)
	_, err = withCrypto11(ctx, token, "test", func(*crypto11.Context) (int, error) { return 0, nil })
	require.ErrorIs(t, err, hsm.ErrClosed)
}
