package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/hsm/store/postgres"
	"github.com/claystack/dvkeys/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestOpenAtOnce has several signers open the same new set of an empty database.
func TestOpenAtOnce(t *testing.T) {
	connection := pgtest.Database(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			s, err := postgres.Open(t.Context(), connection, "shared")
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Header(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestSetsAreApart(t *testing.T) {
	connection := pgtest.Database(t)
	one, err := postgres.Open(t.Context(), connection, "one")
	require.NoError(t, err)
	defer one.Close()
	two, err := postgres.Open(t.Context(), connection, "two")
	require.NoError(t, err)
	defer two.Close()
	r := store.Record{PublicKey: [48]byte{1}, Label: "a", Sealed: []byte("x")}
	require.NoError(t, one.Put(t.Context(), r))
	_, err = two.Get(t.Context(), r.PublicKey)
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.NoError(t, two.Put(t.Context(), r))
	require.NoError(t, one.SetHeader(t.Context(), nil, []byte("x")))
	header, err := two.Header(t.Context())
	require.NoError(t, err)
	require.Nil(t, header)
	require.Contains(t, one.String(), `set "one" in PostgreSQL database test`)
}

// TestDurable holds that commits wait for the disk although the server's default is another.
func TestDurable(t *testing.T) {
	connection := pgtest.Database(t)
	admin, err := pgx.Connect(t.Context(), connection)
	require.NoError(t, err)
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET synchronous_commit = off'; END $$`)
	require.NoError(t, err)
	s, err := postgres.Open(t.Context(), connection, "set")
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, "on", s.Setting(t, "synchronous_commit"))
}

func TestDamage(t *testing.T) {
	connection := pgtest.Database(t)
	s, err := postgres.Open(t.Context(), connection, "set")
	require.NoError(t, err)
	defer s.Close()
	r := store.Record{PublicKey: [48]byte{1}, Sealed: []byte("x")}
	require.NoError(t, s.Put(t.Context(), r))
	admin, err := pgx.Connect(t.Context(), connection)
	require.NoError(t, err)
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), `UPDATE dvkeys_records SET sealed = ''`)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), r.PublicKey)
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	_, err = admin.Exec(t.Context(), `UPDATE dvkeys_sets SET header = convert_to(repeat('x', 2049), 'UTF8')`)
	require.NoError(t, err)
	_, err = s.Header(t.Context())
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	_, err = admin.Exec(t.Context(), `DELETE FROM dvkeys_records; DELETE FROM dvkeys_sets`)
	require.NoError(t, err)
	_, err = s.Header(t.Context())
	require.ErrorIs(t, err, hsm.ErrCorrupt)
	_, err = admin.Exec(t.Context(), `DROP TABLE dvkeys_records`)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), r.PublicKey)
	require.ErrorIs(t, err, hsm.ErrDenied)
	require.ErrorContains(t, err, "dvkeys_records")
}

func TestOpenRefused(t *testing.T) {
	for _, set := range []string{"", "ü", string(make([]byte, 65))} {
		_, err := postgres.Open(t.Context(), "host=localhost", set)
		require.ErrorContains(t, err, "name")
	}
	_, err := postgres.Open(t.Context(), "postgres://user:topsecret@host:notaport/db", "set")
	require.ErrorContains(t, err, "connection string")
	require.NotContains(t, err.Error(), "topsecret")
	_, err = postgres.Open(t.Context(), "host="+t.TempDir()+" password=topsecret", "set")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NotContains(t, err.Error(), "topsecret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = postgres.Open(ctx, "host="+t.TempDir(), "set")
	require.ErrorIs(t, err, context.Canceled)
}

// TestRestrictedUser opens a set whose tables another user has made, and who may not make any.
func TestRestrictedUser(t *testing.T) {
	connection := pgtest.Database(t)
	owner, err := postgres.Open(t.Context(), connection, "set")
	require.NoError(t, err)
	defer owner.Close()
	admin, err := pgx.Connect(t.Context(), connection)
	require.NoError(t, err)
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), `DROP ROLE IF EXISTS signer; CREATE ROLE signer LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
		GRANT SELECT, INSERT, UPDATE, DELETE ON dvkeys_sets, dvkeys_records TO signer`)
	require.NoError(t, err)
	t.Cleanup(func() {
		admin, err := pgx.Connect(context.Background(), connection)
		require.NoError(t, err)
		_, err = admin.Exec(context.Background(), `DROP OWNED BY signer; DROP ROLE signer`)
		require.NoError(t, errors.Join(err, admin.Close(context.Background())))
	})
	s, err := postgres.Open(t.Context(), connection+" user=signer", "set")
	require.NoError(t, err)
	defer s.Close()
	r := store.Record{PublicKey: [48]byte{1}, Label: "a", Sealed: []byte("x")}
	require.NoError(t, s.Put(t.Context(), r))
	require.NoError(t, s.Replace(t.Context(), r.PublicKey, r.Sealed, []byte("y")))
	require.NoError(t, s.Delete(t.Context(), r.PublicKey))
	require.NoError(t, s.SetHeader(t.Context(), nil, []byte("x")))
}

// TestReadOnly writes to a server that takes no writes, as a standby does after it was the primary.
func TestReadOnly(t *testing.T) {
	connection := pgtest.Database(t)
	s, err := postgres.Open(t.Context(), connection, "set")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = postgres.Open(t.Context(), connection+" default_transaction_read_only=on", "set")
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "read-only")
}
