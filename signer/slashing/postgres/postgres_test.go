package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
	"github.com/claystack/dvkeys/signer/slashing/postgres"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestStore(t *testing.T) {
	connection := pgtest.Database(t)
	n := 0
	historytest.Run(t, func(t historytest.TB, root keyshare.Root, complete bool) historytest.Store {
		n++
		s := slashing.Minimal
		if complete {
			s = slashing.Complete
		}
		name := fmt.Sprint("history ", n)
		require.NoError(t, postgres.Create(context.Background(), connection, name, root, s))
		store, err := postgres.Open(context.Background(), connection, name, root)
		require.NoError(t, err)
		require.Equal(t, s, store.Strategy())
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	}, slashing.ErrStopped)
}
