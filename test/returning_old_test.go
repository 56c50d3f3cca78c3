package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const usersQuery = "SELECT id, email, is_active FROM users ORDER BY id"

// Since Postgres 18 RETURNING has names for the row before and after.
func TestReturningOldAndNewDoesNotShowNewColumns(t *testing.T) {
	p := newPair(t, 4)
	if p.gate.planner.Snapshot().Version < 180000 {
		t.Skip("RETURNING has no old and new before Postgres 18")
	}
	p.alike(t, usersQuery,
		"UPDATE users SET email = 'a' WHERE id = 1 RETURNING old.*, new.*, *",
		"UPDATE users SET is_active = NOT is_active WHERE id = 1 RETURNING new.is_active, to_jsonb(old), row_to_json(new.*)",
		"UPDATE users AS old SET is_active = NOT is_active WHERE id = 1 RETURNING old.*, new.*",
		"INSERT INTO users (id, is_active) VALUES (1, true), (20, false) ON CONFLICT (id) DO UPDATE SET is_active = false RETURNING old.*, new.*, to_json(old), old IS NULL",
		"WITH w AS (UPDATE users SET is_active = true WHERE id = 2 RETURNING old.*) SELECT * FROM w",
		"DELETE FROM users WHERE id = 3 RETURNING old.*, new IS NULL",
	)
}

// The name of a column that shows a whole row is that of the row.
func TestAWholeRowKeepsItsNameAtTheEndOfAList(t *testing.T) {
	p := newPair(t, 2)
	through := dialWire(t, p.gate.dsn)
	plain := dialWire(t, p.plain)
	plain.names(p.plain)
	through.names(p.gate.direct)
	text := "UPDATE users u SET is_active = NOT is_active WHERE id = 1 RETURNING id, u::text"
	if d := differs(plain.say(query(text)...), through.say(query(text)...)); d != "" {
		t.Error(d)
	}
	pgtest.Agree(t, p.gate.direct)
}
