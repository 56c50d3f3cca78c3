package proxy

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// slowItem makes a sync wait.
const slowItem = `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF NEW.sku = 'slow' THEN PERFORM pg_sleep(20); END IF; RETURN NEW; END $$;
	CREATE TRIGGER slow BEFORE INSERT ON order_items FOR EACH ROW EXECUTE FUNCTION slow()`

// slowWrites are writes whose sync waits.
var slowWrites = map[string]string{
	"simple":   `Query UPDATE orders SET items = '[{"sku":"slow"}]'`,
	"extended": `Parse '' UPDATE orders SET items = '[{"sku":"slow"}]' | Bind '' '' | Execute '' 0 | Sync`,
	"COPY":     `Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | CopyData [{"sku":"slow"}] | CopyDone | Sync`,
}

// slowGate is a gate whose syncs can be slow. amid calls a function of Postgres for
// the backend that is in one.
func slowGate(t *testing.T, behind bool) (g *gate, direct string, amid func(function string)) {
	t.Helper()
	g, direct = postgresGate(t, Options{})
	if behind {
		g.planner = canonical(t, "dualwrite", 7, triggered)
		g.server.Use(g.planner)
	}
	pgtest.Exec(t, direct, pgtest.Schema, state(g.planner), "INSERT INTO orders (id) VALUES (1000)", slowItem)
	return g, direct, func(function string) {
		const asleep = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
		eventually(t, "the sync runs", func() bool { return pgtest.Value[bool](t, direct, "SELECT EXISTS (SELECT "+asleep+")") })
		pgtest.Exec(t, direct, "SELECT "+function+"(pid) "+asleep)
	}
}

func (g *gate) login(database string) *rawClient {
	g.t.Helper()
	c := g.raw()
	c.send(hello(database))
	c.converse(1, "Flush")
	return c
}

func TestASyncThatIsCancelledTakesItsStatementWithIt(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for name, write := range slowWrites {
			t.Run(name, func(t *testing.T) {
				g, direct, amid := slowGate(t, behind)
				c := g.login(parse(t, direct).Database)
				c.send(encodeClient(t, write))
				amid("pg_cancel_backend")
				if got := c.converse(1, "Flush"); !strings.HasSuffix(got, "E(57014)Z") {
					t.Errorf("the answers are %s", got)
				}
				if got := c.converse(1, `Query INSERT INTO orders (id, items) VALUES (99, '[{"sku":"z"}]')`); got != "CZ" {
					t.Errorf("and then %s", got)
				}
				_ = c.Close()
				agree(t, direct)
			})
		}
	}
}

// What the client gets to read of it does not show what was under way.
func TestASyncThatIsTerminatedTakesItsStatementWithIt(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for name, write := range slowWrites {
			t.Run(name, func(t *testing.T) {
				g, direct, amid := slowGate(t, behind)
				c := g.login(parse(t, direct).Database)
				c.send(encodeClient(t, write))
				amid("pg_terminate_backend")
				said := string(c.rest())
				_ = c.Close()
				if !strings.Contains(said, "C57P01\x00") || strings.Contains(said, "order_items") || strings.Contains(said, "pgjanus.") {
					t.Errorf("the client reads %q", said)
				}
				if n := pgtest.Value[int](t, direct, "SELECT count(*)::int FROM orders WHERE items::text LIKE '%slow%'"); n != 0 {
					t.Errorf("%d orders are written", n)
				}
				eventually(t, "the session is gone", func() bool { return open(g.server) == 0 })
			})
		}
	}
}
