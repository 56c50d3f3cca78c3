package proxy

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

// converse sends messages, as in wire scripts, and returns the kinds of the
// answers up to n times ReadyForQuery.
func (c *rawClient) converse(n int, messages string) string {
	c.t.Helper()
	c.send(encodeClient(c.t, messages))
	var kinds strings.Builder
	for n > 0 {
		head := []byte(c.read(headerSize))
		body := c.read(frameSize(head) - headerSize)
		switch head[0] {
		case 'Z':
			n--
		case 'S', 'R', 'K':
			continue
		case 'E':
			var e pgproto3.ErrorResponse
			if err := e.Decode([]byte(body)); err != nil {
				c.t.Fatal(err)
			}
			kinds.WriteString("E(" + e.Code + ")")
			continue
		}
		kinds.WriteByte(head[0])
	}
	return kinds.String()
}

// TestPostgresAnswersAsTheScriptsSay sends what the wire scripts are least sure
// of to Postgres itself and through the gate: the answers are the same, and
// behind each the session is in order: a write keeps both shapes equal.
func TestPostgresAnswersAsTheScriptsSay(t *testing.T) {
	const twoOrders = "CopyData [{\"sku\":\"a\"}]\n | CopyData [{\"sku\":\"b\"}, {\"sku\":\"c\"}]\n"
	const insert = "Parse s INSERT INTO orders (id, items) VALUES ($1, '[{\"sku\":\"a\"}]') | Sync"
	for name, steps := range map[string][]struct {
		ready    int
		messages string
	}{
		"the first of two batches fails": {
			{1, insert},
			{2, "Bind '' s 1 | Execute '' 0 | Sync | Bind '' s 2 | Execute '' 0 | Sync"},
			{2, "Bind '' s 2 | Execute '' 0 | Sync | Bind '' s 3 | Execute '' 0 | Sync"},
		},
		"a new sync is needed in two batches": {
			{1, insert},
			{1, "Bind '' s 1 | Execute '' 0 | Sync"},
			{1, "Query DISCARD ALL"},
			{1, insert},
			{2, "Bind '' s 1 | Execute '' 0 | Sync | Bind '' s 2 | Execute '' 0 | Sync"},
		},
		"COPY behind a write": {
			{1, "Query UPDATE orders SET items = '[]' WHERE false; COPY t FROM STDIN | CopyData 1 | CopyDone"},
		},
		"COPY with an early Sync": {
			{1, "Parse '' COPY t FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData 1 | Sync | Flush | CopyDone | Sync"},
		},
		"COPY in a Query with a Sync in it": {{1, "Query COPY t FROM STDIN | CopyData 1 | Sync | CopyDone"}},
		"several COPYs in a Query, their data sent ahead": {
			{1, "Query COPY t FROM STDIN; COPY t FROM STDIN | CopyData 1 | CopyDone | CopyData 1 | Sync | CopyDone"},
			{1, "Query UPDATE orders SET items = '[]'"},
			{1, "Query COPY orders (items) FROM STDIN; COPY orders (items) FROM STDIN | " + twoOrders + " | Sync | CopyDone | Sync | " + twoOrders + " | Sync | Flush | CopyDone"},
			{2, "Query COPY t FROM STDIN; COPY t FROM STDIN; SELECT 1 | CopyDone | Sync | CopyFail no | CopyDone | Sync | CopyData 1 | CopyDone"},
			{3, "Query COPY t FROM STDIN; COPY t FROM STDIN | Sync | CopyFail no | Sync | CopyData 1 | CopyDone | Query UPDATE orders SET items = '[]' RETURNING id"},
			{2, "Query COPY t FROM STDIN; COPY nosuch FROM STDIN | CopyDone | Sync | CopyData 1 | CopyDone"},
			{1, "Parse '' COPY t FROM STDIN | Bind a '' | Bind b '' | Execute a 0 | CopyData 1 | Sync | CopyDone | Execute b 0 | Sync | CopyDone | Sync"},
			{1, "Query UPDATE orders SET items = '[]' RETURNING id"},
		},
		"COPYs that fail before they meet the Sync in their data": {
			{3, "Query COPY t FROM STDIN | CopyData bad\n | Sync | CopyDone | Query UPDATE orders SET items = '[]' WHERE id > 1000"},
			{4, "Query COPY t FROM STDIN | CopyData bad\n | Sync | CopyDone | Sync | Query UPDATE orders SET items = '[]' WHERE id > 1000"},
			{3, "Query COPY t FROM STDIN | CopyData bad\n | Sync | CopyDone | Parse '' UPDATE orders SET items = '[]' WHERE id > 1000 | Bind '' '' | Execute '' 0 | Sync"},
			{1, "Query SET a.b = 'x'"},
			{3, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData [] | CopyDone | Sync | Query UPDATE orders SET items = '[]' WHERE id > 1000"},
			{3, "Query COPY orders FROM STDIN | Sync | Query RESET a.b"},
			{1, "Query RESET a.b"},
		},
		"a portal that is executed again": {
			{1, "Parse u UPDATE orders SET items = '[]' WHERE id > 1000 | Bind '' u | Execute '' 0 | Execute '' 0 | Sync"},
			{1, "Query BEGIN"},
			{1, "Bind p u | Execute p 0 | Sync"},
			{2, "Query SAVEPOINT a | Execute p 0 | Sync"},
			{2, "Execute p 0 | Sync | Query ROLLBACK TO a"},
			{2, "Execute p 1 | Sync | Query ROLLBACK TO a"},
			{3, "Close P p | Execute p 0 | Sync | Query ROLLBACK TO a | Execute p 0 | Sync"},
			{1, "Query ROLLBACK TO a"},
			{2, "Bind q u | Sync | Query SAVEPOINT b"},
			{2, "Parse x SELECT nosuch | Execute q 0 | Sync | Query ROLLBACK TO b"},
			{2, "Execute q 0 | Close P q | Sync | Bind q u | Execute q 0 | Sync"},
			{3, "Query ROLLBACK TO b | Bind q u | Sync | Query SAVEPOINT b"},
			{4, "Execute q 0 | Sync | Query ROLLBACK TO b | Describe P q | Execute q 0 | Sync | Query ROLLBACK TO b"},
			{2, "Query COMMIT | Execute p 0 | Sync"},
			{1, "Execute q 0 | Sync"},
			{1, "Bind '' u | Execute '' 0 | Bind '' u | Execute '' 0 | Sync"},
			{1, "Parse '' UPDATE orders SET items = '[]' | Bind '' '' | Execute '' 0 | Execute '' 0 | Sync"},
			{1, "Bind '' '' | Execute '' 0 | Sync"},
			{1, "Parse '' UPDATE orders SET items = '[]' RETURNING id | Bind '' '' | Execute '' 0 | Execute '' 0 | Sync"},
			{1, "Query PREPARE e AS UPDATE orders SET items = '[]' WHERE id > 1000"},
			{1, "Parse '' EXECUTE e | Bind '' '' | Execute '' 0 | Execute '' 0 | Sync"},
		},
		"bad data": {
			{1, "Parse '' COPY t FROM STDIN | Bind '' '' | Execute '' 0 | CopyData bad | CopyDone | Sync"},
			{1, "Query COPY t FROM STDIN | CopyData bad | CopyDone"},
			{1, "Query COPY t FROM STDIN | CopyFail no"},
		},
		"a statement trigger stops COPY, Sync sent early": {
			{1, "Query CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'; CREATE TRIGGER no BEFORE INSERT ON t FOR STATEMENT EXECUTE FUNCTION no()"},
			{1, "Parse '' COPY t FROM STDIN | Bind '' '' | Execute '' 0 | Sync"},
		},
		"COPY into a migrating table": {
			{1, "Query COPY orders (items) FROM STDIN | " + twoOrders + " | CopyDone"},
			{1, "Query COPY orders (items) FROM STDIN; SELECT 1; COPY orders (items) FROM STDIN | CopyData [] | CopyDone | " + twoOrders + " | CopyDone"},
			{1, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Describe P '' | Execute '' 0 | " + twoOrders + " | CopyDone | Sync"},
			{1, "Bind '' '' | Execute '' 0 | Flush | CopyDone | Flush | Sync"},
		},
		"COPY into a migrating table with an early Sync": {
			{1, "Parse a COPY orders (items) FROM STDIN | Bind '' a | Execute '' 0 | Sync | " + twoOrders + " | Sync | Flush | CopyDone | Sync"},
			{1, "Bind '' a | Execute '' 0 | Sync | " + twoOrders + " | CopyDone | Sync"},
			{1, "Bind '' a | Execute '' 0 | " + twoOrders + " | CopyDone | Bind p a | Execute p 0 | " + twoOrders + " | CopyDone | Sync"},
		},
		"COPY into a migrating table that fails": {
			{1, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | CopyData bad | CopyDone | Sync"},
			{1, "Bind '' '' | Execute '' 0 | Sync | CopyData bad | CopyDone | Sync"},
			{1, "Bind '' '' | Execute '' 0 | " + twoOrders + " | CopyFail no more | Sync"},
			{1, "Query COPY orders (items) FROM STDIN | CopyData bad | CopyDone"},
			{1, "Query COPY orders (items) FROM STDIN | CopyFail no more"},
			{1, "Query BEGIN"},
			{1, "Query SAVEPOINT a"},
			{1, "Bind '' '' | Execute '' 0 | CopyData bad | CopyDone | Sync"},
			{1, "Query ROLLBACK TO a"},
			{1, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | " + twoOrders + " | CopyDone | Sync"},
			{1, "Query COMMIT"},
		},
		"COPY into a migrating table that does not begin": {
			{1, "Parse '' COPY orders (nothing) FROM STDIN | Bind '' '' | Execute '' 0 | CopyData x | CopyDone | Sync"},
			{2, "Parse '' COPY orders (nothing) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData x | CopyDone | Sync"},
			{1, "Query BEGIN"},
			{2, "Parse '' COPY orders (nothing) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData x | CopyDone | Sync"},
			{2, "Bind '' '' | Execute '' 0 | Sync | CopyData x | CopyDone | Sync"},
			{1, "Query ROLLBACK"},
			{1, "Parse '' SELECT nothing | Bind '' '' | Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | CopyData [] | CopyDone | Sync"},
		},
		"a statement trigger stops COPY into a migrating table": {
			{1, "Query SET a.b = 'x'"},
			{2, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData [] | CopyDone | Sync"},
			{1, "Query BEGIN"},
			{2, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData [] | CopyDone | Sync"},
			{1, "Query ROLLBACK"},
			{1, "Query RESET a.b"},
			{1, "Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | Sync | CopyData [] | CopyDone | Sync"},
		},
		"Query in a batch": {
			{2, "Parse '' SELECT 1 | Bind '' '' | Query UPDATE orders SET items = '[]' | Sync"},
			{1, "Parse '' SELECT nosuch | Query UPDATE orders SET items = '[]' | Sync"},
			{1, "Bind '' '' | Execute '' 0 | Sync"},
		},
		"the unnamed statement behind a failed batch": {
			{1, "Parse '' INSERT INTO orders (id) VALUES (7) | Sync"},
			{2, "Parse x SELECT nosuch | Sync | Parse '' SELECT 1 | Bind '' '' | Execute '' 0 | Sync"},
		},
		"two Syncs, unknown statements, closing what is not there": {
			{2, "Sync | Sync"}, {1, "Bind '' nosuch | Execute '' 0 | Close S nosuch | Sync"}, {1, "Close S nosuch | Close P nosuch | Sync"},
		},
		"max rows": {
			{1, "Query BEGIN"},
			{1, "Parse '' INSERT INTO orders (items) SELECT '[]' FROM generate_series(1, 3) RETURNING note | Bind p '' | Execute p 2 | Sync"},
			{1, "Execute p 2 | Sync"},
			{1, "Query COMMIT"},
		},
		"a portal that cannot be bound again, or closed": {
			{1, "Parse u UPDATE orders SET items = '[{\"sku\":\"a\"}]' | Parse r UPDATE orders SET items = '[]' RETURNING id | Parse s SELECT 1 | Sync"},
			{1, "Query BEGIN"},
			{1, "Bind p u | Bind r r | Bind s s | Sync"},
			{1, "Query SAVEPOINT a"},
			{1, "Bind p s | Sync"},
			{1, "Query ROLLBACK TO a"},
			{1, "Parse x SELECT nosuch | Close P r | Sync"},
			{1, "Query ROLLBACK TO a"},
			{1, "Bind s r | Sync"},
			{3, "Query ROLLBACK TO a | Describe P s | Execute s 0 | Describe P r | Execute r 0 | Sync | Query SAVEPOINT a"},
			{4, "Bind p s | Sync | Query ROLLBACK TO a | Describe P p | Execute p 0 | Sync | Query COMMIT"},
		},
		"a message whose body is wrong": {
			{1, "Raw Q SELECT 1"},
			{1, "Raw Q UPDATE orders SET items = '[{\"sku\":\"a\"}]'\x00 WHERE\x00"},
			{1, "Raw P abc | Sync"},
			{1, "Parse '' UPDATE orders SET items = '[]' RETURNING id | Bind '' '' | Raw E x | Sync"},
			{1, "Parse '' UPDATE orders SET items = '[]' RETURNING id | Raw B \x00\x00\x00\x01\x00\x00\x00\x05 | Sync"},
			{2, "Raw B \x00 | Sync | Raw D X | Sync"},
			{2, "Raw D Xa\x00 | Sync | Raw C X | Sync"},
			{1, "Raw C Xa\x00 | Parse '' SELECT 1 | Sync"},
			{1, "Raw H x | Query SELECT 1 | Sync"},
			{1, "Query UPDATE orders SET items = '[]' RETURNING id"},
			{1, "Raw H x | Parse '' SELECT 1 | Sync"},
			{2, "Raw S x | Query SELECT 1"},
			{1, "Raw F x | Parse '' SELECT 1"},
			{1, "Sync"},
		},
		"a portal that FETCH of another text runs": {
			{1, "Parse s SELECT 1 | Parse u UPDATE orders SET items = '[]' | Parse f FETCH 1 FROM s | Sync"},
			{1, "Query BEGIN"},
			{1, "Bind s s | Bind u u | Bind '' f | Execute '' 0 | Sync"},
			{1, "Query FETCH ALL FROM s; SELECT 'fetch us'"},
			{1, "Execute u 0 | Sync"},
			{1, "Query COMMIT"},
		},
		"a failed transaction": {
			{1, "Query BEGIN"},
			{1, "Query SELECT 1/0"},
			{1, "Query UPDATE orders SET items = '[]'"},
			{1, "Query ROLLBACK"},
			{1, "Query UPDATE orders SET items = '[]'"},
		},
		"a Close that is skipped, and a Describe behind its Sync": {
			{1, "Parse s UPDATE orders SET items = '[{\"sku\":\"a\"}]' | Sync"},
			{2, "Execute nosuch 0 | Close S s | Sync | Describe S s | Bind '' s | Describe P '' | Execute '' 0 | Sync"},
			{3, "Parse '' UPDATE orders SET items = '[]' | Sync | Execute nosuch 0 | Close S '' | Sync | Parse '' UPDATE orders SET items = '[{\"sku\":\"b\"}]' | Describe S '' | Bind '' '' | Execute '' 0 | Sync"},
		},
		"empty": {{1, "Query "}, {1, "Parse '' -- ping | Bind '' '' | Describe P '' | Execute '' 0 | Sync"}},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]string{}
			for _, way := range []string{"direct", "gate", "gate, syncs behind"} {
				t.Run(way, func(t *testing.T) {
					g, direct := postgresGate(t, Options{})
					changes := []func(*catalog.Snapshot){func(s *catalog.Snapshot) {
						s.Version = pgtest.Value[int](t, direct, "SELECT current_setting('server_version_num')::int")
					}}
					if way == "gate, syncs behind" {
						changes = append(changes, triggered)
					}
					g.planner = canonical(t, "dualwrite", 7, changes...)
					g.server.Use(g.planner)
					pgtest.Exec(t, direct, pgtest.Schema, state(g.planner), "CREATE TABLE t (a int)", "INSERT INTO orders (id) VALUES (1000)", stopTrigger)
					addr := g.addr
					if way == "direct" {
						addr = g.server.opts.Upstream
					}
					c := dialRaw(t, addr)
					c.send(startupPacket(version3, "user", "postgres", "database", parse(t, direct).Database))
					c.converse(1, "Flush")
					for _, step := range steps {
						answers[way] += c.converse(step.ready, step.messages) + "\n"
					}
					answers[way] += c.converse(1, "Query INSERT INTO orders (id, items) VALUES (99, '[{\"sku\":\"z\"}]')")
					_ = c.Close()
					if way != "direct" {
						agree(t, direct)
					}
				})
			}
			for way, said := range answers {
				if said != answers["direct"] {
					t.Errorf("through the %s\n%s\ndirectly\n%s", way, said, answers["direct"])
				}
			}
		})
	}
}

// stopTrigger fails a statement before its first row, where the session wants that.
const stopTrigger = `CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN IF current_setting('a.b', true) = 'x' THEN RAISE 'stop'; END IF; RETURN NULL; END $$;
	CREATE TRIGGER stop BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION stop()`

// state makes what the syncs call and read: no backfill has run.
func state(p *rewrite.Planner) string {
	sql := "CREATE SCHEMA pgjanus;" + rewrite.LastvalDDL + `;
	CREATE TABLE pgjanus.migration (name text PRIMARY KEY, batch bigint, cursor_key text[], ahead_key text[], ahead_batch bigint);
	CREATE SEQUENCE ` + rewrite.FillSequence("order-items") + ";"
	for _, m := range p.Migrations() {
		for _, f := range m.Functions() {
			sql += f.Create
		}
	}
	return sql
}

// agree fails where order_items is not what orders says.
func agree(t *testing.T, direct string) {
	t.Helper()
	const drift = `SELECT count(*)::int FROM (
		SELECT o.id, x.value ->> 'sku' AS sku FROM orders o, jsonb_array_elements(o.items) x) a
		FULL JOIN order_items b ON a.id = b.order_id AND a.sku = b.sku WHERE a.id IS NULL OR b.id IS NULL`
	if n := pgtest.Value[int](t, direct, drift); n != 0 {
		t.Errorf("%d items disagree", n)
	}
	if n := pgtest.Value[int](t, direct, "SELECT count(*)::int FROM order_items WHERE sku = 'z'"); n != 1 {
		t.Errorf("the last write is there %d times", n)
	}
}
