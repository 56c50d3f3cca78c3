package test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// An INSERT without a column list knows nothing of a column that the migration has
// added, be there others behind it.
func TestInsertBySelectDoesNotReachANewColumnByPosition(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `ALTER TABLE users ADD later text;
		CREATE TABLE imported (id int, email text, is_active boolean, later text); INSERT INTO imported VALUES (1, 'a', false, 'disabled')`)
	for _, phase := range []string{"off", "dualwrite"} {
		g.phase(phase)
		conn := pgtest.Connect(t, g.dsn)
		for _, step := range []struct{ text, want string }{
			{"INSERT INTO users SELECT id, email, is_active, later FROM imported", "(1,a,f,disabled)"},
			{"INSERT INTO users AS u SELECT 1, 'a', is_active, later FROM imported UNION ALL SELECT 2, 'b', true, 'x' RETURNING u.*", "(1,a,f,disabled)"},
			{"WITH w AS (SELECT * FROM imported) INSERT INTO users (SELECT id, email, is_active, later FROM w)", "(1,a,f,disabled)"},
			{"INSERT INTO users SELECT id, email, is_active FROM imported", "(1,a,f,)"},
		} {
			do(t, conn, step.text)
			if got := pgtest.Value[string](t, g.direct, "SELECT ROW (id, email, is_active, later)::text FROM users WHERE id = 1"); got != step.want {
				t.Errorf("%s: %s, want %s", step.text, got, step.want)
			}
			if phase != "off" {
				g.noDrift(t, step.text)
			}
			do(t, conn, "DELETE FROM users")
		}
	}
	conn := pgtest.Connect(t, g.dsn)
	var refused *pgconn.PgError
	if _, err := conn.Exec(context.Background(), "INSERT INTO users SELECT * FROM imported"); !errors.As(err, &refused) || refused.Code != "0A000" {
		t.Errorf("by a * it says %v, want a refusal", err)
	}
}
