package test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// reads show what a migration has added, if nothing hides it.
var reads = []string{
	"SELECT * FROM users",
	"SELECT*FROM users",
	"SELECT u.*, 1 FROM public.users AS u WHERE u.id < 3",
	"SELECT public.users.* FROM public.users",
	"SELECT * FROM users, orders o WHERE o.id = users.id",
	"SELECT o.id, u.* FROM users u JOIN orders o ON o.id = u.id",
	"SELECT * FROM users u JOIN orders o USING (id)",
	"SELECT u.* FROM users u JOIN orders o USING (id)",
	"SELECT * FROM counters NATURAL JOIN users",
	"SELECT count(*) FROM users NATURAL JOIN (SELECT 'x' AS status, 1 AS id) s",
	"SELECT * FROM (users u JOIN counters o ON o.id = u.id) AS j",
	"SELECT j.* FROM (users u LEFT JOIN counters o ON o.id = u.id + 1) AS j (a, b, c, d, e, f)",
	"SELECT * FROM users u LEFT JOIN counters c USING (id), generate_series(1, 2)",
	"SELECT * FROM users, generate_series(1, 2)",
	"SELECT * FROM users, generate_series(1, 2) AS g (n), (VALUES (1)) AS v",
	"TABLE users", "TABLE ONLY users", "(TABLE users) UNION TABLE users ORDER BY id",
	"SELECT x.a, x.* FROM users AS x (a, b) WHERE EXISTS (SELECT * FROM users WHERE id = x.a)",
	"SELECT * FROM users AS x (id, is_active, email)",
	"WITH users AS (SELECT * FROM users WHERE id = 1) SELECT * FROM users",
	"WITH RECURSIVE users (id) AS (SELECT 1 UNION SELECT id + 1 FROM users WHERE id < 3) SELECT * FROM users",
	"SELECT * FROM users UNION ALL SELECT * FROM users ORDER BY 1",
	"SELECT * FROM (SELECT * FROM users) s",
	"SELECT s.* FROM users u, LATERAL (SELECT u.*) s",
	"SELECT * FROM users TABLESAMPLE BERNOULLI (100)",
	"SELECT row_to_json(u) FROM users u", "SELECT to_jsonb(u.*) FROM users u", "SELECT row_to_json(u, true) FROM users u",
	"SELECT json_agg(u ORDER BY u.id) FROM users u",
	"SELECT (u).* FROM users u", "SELECT (u).email FROM users u", "SELECT (users).* FROM users",
	"SELECT u::text FROM users u",
	"SELECT row_to_json(u), o.id FROM users u JOIN orders o ON o.id = u.id", "SELECT count(c), json_agg(u ORDER BY u.id) FROM users u, counters c, orders WHERE c.id = u.id AND orders.id = u.id",
	"SELECT row_to_json(o), count(u) FROM users u JOIN orders o ON o.id = u.id GROUP BY o.id",
	"SELECT row_to_json(u) FROM users u JOIN orders AS o (u) ON o.u = u.id",
	"SELECT json_agg(u.*) FROM counters o LEFT JOIN users u ON u.id = o.id + 2",
	"SELECT count(u), count(*), count(u.*) FROM counters o LEFT JOIN users u ON u.id = o.id + 2",
	"SELECT id FROM counters u WHERE u IS NOT NULL",
	"SELECT id FROM users u WHERE u = u AND u.* IS DISTINCT FROM NULL",
	"SELECT ROW(u.*)::text, (u.*)::text FROM users u",
	"SELECT email FROM users u JOIN (SELECT 'e' AS email2, 1 AS id) email ON email.id = u.id",
	"SELECT u.*, count(*) FROM users u GROUP BY u.id ORDER BY u.id",
	"SELECT row_to_json(u), count(*) FROM users u GROUP BY u.id ORDER BY u.id",
	"SELECT * FROM counters FOR UPDATE", "SELECT * FROM users u JOIN counters c USING (id) FOR UPDATE OF u",
	"SELECT *, nothing FROM users", "SELECT * FROM users WHERE nothing", "SELECT users.*, x.* FROM users",
	"INSERT INTO users VALUES (101, 'a', true) RETURNING *",
	"INSERT INTO users VALUES (102, 'a', true, 'x')",
	"INSERT INTO users VALUES (103, 'a', true), (104, 'b', false) RETURNING users.*",
	"INSERT INTO users SELECT id + 200, email, is_active FROM users RETURNING *",
	"INSERT INTO counters VALUES (105, 1, 'n', 2)",
	"INSERT INTO users AS u (email) VALUES ('b') ON CONFLICT DO NOTHING RETURNING u.*, id",
	"INSERT INTO users SELECT * FROM users WHERE id = 1 ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING *",
	"DELETE FROM users WHERE id = 1 RETURNING *",
	"DELETE FROM users u USING orders o WHERE o.id = u.id RETURNING u.*, o.id",
	"UPDATE counters SET n = n + 1 RETURNING *",
	"UPDATE users u SET is_active = o.n > 0 FROM counters o WHERE o.id = u.id RETURNING *",
	"UPDATE users SET is_active = false WHERE id = 2 RETURNING *, row_to_json(users)",
	"WITH w AS (UPDATE users SET is_active = NOT is_active RETURNING *) SELECT * FROM w",
	"CREATE TABLE copied AS SELECT * FROM users; TABLE copied",
	"SELECT * INTO copied FROM users; TABLE copied",
	"COPY users TO STDOUT", "COPY (SELECT * FROM users) TO STDOUT (FORMAT csv, HEADER)", "COPY users (id, email) TO STDOUT",
	"DECLARE c CURSOR FOR SELECT * FROM users; FETCH ALL FROM c",
	"PREPARE p AS SELECT * FROM users WHERE id = $1; EXECUTE p (1); DEALLOCATE p",
	"SELECT 'é', users.* /* all */ FROM users -- end",
	`SELECT "users".* FROM "public"."users"`,
}

func TestWhatAMigrationAddsStaysOutOfSight(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"off", "dualwrite"} {
		t.Run(phase, func(t *testing.T) {
			p := newPair(t, 4)
			p.gate.phase(phase)
			plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
			plain.names(p.plain)
			through.names(p.gate.direct)
			hidden := 0
			for _, text := range reads {
				bare := dialWire(t, p.gate.direct)
				bare.names(p.gate.direct)
				one := []pgproto3.FrontendMessage{&pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: text}, &pgproto3.Query{String: "ROLLBACK"}}
				if d := differs(plain.say(one...), through.say(one...)); d != "" {
					t.Errorf("%s: %s", text, d)
				}
				if differs(plain.say(one...), bare.say(one...)) != "" {
					hidden++
				}
				if strings.Contains(text, ";") {
					continue // one statement in the extended protocol
				}
				messages := []pgproto3.FrontendMessage{
					&pgproto3.Query{String: "BEGIN"},
					&pgproto3.Parse{Name: "s", Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
					&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "s"},
					&pgproto3.Sync{}, &pgproto3.Query{String: "ROLLBACK"},
				}
				if d := differs(plain.say(messages...), through.say(messages...)); d != "" {
					t.Errorf("extended: %s: %s", text, d)
				}
			}
			if hidden < 40 {
				t.Errorf("of %d statements only %d show the migration when nothing hides it", len(reads), hidden)
			}
			pgtest.Agree(t, p.gate.direct)
		})
	}
}

// A column that comes later stands behind those of the migration, and statements
// do not know of these.
var behindIt = []string{
	"SELECT * FROM users u (a, b, c, d) ORDER BY a",
	"SELECT d, u.* FROM users u (a, b, c, d) WHERE d = 'l' ORDER BY a FOR UPDATE",
	"SELECT u.d FROM users u (a, b, c, d) JOIN counters ON id = a ORDER BY a",
	"UPDATE counters SET name = u.d FROM users u (a, b, c, d) WHERE u.a = counters.id RETURNING id, name",
	"INSERT INTO users VALUES (77, 'z', false, 'late') RETURNING *",
	"UPDATE users SET is_active = NOT users.is_active FROM users v NATURAL JOIN shipments s WHERE users.id = v.id RETURNING v.*, s.status",
	"DELETE FROM counters USING shipments s NATURAL JOIN users WHERE counters.id = users.id RETURNING counters.*, s.*",
	"COPY users TO STDOUT",
}

func TestColumnsBehindThoseThatAMigrationHasAdded(t *testing.T) {
	const later = "ALTER TABLE users ADD COLUMN later text DEFAULT 'l'; CREATE TABLE shipments (id int, status text); INSERT INTO shipments VALUES (1, 'x'), (2, 'active')"
	for _, phase := range []string{"off", "dualwrite"} {
		p := newPair(t, 4)
		pgtest.Exec(t, p.plain, later)
		pgtest.Exec(t, p.gate.direct, later)
		p.gate.phase(phase)
		plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
		for _, text := range behindIt {
			one := []pgproto3.FrontendMessage{&pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: text}, &pgproto3.Query{String: "ROLLBACK"}}
			a, b := plain.say(one...), through.say(one...)
			for _, heard := range [][]string{a, b} {
				for i, line := range heard { // the number of users.later is one that shows
					if strings.HasPrefix(line, "RowDescription") {
						heard[i] = columnNumber.ReplaceAllString(line, "(")
					}
				}
			}
			if d := differs(a, b); d != "" {
				t.Errorf("%s: %s: %s", phase, text, d)
			}
		}
	}
}

var columnNumber = regexp.MustCompile(`\([^ ]*\.\d+ `)
