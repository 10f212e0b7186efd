package postgres

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/pgtest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
	"github.com/claystack/dvkeys/signer/slashing/internal/historytest"
)

// What the store relies on it asks for itself, whatever the database or the connection string says.
func TestSession(t *testing.T) {
	ctx, connection := t.Context(), pgtest.Database(t)
	admin, err := pgx.Connect(ctx, connection)
	require.NoError(t, err)
	defer admin.Close(ctx)
	var database string
	require.NoError(t, admin.QueryRow(ctx, "SELECT current_database()").Scan(&database))
	for setting, value := range map[string]string{
		"synchronous_commit": "off", "default_transaction_isolation": "'repeatable read'", "idle_in_transaction_session_timeout": "0",
	} {
		_, err := admin.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s SET %s = %s", database, setting, value))
		require.NoError(t, err)
	}
	require.NoError(t, Create(ctx, connection, "session", keyshare.Root{}, slashing.Minimal))
	s, err := Open(ctx, connection+" synchronous_commit=off options='-c synchronous_commit=off'", "session", keyshare.Root{})
	require.NoError(t, err)
	defer s.Close()
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "default_transaction_isolation": "read committed", "idle_in_transaction_session_timeout": abandoned,
	} {
		var got string
		require.NoError(t, s.pool.QueryRow(ctx, "SHOW "+setting).Scan(&got))
		require.Equal(t, want, got, setting)
	}
}

// A signer that dies while it holds a validator's lock does not stop the others for long.
func TestAbandoned(t *testing.T) {
	ctx, connection := t.Context(), pgtest.Database(t)
	require.NoError(t, Create(ctx, connection, "shared", keyshare.Root{}, slashing.Minimal))
	var stores [2]*Store
	for i := range stores {
		var err error
		stores[i], err = Open(ctx, connection, "shared", keyshare.Root{})
		require.NoError(t, err)
		defer stores[i].Close()
	}
	a := historytest.Key(t, 1)
	require.NoError(t, stores[0].Protect(ctx, historytest.Block(a, 1, keyshare.Root{}))[0])
	dead, err := stores[0].pool.Begin(ctx)
	require.NoError(t, err)
	_, err = queryRows(ctx, dead, lockValidators, stores[0].id, keysOf([]keyshare.PublicKey{a}))
	require.NoError(t, err)
	require.NoError(t, stores[1].Protect(ctx, historytest.Block(a, 2, keyshare.Root{}))[0])
	require.Error(t, dead.Commit(ctx), "the server has ended it: it held the lock")
}

// A batch of 1,000 claims is one transaction.
func TestOneCommit(t *testing.T) {
	ctx, connection := t.Context(), pgtest.Database(t)
	require.NoError(t, Create(ctx, connection, "batch", keyshare.Root{}, slashing.Complete))
	s, err := Open(ctx, connection, "batch", keyshare.Root{})
	require.NoError(t, err)
	defer s.Close()
	var claims []signer.Claim
	for i := range uint64(1000) {
		claims = append(claims, historytest.Attestation(historytest.Key(t, byte(i/4)), i%4, i%4+1, historytest.Root(i)))
	}
	for _, err := range s.Protect(ctx, claims...) {
		require.NoError(t, err)
	}
	var entries, transactions int
	require.NoError(t, s.pool.QueryRow(ctx, "SELECT count(*), count(DISTINCT xmin::text) FROM dvkeys_attestations").Scan(&entries, &transactions))
	require.Equal(t, 1000, entries)
	require.Equal(t, 1, transactions)
}
