//go:build cgo && unix

package pkcs11

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

var _ slashing.Counter = (*Counter)(nil)

// objects returns the numbers of all objects of a counter.
func objects(t *testing.T, token *Token, c *Counter) (numbers []uint64) {
	t.Helper()
	inSession(t, token, func(_ *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		values, err := c.values(session)
		for _, v := range values {
			numbers = append(numbers, v)
		}
		return err
	})
	return numbers
}

// plant adds an object to a counter, as a process leaves it that is killed while it raises the number.
func plant(t *testing.T, token *Token, c *Counter, value []byte) {
	t.Helper()
	inSession(t, token, func(raw *pkcs11.Ctx, session pkcs11.SessionHandle) error {
		_, err := raw.CreateObject(session, append(c.template(), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE, value)))
		return err
	})
}

func TestCounter(t *testing.T) {
	ctx, token, label := t.Context(), rsaToken(t), unique("counter")
	_, err := token.Counter(ctx, label)
	require.ErrorIs(t, err, hsm.ErrNotFound)
	c, err := token.CreateCounter(ctx, label)
	require.NoError(t, err)
	_, err = token.CreateCounter(ctx, label)
	require.ErrorIs(t, err, hsm.ErrExists)
	require.ErrorContains(t, err, c.String())
	require.Equal(t, []uint64{0}, objects(t, token, c))

	for _, step := range []struct{ raise, want uint64 }{{7, 7}, {3, 7}, {7, 7}, {8, 8}, {1 << 63, 1 << 63}} {
		require.NoError(t, c.Raise(ctx, step.raise))
		got, err := c.Read(ctx)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
		require.Equal(t, []uint64{step.want}, objects(t, token, c))
	}
	again, err := rsaToken(t).Counter(ctx, label) // by another session
	require.NoError(t, err)
	got, err := again.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(1<<63), got)
	require.NoError(t, again.Raise(ctx, 5))
	require.Equal(t, []uint64{1 << 63}, objects(t, token, c), "it does not fall")

	other, err := token.CreateCounter(ctx, unique("counter"))
	require.NoError(t, err)
	got, err = other.Read(ctx)
	require.NoError(t, err)
	require.Zero(t, got, "each label has its own")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, other.Raise(ended, 1), context.Canceled)
	for _, label := range []string{"", "ü"} {
		_, err := token.CreateCounter(ctx, label)
		require.ErrorContains(t, err, "label")
		_, err = token.Counter(ctx, label)
		require.ErrorContains(t, err, "label")
	}
}

// A counter that is hidden, because nobody is logged in any more, is neither gone nor free to be made.
func TestCounterLostLogin(t *testing.T) {
	ctx, token, label := t.Context(), rsaToken(t), unique("counter")
	c, err := token.CreateCounter(ctx, label)
	require.NoError(t, err)
	require.NoError(t, c.Raise(ctx, 7))
	logOut(t, token)
	got, err := c.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(7), got)
	logOut(t, token)
	_, err = token.CreateCounter(ctx, label)
	require.ErrorIs(t, err, hsm.ErrExists)
	logOut(t, token)
	require.NoError(t, c.Raise(ctx, 8))
	require.Equal(t, []uint64{8}, objects(t, token, c))
}

// Whatever processes that were killed have left, the highest number counts.
func TestCounterLeftovers(t *testing.T) {
	ctx, token := t.Context(), rsaToken(t)
	c, err := token.CreateCounter(ctx, unique("counter"))
	require.NoError(t, err)
	for n := range uint64(25) { // more than a token gives at a time
		plant(t, token, c, binary.BigEndian.AppendUint64(nil, 100-n))
	}
	got, err := c.Read(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 100, got)
	require.NoError(t, c.Raise(ctx, 99))
	require.Len(t, objects(t, token, c), 26, "nothing was done")
	require.NoError(t, c.Raise(ctx, 101))
	require.Equal(t, []uint64{101}, objects(t, token, c))

	plant(t, token, c, []byte("short"))
	_, err = c.Read(ctx)
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	require.ErrorIs(t, c.Raise(ctx, 102), hsm.ErrCorrupt)
}

// Many raise at the same time, in no order: none returns before the number is as high as his.
func TestCounterConcurrently(t *testing.T) {
	ctx, token := t.Context(), rsaToken(t)
	c, err := token.CreateCounter(ctx, unique("counter"))
	require.NoError(t, err)
	var group sync.WaitGroup
	for n := range uint64(40) {
		group.Go(func() {
			if err := c.Raise(ctx, n+1); err != nil {
				t.Error(err)
			}
			if got, err := c.Read(ctx); err != nil || got < n+1 {
				t.Error(got, err)
			}
		})
	}
	group.Wait()
	require.Equal(t, []uint64{40}, objects(t, token, c))
}

// A history of signatures that was restored from a backup is refused, and so is a new one in its place.
func TestCounterOfHistory(t *testing.T) {
	ctx, token, label := t.Context(), rsaToken(t), unique("history")
	c, err := token.CreateCounter(ctx, label)
	require.NoError(t, err)
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "history.db"), []byte(nil)
	require.NoError(t, slashing.Create(path, keyshare.Root{}, slashing.Minimal))
	validator, err := keyshare.Generate()
	require.NoError(t, err)
	for slot := range uint64(3) {
		s, err := slashing.Open(ctx, path, keyshare.Root{}, &slashing.Options{Counter: c})
		require.NoError(t, err)
		require.NoError(t, s.Protect(ctx, signer.Claim{Validator: validator.PublicKey(), Duty: signer.Block{Slot: slot}})[0])
		require.NoError(t, s.Close())
		if slot == 1 {
			backup, err = os.ReadFile(path)
			require.NoError(t, err)
		}
	}
	later, err := token.Counter(ctx, label) // as after a restart
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, backup, 0o600))
	_, err = slashing.Open(ctx, path, keyshare.Root{}, &slashing.Options{Counter: later})
	require.ErrorIs(t, err, slashing.ErrRollback)
	require.NoError(t, os.Remove(path))
	require.NoError(t, slashing.Create(path, keyshare.Root{}, slashing.Minimal))
	_, err = slashing.Open(ctx, path, keyshare.Root{}, &slashing.Options{Counter: later})
	require.ErrorIs(t, err, slashing.ErrRollback)
}
