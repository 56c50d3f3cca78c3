package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// shadows are an operator = of a schema, and types, that a session may find
// ahead of the built-in ones.
const shadows = `
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.same(boolean, boolean) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE FUNCTION evil.same(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE FUNCTION evil.same(varchar, varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE FUNCTION evil.same(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE FUNCTION evil.same(int[], int[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = boolean, RIGHTARG = boolean);
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = text, RIGHTARG = text);
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = varchar, RIGHTARG = varchar);
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = int, RIGHTARG = int);
	CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = int[], RIGHTARG = int[]);
	CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
	CREATE DOMAIN evil.uuid AS pg_catalog.uuid CHECK (false);
	CREATE DOMAIN evil.date AS pg_catalog.date CHECK (false);`

// Operators and types that a session finds ahead of the built-in ones have no say
// in what a sync does, or an inline expression.
func TestOperatorsAndTypesOfAnotherSchema(t *testing.T) {
	g := newGateOver(t, shadows, `
		CREATE TABLE users (id text PRIMARY KEY, is_active boolean, note text DEFAULT 'x', status text, name varchar(9), label varchar(9), no int[], nos int[], ref text, uid uuid);
		CREATE TABLE days (day date, who uuid, words text[], PRIMARY KEY (day, who));
		CREATE TABLE words (id bigserial PRIMARY KEY, day date, who uuid, word text, FOREIGN KEY (day, who) REFERENCES days ON DELETE CASCADE)`)
	g.use(`migrations:
  - name: users
    phase: dualwrite
    kind: columns
    old: {table: public.users, key: [id], columns: [is_active, name, no, ref]}
    new: {table: public.users, columns: [status, label, nos, uid]}
    up: {status: "CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END", label: "old.name", nos: "old.no", uid: "old.ref::uuid"}
    down: {is_active: "new.status = 'active'", name: "new.label", no: "new.nos", ref: "new.uid::text"}
  - name: order-items
    phase: dualwrite
    kind: rows
    old: {table: public.days, key: [day, who], columns: [words]}
    new: {table: public.words, parent: {day: day, who: who}}
    up: SELECT w AS word FROM unnest(old.words) AS w
    down: {words: "SELECT array_agg(word ORDER BY id) FROM new"}
`)
	g.backfilled()
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "SET search_path = evil, pg_catalog, public")
	g.takes(t, conn,
		"INSERT INTO users (id, is_active, name, no) VALUES ('a', true, 'a', '{1}'), ('b', false, 'b', NULL)",
		"INSERT INTO users (id, is_active, ref) SELECT 'c', false, '00000000-0000-0000-0000-000000000001'",
		"UPDATE users SET is_active = false, name = 'z', no = '{2}'",
		"UPDATE users SET is_active = NOT is_active, name = name || 'x', no = no || 3",
		"UPDATE users SET ref = '00000000-0000-0000-0000-000000000002'",
		"UPDATE users SET ref = concat(NULL::varchar, '00000000-0000-0000-0000-000000000003')",
		"UPDATE users SET status = 'disabled', label = 'y', nos = '{4}', uid = NULL",
		"UPDATE users SET status = concat('act', 'ive'), label = concat('y', 'z'), nos = nos || 4, uid = '00000000-0000-0000-0000-000000000004'",
		"INSERT INTO days VALUES ('2026-01-01', '00000000-0000-0000-0000-000000000001', '{a,b}')",
		"INSERT INTO days SELECT '2026-01-02', '00000000-0000-0000-0000-000000000001', '{a,b}'",
		"UPDATE days SET words = words || '{c}'",
		"UPDATE days SET words = '{b,c}'",
		"INSERT INTO days VALUES ('2026-01-01', '00000000-0000-0000-0000-000000000001', '{d}') ON CONFLICT (day, who) DO UPDATE SET words = excluded.words",
		"UPDATE words SET word = 'x'",
	)
}
