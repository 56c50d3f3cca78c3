package test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// guarded is the canonical rules with a guard on each migration.
func guarded() string {
	return strings.ReplaceAll(pgtest.CanonRules("dualwrite"), "    phase: dualwrite\n", "    phase: dualwrite\n    guard: sync\n")
}

// A write that no statement shows is synced by the guard, through pgjanus and
// past it, and is answered as Postgres answers it.
func TestAGuardSyncsWhatNoStatementShows(t *testing.T) {
	g := newGate(t, 20)
	pgtest.Exec(t, g.direct, `
CREATE VIEW open_orders AS SELECT id, items FROM orders;
CREATE FUNCTION touch() RETURNS void LANGUAGE sql AS $$ UPDATE orders SET items = '[{"sku":"f"}]' WHERE id = 3 $$;
CREATE TABLE staged (id bigint, items jsonb);
INSERT INTO staged VALUES (4, '[{"sku":"m"}]'), (104, '[{"sku":"m"},{"sku":"n"}]');`)
	g.use(guarded())
	if missing := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM orders WHERE id BETWEEN 1 AND 4"); missing != 4 {
		t.Fatal("the rows that the test changes are not there")
	}
	for _, table := range []string{"orders", "users", "counters"} { // what was there before the guard
		for _, m := range g.planner.Migrations() {
			if m.Rule.Old.Table.Name == table {
				pgtest.Exec(t, g.direct, "UPDATE "+table+" SET "+m.Rule.Old.Key[0]+" = "+m.Rule.Old.Key[0])
			}
		}
	}
	pgtest.Agree(t, g.direct)
	for name, text := range map[string]string{
		"update through a view": `UPDATE open_orders SET items = '[{"sku":"v"}]' WHERE id = 1`,
		"insert through a view": `INSERT INTO open_orders VALUES (101, '[{"sku":"v"}]')`,
		"DO":                    `DO $$ BEGIN UPDATE orders SET items = '[{"sku":"d"},{"sku":"e"}]' WHERE id = 2; END $$`,
		"a function":            `SELECT touch()`,
		"MERGE":                 `MERGE INTO orders o USING staged s ON s.id = o.id WHEN MATCHED THEN UPDATE SET items = s.items WHEN NOT MATCHED THEN INSERT (id, items) VALUES (s.id, s.items)`,
		"MERGE of columns":      `MERGE INTO users u USING (VALUES (1), (2)) s (id) ON s.id = u.id WHEN MATCHED THEN UPDATE SET is_active = NOT u.is_active`,
		"PREPARE":               `PREPARE p AS UPDATE orders SET items = '[{"sku":"p"}]' WHERE id = 1; EXECUTE p; DEALLOCATE p`,
		"EXPLAIN ANALYZE":       `EXPLAIN ANALYZE UPDATE users SET is_active = NOT is_active WHERE id < 3`,
		"a write inside":        `WITH w AS (UPDATE counters SET n = n + 1 RETURNING id) SELECT count(*) FROM w`,
	} {
		if strings.HasPrefix(name, "MERGE") && g.planner.Snapshot().Version < 150000 {
			continue // Postgres has no MERGE yet
		}
		t.Run(name, func(t *testing.T) {
			for _, dsn := range []string{g.dsn, g.direct} {
				conn := pgtest.Connect(t, dsn)
				if dsn == g.direct {
					text = strings.NewReplacer("101", "102", "104", "105").Replace(text)
				}
				if _, err := conn.PgConn().Exec(context.Background(), text).ReadAll(); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				pgtest.Agree(t, g.direct)
			}
		})
	}
}

func TestCopyIntoAGuardedTable(t *testing.T) {
	g := newGate(t, 0)
	g.use(guarded())
	conn := g.connect(pgx.QueryExecModeExec)
	copyIn := func(text, data string) error {
		tag, err := conn.PgConn().CopyFrom(context.Background(), strings.NewReader(data), text)
		if err == nil && tag.String() != "COPY 2" {
			t.Errorf("%s: the tag is %s", text, tag)
		}
		return err
	}
	for text, data := range map[string]string{
		"COPY orders (items) FROM STDIN":                          "[{\"sku\":\"a\"}]\n[]\n",
		"COPY orders (id, items) FROM STDIN (FORMAT csv, HEADER)": "id,items\n71,\"[{\"\"sku\"\":\"\"a\"\"},{\"\"sku\"\":\"\"b\"\"}]\"\n72,[]\n",
		"copy users from stdin":                                   "71\tx@y\tf\n72\tz@y\tt\n",
		"COPY public . users (id,email) FROM stdin":               "73\tx@y\n74\tz@y\n",
		"COPY counters (id) FROM STDIN WHERE id > 0":              "81\n82\n",
	} {
		if err := copyIn(text, data); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		pgtest.Agree(t, g.direct)
	}
	rows := [][]any{{int64(91), []byte(`[{"sku":"x"},{"sku":"y"}]`)}, {int64(92), []byte(`[]`)}}
	if n, err := conn.CopyFrom(context.Background(), pgx.Identifier{"orders"}, []string{"id", "items"}, pgx.CopyFromRows(rows)); err != nil || n != 2 {
		t.Errorf("binary: %d, %v", n, err)
	}
	pgtest.Agree(t, g.direct)
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM order_items"); n != 5 {
		t.Errorf("there are %d items, want 5", n)
	}

	err := copyIn("COPY users (id, is_active) FROM STDIN", "101\tt\n102\tmaybe\n")
	if err == nil || !strings.Contains(err.Error(), "22P02") {
		t.Errorf("a value that is no boolean gave %v", err)
	}
	if err := copyIn("COPY users (id, status) FROM STDIN", "101\tpaused\n102\tactive\n"); err != nil {
		t.Errorf("a new column: %v", err)
	}
	if got := pgtest.Value[string](t, g.direct, "SELECT string_agg(concat(is_active, status), ' ' ORDER BY id) FROM users WHERE id > 100"); got != "fpaused tactive" {
		t.Errorf("a new column is carried back as %s", got)
	}
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(context.Background(), &out, "COPY (SELECT count(*) FROM users) TO STDOUT"); err != nil || out.String() != "6\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	pgtest.Agree(t, g.direct)
}

// Clients past pgjanus and through it fight over the same rows.
func TestAGuardAndStatementsLeaveNoDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			arena(t, g.direct)
			g.use(guarded())
			through := &load{dsn: g.dsn, level: level}
			past := &load{dsn: g.direct, level: level}
			d := raceTime(t) / 2
			enough := 5 * int64(max(d/time.Second, 1))
			var running sync.WaitGroup
			running.Add(1)
			go func() {
				defer running.Done()
				past.run(t, d, enough, 1)
			}()
			through.run(t, d, enough, 1)
			running.Wait()
			pgtest.Agree(t, g.direct)
		})
	}
}

// A trigger of the user that writes the row again, behind the statement and
// inside it, does not leave the guard with what was written first.
func TestAGuardReadsTheRowAsItIsAtLast(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF pg_trigger_depth() = 1 THEN UPDATE orders SET items = items || '{"sku":"again"}' WHERE id = NEW.id; END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER zz_again AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION again();`)
	g.use(guarded())
	for _, dsn := range []string{g.dsn, g.direct} {
		pgtest.Exec(t, dsn, `INSERT INTO orders (items) VALUES ('[{"sku":"a"}]'), ('[]')`, `UPDATE orders SET items = '[{"sku":"b"}]'`)
		pgtest.Agree(t, g.direct)
	}
}

// The triggers stay while a statement might still rely on them, and go when the
// migration goes.
func TestGuardsComeAndGoWithTheRules(t *testing.T) {
	g := newGate(t, 0)
	count := func() int64 {
		return pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgjanus %'")
	}
	for _, step := range []struct {
		rules string
		want  int64
	}{
		{guarded(), 6},
		{guarded(), 6},
		{strings.Replace(guarded(), "'disabled'", "'paused'", 1), 6},
		{pgtest.CanonRules("dualwrite"), 6},
		{watched("reject"), 16}, // six of them only see to it that those of the other ten have nothing to see
		{guarded(), 6},
		{pgtest.CanonRules("off"), 0},
		{watched("log"), 10},
		{watched("reject"), 10},
		{pgtest.CanonRules("dualwrite"), 0},
		{watched("reject"), 10},
		{guarded(), 6},
		{pgtest.CanonRules("off"), 0},
		{strings.ReplaceAll(guarded(), "phase: dualwrite", "phase: off"), 0},
	} {
		if g.use(step.rules); count() != step.want {
			t.Errorf("there are %d triggers, want %d, under\n%s", count(), step.want, step.rules)
		}
	}
}

// Triggers that stay behind without a guard go by the rules in force.
func TestAGuardThatStaysFollowsTheRules(t *testing.T) {
	for _, kind := range []string{"", "log"} {
		g := newGate(t, 0)
		g.use(guarded())
		pgtest.Exec(t, g.dsn, `INSERT INTO orders (items) VALUES ('[{"sku":"a","qty":1}]')`, "INSERT INTO users DEFAULT VALUES")
		rules := pgtest.CanonRules("dualwrite")
		if kind != "" {
			rules = watched(kind)
		}
		g.use(strings.NewReplacer("SELECT i.sku, i.qty,", "SELECT i.sku, i.qty + 100 AS qty,", "'qty', qty", "'qty', qty - 100", "ELSE 'disabled'", "ELSE 'paused'").Replace(rules))
		if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, g.dsn, `UPDATE orders SET items = '[{"sku":"b","qty":1}]'`, "UPDATE users SET is_active = (SELECT false)")
		if kind != "" && seen(t, g) > 0 {
			t.Error("what pgjanus wrote was taken for a bypass")
		}
		g.noDrift(t, "the rules have changed")
	}
}

// What was prepared by SQL because of a guard is not executed without it.
func TestAPreparedWriteNeedsItsGuardStill(t *testing.T) {
	g := newGate(t, 5)
	pgtest.Exec(t, g.direct, "CREATE VIEW open_orders AS SELECT customer, items FROM orders")
	g.use(guarded())
	conn := g.connect(pgx.QueryExecModeExec)
	exec := func(text string) error {
		_, err := conn.PgConn().Exec(context.Background(), text).ReadAll()
		return err
	}
	for _, text := range []string{`PREPARE p AS UPDATE open_orders SET items = '[{"sku":"p"}]' WHERE customer = 'customer ' || $1`, "EXECUTE p(1)", "EXECUTE p(2)"} {
		if err := exec(text); err != nil {
			t.Fatal(err)
		}
	}
	g.use(guarded())
	if err := exec("EXECUTE p(3)"); err != nil {
		t.Error(err)
	}
	g.phase("off")
	g.phase("dualwrite")
	if err := exec("EXECUTE p(4)"); err == nil || !strings.Contains(err.Error(), "0A000") {
		t.Errorf("without the guard EXECUTE gave %v", err)
	}
	g.use(guarded())
	if err := exec("EXECUTE p(4)"); err != nil {
		t.Errorf("with the guard again EXECUTE gave %v", err)
	}
	g.phase("dualwrite")
	if err := exec("DEALLOCATE ALL"); err != nil {
		t.Error(err)
	}
	if err := exec("PREPARE p AS SELECT 1"); err != nil {
		t.Error(err)
	}
	if err := exec("EXECUTE p"); err != nil {
		t.Error(err)
	}
}
