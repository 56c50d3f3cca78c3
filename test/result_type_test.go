package test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A client knows the columns of what it has prepared. Where * comes to show others,
// because someone adds a column, Postgres tells it so, and drivers prepare anew.
func TestAPreparedStatementDoesNotChangeItsColumns(t *testing.T) {
	p := newPair(t, 2)
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	compare := func(what string, messages ...pgproto3.FrontendMessage) {
		t.Helper()
		if difference := differs(plain.say(messages...), through.say(messages...)); difference != "" {
			t.Errorf("%s: %s", what, difference)
		}
	}
	texts := []string{
		"SELECT * FROM users WHERE id = 1", "SELECT u.*, 1 FROM users u WHERE id = $1", "UPDATE users SET is_active = true WHERE id = 1 RETURNING *",
		"SELECT email FROM (SELECT * FROM users) u WHERE id = 1", "SELECT count(*) FROM users", "SELECT * FROM orders WHERE id = 1",
		"INSERT INTO counters (n) VALUES (7) RETURNING counters.*",
		"SELECT * FROM users WHERE id = 1 UNION ALL SELECT * FROM users WHERE id = 2",
		"SELECT u.* FROM orders o JOIN (SELECT * FROM users) u USING (id) WHERE id = 1", "WITH u AS (TABLE users) SELECT * FROM u WHERE id = 1",
		"WITH u AS (UPDATE users SET is_active = true WHERE id = 1 RETURNING *) SELECT * FROM u", "WITH u AS (TABLE users) SELECT count(*) FROM u",
		"SELECT * FROM users JOIN counters USING (id) WHERE id = 1", "SELECT o.id FROM orders o WHERE EXISTS (SELECT * FROM users u WHERE u.id = o.id) AND id = 1",
		"SELECT x.* FROM (SELECT email FROM (SELECT * FROM users) u WHERE id = 1) x",
	}
	for _, text := range texts {
		compare("prepare "+text, &pgproto3.Parse{Name: text, Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: text}, &pgproto3.Sync{})
	}
	compare("PREPARE", &pgproto3.Query{String: "PREPARE s AS SELECT * FROM users WHERE id = 1"})
	for _, change := range []string{"ADD COLUMN more int DEFAULT 7", "DROP COLUMN more"} {
		for _, table := range []string{"users", "counters", "orders"} {
			ddl := "ALTER TABLE " + table + " " + change
			pgtest.Exec(t, p.plain, ddl)
			pgtest.Exec(t, p.gate.direct, ddl)
		}
		p.gate.phase("dualwrite")
		for _, text := range texts {
			bind := &pgproto3.Bind{PreparedStatement: text}
			if text == texts[1] {
				bind.Parameters = [][]byte{[]byte("1")}
			}
			compare("execute "+text, bind, &pgproto3.Execute{}, &pgproto3.Sync{})
			compare("describe "+text, &pgproto3.Describe{ObjectType: 'S', Name: text}, &pgproto3.Sync{})
			compare("execute again "+text, bind, &pgproto3.Execute{}, &pgproto3.Sync{})
		}
		compare("EXECUTE", &pgproto3.Query{String: "EXECUTE s"})
		text := texts[0]
		compare("prepare anew", &pgproto3.Close{ObjectType: 'S', Name: text}, &pgproto3.Parse{Name: text, Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: text},
			&pgproto3.Bind{PreparedStatement: text}, &pgproto3.Execute{}, &pgproto3.Sync{})
	}
	pgtest.Agree(t, p.gate.direct)
}

// So it is where the rules let columns be seen that were out of sight.
func TestAPreparedStatementDoesNotComeToShowNewColumns(t *testing.T) {
	g := newGate(t, 2)
	pgtest.Exec(t, g.direct, "CREATE SCHEMA tenant; CREATE TABLE tenant.users (id int, email text, is_active bool)")
	g.phase("dualwrite")
	w := dialWire(t, g.dsn)
	text := "SELECT * FROM users WHERE id = 1"
	prepare := []pgproto3.FrontendMessage{
		&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Parse{Name: "s", Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{},
	}
	execute := func(want bool, when string) {
		t.Helper()
		answer := strings.Join(w.say(&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}), " ")
		if failed := strings.Contains(answer, "cached plan must not change result type"); failed == want {
			t.Errorf("%s: %s", when, answer)
		}
	}
	w.say(prepare...)
	execute(true, "under the rules it was prepared under")
	w.say(&pgproto3.Query{String: "SET search_path = tenant"})
	execute(true, "where it stands for another table")
	w.say(&pgproto3.Query{String: "RESET search_path"})
	g.use("migrations: []\n")
	execute(false, "without rules")
	execute(false, "again")
	w.say(prepare...)
	execute(true, "prepared anew")
}
