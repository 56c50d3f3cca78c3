package test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// namedSessions are sessions that prepare and execute by SQL. A step is a text
// for one Query, "phase NAME", "wire MESSAGES" (see wireSteps), or several of
// them, joined by " && ", that are sent at once.
var namedSessions = map[string][]string{
	"a write": {
		`PREPARE p (int, jsonb) AS UPDATE orders SET items = $2 WHERE id = $1`,
		`EXECUTE p (1, '[{"sku":"a","qty":1,"price_cents":2}]')`, `EXECUTE p(2, '[]')`, `EXECUTE p(-1, '[]')`, `EXECUTE p(1)`, `DEALLOCATE p`, `EXECUTE p(1, '[]')`,
	},
	"RETURNING, types left to the server": {
		`PREPARE p AS UPDATE orders SET items = $2 WHERE id = $1 RETURNING id, items`, `EXECUTE p(1, '[{"sku":"b"}]')`, `EXECUTE p(3, 'x')`,
		`PREPARE q AS UPDATE users SET is_active = $1 WHERE id = $2 RETURNING *`, `EXECUTE q(false, 2)`, `EXECUTE q(true, '2')`,
		`PREPARE r AS UPDATE users SET is_active = NOT is_active WHERE id = $1`, `EXECUTE r(1)`,
		`PREPARE s (text) AS INSERT INTO orders (customer, items) VALUES ($1, '[{"sku":"s"},{"sku":"t"}]') RETURNING id, items`, `EXECUTE s('x')`, `EXECUTE s('y')`, `SELECT lastval()`,
		`PREPARE i (int, bool) AS INSERT INTO users (id, email, is_active) VALUES ($1, 'i', $2) ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active`, `EXECUTE i(77, true)`, `EXECUTE i(77, false)`,
		`PREPARE d AS DELETE FROM orders WHERE id = $1 RETURNING id`, `EXECUTE d(4)`, `PREPARE l AS SELECT lastval()`, `EXECUTE l`,
		`PREPARE v AS INSERT INTO users VALUES ($1, 'v', true) RETURNING *`, `EXECUTE v(88)`, `EXECUTE v(88)`,
		`PREPARE n AS UPDATE counters SET n = n + 1 RETURNING *`, `EXECUTE n`,
		`PREPARE k AS INSERT INTO counters (name) VALUES ($1) RETURNING *`, `EXECUTE k('k')`,
		`SELECT name, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name`,
	},
	"one text": {
		`PREPARE a AS UPDATE orders SET items = '[{"sku":"a"}]' WHERE id = $1; EXECUTE a(1); EXECUTE a(2); DEALLOCATE a`,
		`PREPARE a AS UPDATE users SET is_active = $1 RETURNING id; EXECUTE a(false); DEALLOCATE ALL; PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE PREPARE a`,
		`PREPARE a AS SELECT id FROM users ORDER BY id; EXECUTE a; DEALLOCATE a; PREPARE a AS UPDATE orders SET items = '[]' WHERE id = 1; EXECUTE a; EXECUTE b`,
		`EXECUTE a`, `DEALLOCATE a; EXECUTE a`, `EXECUTE a`,
	},
	"it survives a rollback": {
		`BEGIN`, `PREPARE p AS UPDATE orders SET items = '[{"sku":"r"}]' WHERE id = $1`, `EXECUTE p(1)`, `ROLLBACK`, `EXECUTE p(2)`,
		`BEGIN`, `SELECT 1/0`, `EXECUTE p(1)`, `PREPARE q AS UPDATE orders SET items = '[]'`, `DEALLOCATE p`, `ROLLBACK`, `EXECUTE p(3)`, `EXECUTE q`,
		`PREPARE q AS UPDATE users SET is_active = false WHERE id = 1; SELECT 1/0; PREPARE r AS SELECT 1`, `EXECUTE q`, `EXECUTE r`,
		`BEGIN; SAVEPOINT s; PREPARE t AS UPDATE orders SET items = '[{"sku":"t"}]' WHERE id = 1; ROLLBACK TO s; EXECUTE t; COMMIT`,
	},
	"a name that is taken": {
		`PREPARE p AS UPDATE orders SET items = '[{"sku":"1"}]' WHERE id = 1`, `PREPARE p AS SELECT id FROM users ORDER BY id`, `EXECUTE p`,
		`PREPARE p AS UPDATE orders SET items = '[]' RETURNING id`, `EXECUTE p`,
		`DEALLOCATE p; PREPARE p AS SELECT id FROM users ORDER BY id; PREPARE p AS UPDATE orders SET items = '[]' RETURNING id`, `EXECUTE p`,
		`DEALLOCATE nosuch; DEALLOCATE p`, `EXECUTE p`, `DEALLOCATE p; DEALLOCATE nosuch`, `EXECUTE p`,
		`PREPARE "P p" AS UPDATE orders SET items = '[{"sku":"2"}]' WHERE id = 2 RETURNING 1`, `EXECUTE "P p"`, `execute /* x */ "P p"`, `DISCARD ALL`, `EXECUTE "P p"`,
	},
	"pipelined": {
		`PREPARE p AS UPDATE orders SET items = '[{"sku":"1"}]' WHERE id = 1 && EXECUTE p && PREPARE p AS SELECT 1 && EXECUTE p && DEALLOCATE p && EXECUTE p && PREPARE p AS SELECT 1 && EXECUTE p`,
		`DEALLOCATE p && PREPARE p AS UPDATE orders SET items = $1 WHERE id = 2 RETURNING id && EXECUTE p('[{"sku":"2"}]') && EXECUTE p('x') && EXECUTE p('[]')`,
		`SELECT 1/0; DEALLOCATE p && PREPARE p AS SELECT 1 && EXECUTE p('[{"sku":"3"}]')`,
		`wire P x DEALLOCATE p|B x|E|S && wire P y PREPARE p AS SELECT 5|B y|E|P z EXECUTE p|B z|D|E|S && EXECUTE p`,
	},
	"the extended protocol": {
		`wire P '' PREPARE p AS UPDATE orders SET items = '[{"sku":"x"}]' WHERE id = $1 RETURNING id, items|D S ''|B ''|D|E|S`,
		`wire P '' EXECUTE p(1)|D S ''|B ''|D|E|S`, `wire P e EXECUTE p(2)|D S e|B e bin|E|B e|D|E|S`, `wire B e|E|B e bin|E|S`,
		`DEALLOCATE p`, `wire B e|E|S`,
		`PREPARE p AS UPDATE users SET is_active = $1 = 1`, `wire B e|D|E|S`,
		`DEALLOCATE p; PREPARE p AS SELECT email, $1::int FROM users ORDER BY id`, `wire B e bin|D|E 1|E|S`, `DEALLOCATE p`, `wire B e|S`,
		`PREPARE p AS SELECT $1::int AS n`, `wire P e2 EXECUTE p(3)|D S e2|S`, `DEALLOCATE p`, `wire D S e2|S`, `wire B e2|S`,
		`wire P '' DEALLOCATE p|B ''|E|S`, `wire B e|E|S`, `wire P '' DEALLOCATE ALL|B ''|E|S`, `wire B e|S`,
	},
	"Bind of what SQL has prepared": {
		`PREPARE p (int) AS UPDATE orders SET items = '[{"sku":"x"}]' WHERE id = $1 RETURNING id, items`, `PREPARE q (int) AS UPDATE users SET is_active = false WHERE id = $1`,
		`wire D S p|B p = 1|D|E|S`, `wire B p bin = 1|D|E|S`, `wire D S q|B q = 1|D|E 1|S`, `wire B p = 1|E|C p|S`, `EXECUTE p(1)`, `wire B p = 1|S`,
		`PREPARE p AS SELECT 1 AS one`, `wire D S p|B p|E|S`,
	},
	"EXECUTE of what the protocol has prepared": {
		`wire P s UPDATE orders SET items = '[{"sku":"z"}]' WHERE id = $1::int RETURNING id, items|P t UPDATE users SET is_active = false WHERE id = $1::int|S`,
		`EXECUTE s(1)`, `EXECUTE t(2)`, `EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off) EXECUTE s(1)`, `wire C s|S`, `EXECUTE s(1)`, `DEALLOCATE t`, `EXECUTE t(1)`,
		`PREPARE s AS UPDATE orders SET items = '[{"sku":"z"}]' WHERE id = 2`, `EXECUTE s`, `wire P s SELECT 1|S`, `EXECUTE s`,
	},
	"wrapped": {
		`PREPARE p AS SELECT * FROM users WHERE id < $1`, `CREATE TABLE made AS EXECUTE p(3)`, `TABLE made`, `DROP TABLE made`, `CREATE TABLE IF NOT EXISTS made AS EXECUTE p(2) WITH NO DATA`, `TABLE made`, `DROP TABLE made`,
		`PREPARE w AS WITH w AS (UPDATE orders SET items = '[{"sku":"w"}]' WHERE id < $1 RETURNING id) SELECT id FROM w`, `EXECUTE w(3)`, `CREATE TABLE made AS EXECUTE w(5)`, `TABLE made`, `DROP TABLE made`,
		`PREPARE u AS UPDATE users SET is_active = false`, `CREATE TABLE made AS EXECUTE u`, `EXPLAIN (COSTS off) EXECUTE u`,
		`BEGIN; DECLARE c CURSOR FOR SELECT 1; EXECUTE u; FETCH c; COMMIT`,
	},
	"phases": {
		`phase off`, `PREPARE p AS UPDATE orders SET items = $2 WHERE id = $1 RETURNING id`, `PREPARE q AS UPDATE users SET is_active = $1`, `EXECUTE p(1, '[]')`, `EXECUTE q(true)`,
		`wire P e EXECUTE q(true)|D S e|S`, `wire P '' EXECUTE p(1, '[]')|D S ''|S`,
		`phase dualwrite`, `wire B ''|D|E|S`, `EXECUTE p(1, '[{"sku":"p"}]')`, `EXECUTE q(false)`, `wire D S e|B e|D|E|S`, `wire B q = f|E|S`, `SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'pgjanus%'`,
		`BEGIN`, `EXECUTE p(2, '[{"sku":"p"}]')`, `phase off`, `EXECUTE p(2, '[{"sku":"q"}]')`, `COMMIT`, `EXECUTE p(3, '[]')`, `EXECUTE q(true)`, `wire D S e|B e|E|S`,
		`phase dualwrite`, `BEGIN`, `SELECT 1/0`, `EXECUTE q(true)`, `ROLLBACK`, `EXECUTE p(3, '[{"sku":"r"}]')`, `EXECUTE q(false)`, `DEALLOCATE p`, `EXECUTE p(1, '[]')`, `DEALLOCATE q`,
		`phase off`, `PREPARE p AS UPDATE orders SET items = items WHERE id = 1`, `phase dualwrite`, `EXECUTE p`,
	},
}

func TestStatementsPreparedBySQLAnswerAsWithoutPgjanus(t *testing.T) {
	t.Parallel()
	for kind, ddl := range map[string]string{"by row": "SELECT 1", "behind": auditAll} {
		t.Run(kind, func(t *testing.T) {
			p := newPair(t, 6)
			pgtest.Exec(t, p.plain, ddl)
			pgtest.Exec(t, p.gate.direct, ddl)
			for _, name := range slices.Sorted(maps.Keys(namedSessions)) {
				t.Run(name, func(t *testing.T) { p.comparesNamed(t, namedSessions[name]) })
			}
		})
	}
}

// auditAll makes syncs run behind the statements that need them.
const auditAll = `CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION audit();`

func (p *pair) comparesNamed(t *testing.T, steps []string) {
	p.gate.phase("dualwrite")
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	for _, step := range steps {
		if phase, ok := strings.CutPrefix(step, "phase "); ok {
			p.gate.phase(phase)
			continue
		}
		messages := wireSteps(step)
		if d := differs(plain.say(messages...), through.say(messages...)); d != "" {
			t.Errorf("%s: %s", step, d)
		}
	}
	for _, text := range []string{"SELECT id, customer, items FROM orders ORDER BY id", "SELECT id, email, is_active FROM users ORDER BY id", "SELECT id, n, name FROM counters ORDER BY id"} {
		query := &pgproto3.Query{String: text}
		if d := differs(plain.say(query), through.say(query)); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	pgtest.Agree(t, p.gate.direct)
}

// wireSteps are the messages of a step. In a wire step: P NAME TEXT, D [S NAME],
// B NAME [bin|all] [= VALUE], E [ROWS], C NAME, S.
func wireSteps(step string) (all []pgproto3.FrontendMessage) {
	for one := range strings.SplitSeq(step, " && ") {
		messages, ok := strings.CutPrefix(one, "wire ")
		if !ok {
			all = append(all, &pgproto3.Query{String: one})
			continue
		}
		for m := range strings.SplitSeq(messages, "|") {
			all = append(all, wireStep(m))
		}
	}
	return all
}

func wireStep(m string) pgproto3.FrontendMessage {
	words := append(strings.SplitN(m, " ", 3), "", "")
	for i := range words {
		words[i] = strings.TrimPrefix(words[i], "''")
	}
	switch words[0] {
	case "P":
		return &pgproto3.Parse{Name: words[1], Query: words[2]}
	case "D":
		if words[1] == "S" {
			return &pgproto3.Describe{ObjectType: 'S', Name: words[2]}
		}
		return &pgproto3.Describe{ObjectType: 'P'}
	case "B":
		bind := &pgproto3.Bind{PreparedStatement: words[1]}
		if strings.HasPrefix(words[2], "bin") {
			bind.ResultFormatCodes = []int16{1, 1}
		}
		if words[2] == "all" {
			bind.ResultFormatCodes = []int16{1}
		}
		if _, value, ok := strings.Cut(words[2], "= "); ok {
			bind.Parameters = [][]byte{[]byte(value)}
		}
		return bind
	case "E":
		var rows uint32
		_, _ = fmt.Sscan(words[1], &rows)
		return &pgproto3.Execute{MaxRows: rows}
	case "C":
		return &pgproto3.Close{ObjectType: 'S', Name: words[1]}
	}
	return &pgproto3.Sync{}
}

// PREPARE is not undone where the text it stands at the end of fails to commit,
// and nothing in the error says so.
func TestAPrepareWhoseCommitFailedIsNotExecutedBlindly(t *testing.T) {
	p := newPair(t, 3)
	pgtest.Exec(t, p.gate.direct, "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
	conn := p.gate.connect(pgx.QueryExecModeSimpleProtocol)
	code := func(text string) string {
		_, err := conn.PgConn().Exec(context.Background(), text).ReadAll()
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) {
			return pgErr.Code
		}
		return ""
	}
	for _, step := range []struct{ text, code string }{
		{`INSERT INTO child VALUES (1); PREPARE a AS UPDATE orders SET items = '[{"sku":"a"}]' WHERE id = 1`, "23503"},
		{"SELECT 1/count(*) FROM pg_prepared_statements WHERE name = 'a'", ""},
		{"EXECUTE a", "0A000"},
		{"DEALLOCATE a", ""},
		{"EXECUTE a", "26000"},
		{`PREPARE a AS UPDATE orders SET items = '[{"sku":"b"}]' WHERE id = 1`, ""},
		{"EXECUTE a", ""},
		{"SELECT 1/count(*) FROM order_items WHERE sku = 'b'", ""},
	} {
		if got := code(step.text); got != step.code {
			t.Errorf("%s: error %q, want %q", step.text, got, step.code)
		}
	}
	pgtest.Agree(t, p.gate.direct)
}
