package transport_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
)

// Run gives up when its context ends, and says whom it waits for.
func TestRunTimesOut(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	var waiting, all sync.WaitGroup
	waiting.Add(3)
	for i, k := range keys()[:3] {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		var once sync.Once
		o := &dkg.RunOptions{Progress: func(p dkg.Progress) {
			if slices.Equal(p.Missing, []keyshare.Index{4}) {
				once.Do(waiting.Done)
			}
		}}
		all.Go(func() {
			_, err := dkg.Run(ctx, dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k}, j, keep, end, o)
			var late *dkg.TimeoutError
			if assert.ErrorAs(t, err, &late) {
				assert.Equal(t, dkg.RoundHello, late.Round)
				assert.Equal(t, []keyshare.Index{4}, late.Silent)
				assert.ErrorIs(t, err, context.Canceled)
				assert.ErrorIs(t, err, enough)
			}
		})
	}
	waiting.Wait() // until all three lack only the fourth
	cancel(enough)
	all.Wait()
}

// It also gives up when the Params expire.
func TestRunExpires(t *testing.T) {
	p := params(t)
	j, err := dkg.OpenJournal(t.TempDir(), p.Session())
	require.NoError(t, err)
	identity := keys()[0]
	p.Expires = time.Now().Add(2 * time.Second)
	_, err = dkg.Run(t.Context(), dkg.Config{Params: p, ID: 1, Identity: identity}, j, keep, transport.NewMemory(1).Join(), nil)
	var late *dkg.TimeoutError
	require.ErrorAs(t, err, &late)
	require.Equal(t, []keyshare.Index{2, 3, 4}, late.Silent)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Run returns what a fault is, and what proves it.
func TestRunAborts(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	bad := func(_ int, k keyshare.PublicKey) ([]keyshare.Root, error) { return []keyshare.Root{{9}}, nil }
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		if i == 2 {
			c.Roots = bad // another configuration than the others'
		}
		all.Go(func() {
			_, err := dkg.Run(t.Context(), c, j, keep, end, nil)
			var abort *dkg.AbortError
			if assert.ErrorAs(t, err, &abort) {
				assert.Equal(t, dkg.CodeRoots, abort.Code)
				assert.True(t, abort.Confirmed)
				assert.Nil(t, abort.Evidence)
				if i != 2 {
					assert.Equal(t, []keyshare.Index{3}, abort.Faulty)
				}
			}
		})
	}
	all.Wait()
	_, err := dkg.Run(t.Context(), dkg.Config{}, nil, nil, nil, nil)
	require.EqualError(t, err, "dkg: params are missing")
}
