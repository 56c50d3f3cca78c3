package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
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

// A trigger of the table itself that writes rows which the statement does not: it
// is warned about, leaves drift, and a guard is the way out.
func TestATriggerOfTheTableThatWritesOtherRowsIsWarnedAbout(t *testing.T) {
	for name, create := range map[string]string{
		"after":    `CREATE TRIGGER next AFTER UPDATE ON users FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION deactivate_next()`,
		"deferred": `CREATE CONSTRAINT TRIGGER next AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION deactivate_next()`,
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, 0)
			pgtest.Exec(t, g.direct, `INSERT INTO users (id) VALUES (1), (2)`,
				`CREATE FUNCTION deactivate_next() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE users SET is_active = false WHERE id = NEW.id + 1; RETURN NULL; END'`, create)
			warned := func() string {
				t.Helper()
				all, err := migrate.Unseen(context.Background(), pgtest.Connect(t, g.direct), g.planner, g.planner.Migration("user-status"))
				if err != nil {
					t.Fatal(err)
				}
				return strings.Join(all, "\n")
			}
			const update = "UPDATE users SET is_active = false, email = 'x' WHERE id = 1"
			g.phase("dualwrite")
			want := "user-status: trigger next on public.users itself, by function public.deactivate_next() may write public.users, and no statement shows that (set guard: sync)"
			if got := warned(); got != want {
				t.Errorf("check says\n%s\nwant\n%s", got, want)
			}
			pgtest.Exec(t, g.dsn, update)
			if drift := pgtest.Drift(t, g.direct)["user-status"]; drift != 1 {
				t.Errorf("%d keys drift, want 1: the warning is not needed", drift)
			}
			pgtest.Exec(t, g.direct, "UPDATE users SET is_active = true, status = 'active'")
			g.use(guarded())
			if got := warned(); got != "" {
				t.Errorf("with guard: sync check says %s", got)
			}
			pgtest.Exec(t, g.dsn, update)
			pgtest.Agree(t, g.direct)
		})
	}
}

// So does one of the new table, which changes new rows or keeps them from going.
func TestATriggerOfTheNewTableThatChangesItsRowsFailsTheStatement(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"A"},{"sku":"B"}]')`,
		`CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF TG_OP = 'DELETE' THEN RETURN NULL; END IF; NEW.sku := upper(NEW.sku); RETURN NEW; END $$`,
		`CREATE TRIGGER change BEFORE INSERT OR UPDATE OR DELETE ON order_items FOR EACH ROW EXECUTE FUNCTION change()`)
	g.phase("dualwrite")
	g.backfilled()
	conn := g.connect(pgx.QueryExecModeExec)
	for _, c := range []struct {
		text  string
		fails bool
	}{
		{`INSERT INTO orders (items) VALUES ('[{"sku":"A"}]')`, false},
		{`INSERT INTO orders (items) VALUES ('[{"sku":"a"}]')`, true},
		{`UPDATE orders SET items = '[{"sku":"B"},{"sku":"C"},{"sku":"D"}]' WHERE id = 1`, false},
		{`UPDATE orders SET items = '[{"sku":"B"},{"sku":"c"},{"sku":"D"}]' WHERE id = 1`, true},
		{`UPDATE orders SET items = '[{"sku":"B"},{"sku":"C"},{"sku":"D"},{"sku":"e"}]' WHERE id = 1`, true},
		{`UPDATE orders SET items = '[{"sku":"B"}]' WHERE id = 1`, true},
	} {
		_, err := conn.Exec(context.Background(), c.text)
		if fails := err != nil && strings.Contains(err.Error(), "27000"); fails != c.fails {
			t.Errorf("%s: %v", c.text, err)
		}
		pgtest.Agree(t, g.direct)
	}
	g.use(strings.Replace(pgtest.CanonRules("dualwrite"), "kind: rows", "kind: rows\n    on_fanout_error: dirty", 1))
	if _, err := conn.Exec(context.Background(), `UPDATE orders SET items = '[{"sku":"B"}]' WHERE id = 1`); err != nil {
		t.Error(err)
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM pgjanus.dirty"); n != 1 {
		t.Errorf("%d keys are dirty, want 1", n)
	}
}

// ON DELETE CASCADE does not mind a trigger that keeps the rows.
func TestATriggerThatKeepsNewRowsFromBeingDeletedIsWarnedAbout(t *testing.T) {
	g := newGate(t, 1)
	g.phase("dualwrite")
	pgtest.Exec(t, g.dsn, `UPDATE orders SET items = '[{"sku":"a"}]'`)
	pgtest.Exec(t, g.direct, `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER keeps BEFORE DELETE ON order_items FOR EACH ROW EXECUTE FUNCTION keep()`)
	g.phase("dualwrite")
	if warnings := strings.Join(g.planner.Warnings(), "\n"); !strings.Contains(warnings, "rows of public.order_items would outlive their old row where trigger keeps keeps them") {
		t.Errorf("the warnings are %q", warnings)
	}
	pgtest.Exec(t, g.dsn, "DELETE FROM orders")
	if n := pgtest.Value[int](t, g.direct, "SELECT count(*)::int FROM order_items"); n != 1 {
		t.Errorf("%d new rows are left: the warning is not needed", n)
	}
}

// An INSERT that computes the new columns may update a row instead, and fire
// triggers for that.
func TestATriggerForUpdateCountsForAnUpsert(t *testing.T) {
	for name, ddl := range map[string]string{
		"before": `CREATE FUNCTION reopen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.is_active := NOT OLD.is_active; RETURN NEW; END $$;
			CREATE TRIGGER reopen BEFORE UPDATE OF email ON users FOR EACH ROW EXECUTE FUNCTION reopen()`,
		"after": `CREATE FUNCTION reopen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET is_active = NOT OLD.is_active WHERE id = NEW.id; RETURN NULL; END $$;
			CREATE TRIGGER reopen AFTER UPDATE OF email ON users FOR EACH ROW EXECUTE FUNCTION reopen()`,
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, 3)
			pgtest.Exec(t, g.direct, ddl)
			g.phase("dualwrite")
			g.refill()
			g.takes(t, pgtest.Connect(t, g.dsn),
				"INSERT INTO users (id, email, is_active) VALUES (1, 'a', true), (9, 'b', true) ON CONFLICT (id) DO UPDATE SET email = excluded.email",
				"INSERT INTO users (id, email, is_active) VALUES (9, 'c', true) ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING is_active",
				"INSERT INTO users (id, email, is_active) VALUES (9, 'c', false) ON CONFLICT DO NOTHING",
			)
			if got := pgtest.Value[string](t, g.direct, "SELECT string_agg(status, ' ' ORDER BY id) FROM users"); got != "disabled active disabled disabled" {
				t.Errorf("the users are %s", got)
			}
		})
	}
}

// A sync of one migration that writes the row again fires a trigger that changes what
// another one maps.
func TestATriggerThatChangesWhatAnotherMigrationMaps(t *testing.T) {
	rows := `
  - name: a-history
    phase: dualwrite
    kind: rows
    old: {table: public.t, key: [id], columns: [history]}
    new: {table: public.saves, parent: {of: id}}
    up: SELECT h AS what FROM unnest(old.history) AS h
`
	columns := `
  - name: %s
    phase: dualwrite
    kind: columns
    old: {table: public.t, key: [id], columns: [%s]}
    new: {table: public.t, columns: [%s]}
    up: {%[3]s: "CASE WHEN old.%[2]s THEN 'yes' ELSE 'no' END"}
    down: {%[2]s: "new.%[3]s = 'yes'"}
`
	g := newGateOver(t, `
		CREATE TABLE t (id int PRIMARY KEY, open bool DEFAULT false, paid bool DEFAULT false, history text[] DEFAULT '{}', open_is text DEFAULT 'no', paid_is text DEFAULT 'no');
		CREATE TABLE saves (id bigserial PRIMARY KEY, of int REFERENCES t ON DELETE CASCADE, what text);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			NEW.history := OLD.history || concat(NEW.open)::text; NEW.paid := NOT NEW.open; RETURN NEW; END $$;
		CREATE TRIGGER note BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()`)
	g.use("migrations:" + rows + fmt.Sprintf(columns, "b-paid", "paid", "paid_is") + fmt.Sprintf(columns, "c-open", "open", "open_is"))
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn,
		"INSERT INTO t (id, history) VALUES (1, '{a}'), (2, '{b,c}')",
		"INSERT INTO t (id, open, history) SELECT 3, true, '{d}'",
		"INSERT INTO t (id, open, history) VALUES (4, (SELECT true), '{e}')",
		"UPDATE t SET open = NOT open",
		"UPDATE t SET open = true WHERE id = 1",
		"UPDATE t SET history = '{}', open = id < 3",
		"UPDATE t SET open_is = 'no' WHERE id = 2",
		"UPDATE t SET open_is = lower('YES') WHERE id = 2",
		"WITH w AS (UPDATE t SET open = NOT open RETURNING id) SELECT id FROM w",
		"INSERT INTO t (id, open) VALUES (4, false), (5, true) ON CONFLICT (id) DO UPDATE SET open = NOT t.open")
	// What b-paid has mapped already is changed behind that.
	g.refuses(t, conn, []string{"27000"}, "INSERT INTO t (id, paid, open) VALUES (6, true, (SELECT true))")
	pgtest.Exec(t, g.direct, "ALTER TABLE t DISABLE TRIGGER note", "UPDATE t SET open_is = 'no', open = true WHERE id = 1", "ALTER TABLE t ENABLE TRIGGER note")
	_, err := migrate.Backfill(t.Context(), pgtest.Connect(t, g.direct), migrate.BackfillOptions{Planner: g.planner, Migration: "c-open", SkipWait: true})
	if err == nil || !strings.Contains(err.Error(), `changed what migration "a-history" maps (SQLSTATE 27000)`) {
		t.Errorf("the backfill of a migration whose trigger writes what another one maps says %v", err)
	}
}
