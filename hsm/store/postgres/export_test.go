package postgres

import (
	"context"
	"testing"
)

// Setting returns a setting of a connection.
func (s *Store) Setting(t *testing.T, name string) (value string) {
	t.Helper()
	if err := s.pool.QueryRow(context.Background(), "SHOW "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
