package test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A trigger that counts versions, or writes an audit, shows how often a row is
// written.
func TestATriggerOfTheUserFiresOnce(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `ALTER TABLE users ADD COLUMN version int NOT NULL DEFAULT 0`,
		`CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$`,
		`CREATE TRIGGER version BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION count_version()`)
	g.phase("dualwrite")
	conn := g.connect(pgx.QueryExecModeExec)
	for i, text := range []string{
		"INSERT INTO users (id, is_active) VALUES (1, false)",
		"UPDATE users SET is_active = true WHERE id = 1",
		"UPDATE users SET is_active = NOT is_active WHERE id = 1",
		"UPDATE users SET is_active = is_active AND id > 0 /* x */ , email = 'a' WHERE id = 1",
		"UPDATE users SET is_active = NOT is_active -- why\n WHERE id = 1",
	} {
		if _, err := conn.Exec(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if version := pgtest.Value[int32](t, g.direct, "SELECT version FROM users"); int(version) != i {
			t.Errorf("%s: the version is %d, want %d", text, version, i)
		}
		pgtest.Agree(t, g.direct)
	}
}

func TestATriggerThatKeepsTheNewShapeFromBeingWrittenFailsTheStatement(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
		`CREATE TRIGGER cancel BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION cancel()`)
	g.phase("dualwrite")
	conn := g.connect(pgx.QueryExecModeExec)
	_, err := conn.Exec(context.Background(), "INSERT INTO users (is_active) SELECT false")
	if err == nil || !strings.Contains(err.Error(), "27000") {
		t.Errorf("got %v, want 27000", err)
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM users"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}
