package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

// watched is the canonical rules with a guard of that mode on each migration.
func watched(mode string) string {
	return strings.ReplaceAll(pgtest.CanonRules("dualwrite"), "    phase: dualwrite\n", "    phase: dualwrite\n    guard: "+mode+"\n")
}

// seen counts the migrations for which a write past pgjanus was ever noticed,
// and forgets them.
func seen(t testing.TB, g *gate) (n int) {
	t.Helper()
	for _, m := range g.planner.Migrations() {
		name := rewrite.SeenSequence(m.Rule.Name)
		if pgtest.Value[int64](t, g.direct, "SELECT last_value FROM "+name) != 0 {
			n++
		}
		pgtest.Exec(t, g.direct, "SELECT setval('"+name+"', 0)")
	}
	return n
}

// bypasses are writes that leave drift, and that pgjanus does not deal with.
// through says that they are sent to pgjanus, which does not see what they write.
var bypasses = []struct {
	text    string
	through bool
}{
	{`INSERT INTO orders (id, items) VALUES (101, '[{"sku":"x"}]')`, false},
	{`UPDATE orders SET items = '[{"sku":"x"}]' WHERE id = 1`, false},
	{`UPDATE orders SET items = items || '[{"sku":"x"}]'`, false},
	{`INSERT INTO orders (id, items) VALUES (1, '[]') ON CONFLICT (id) DO UPDATE SET items = excluded.items`, false},
	{`WITH w AS (UPDATE orders SET items = '[]' WHERE id = 1 RETURNING id) SELECT * FROM w`, false},
	{`DO $$ BEGIN UPDATE orders SET items = '[]' WHERE id = 1; END $$`, false},
	{`SELECT touch_order()`, true},
	{`SELECT touch_order()`, false},
	{`DELETE FROM shops WHERE id = 7`, true}, // ON DELETE SET NULL, and a trigger
	{`UPDATE tariffs SET id = 8 WHERE id = 7`, true},
	{`UPDATE tariffs SET id = 8 WHERE id = 7`, false},
	{`INSERT INTO order_items (order_id, sku) VALUES (1, 'x')`, false},
	{`INSERT INTO order_items (order_id, sku) VALUES (NULL, 'x')`, false},
	{`UPDATE order_items SET qty = 77 WHERE order_id = 1`, false},
	{`UPDATE order_items SET order_id = 2 WHERE order_id = 1`, false},
	{`UPDATE order_items SET id = -id WHERE order_id = 5`, false},
	{`DELETE FROM order_items WHERE order_id = 1`, false},
	{`TRUNCATE order_items`, false},
	{`SELECT touch_items()`, true},
	{`WITH d AS (DELETE FROM order_items WHERE order_id = 2 RETURNING *) SELECT count(*) FROM d`, false},
	{`INSERT INTO users (id, is_active) VALUES (101, false)`, false},
	{`UPDATE users SET is_active = NOT is_active WHERE id = 1`, false},
	{`UPDATE users SET status = 'paused' WHERE id = 1`, false},
	{`SELECT touch_user()`, true},
	{`DO $$ BEGIN INSERT INTO users (is_active) VALUES (true), (false); END $$`, false},
	{`INSERT INTO counters (n) VALUES (1)`, false},
	{`UPDATE counters SET id = id + 300 WHERE id = 1`, false},
	{`UPDATE counters SET id_big = NULL WHERE id = 1`, false},
	{`SELECT touch_counter()`, true},
}

// harmless are writes that leave no drift, whoever sends them.
var harmless = []string{
	`INSERT INTO orders (id, items) VALUES (102, '[]')`,
	`UPDATE orders SET note = 'x'`,
	`UPDATE orders SET items = items`,
	`UPDATE orders SET items = '[]' WHERE id = 6`, // as it was
	`UPDATE orders SET id = 106 WHERE id = 6`,     // it has no items
	`DELETE FROM orders WHERE id = 1`,
	`TRUNCATE orders CASCADE`,
	`UPDATE order_items SET created_at = now()`,
	`INSERT INTO users (email) VALUES ('x')`,
	`UPDATE users SET email = 'x', is_active = is_active, status = status`,
	`UPDATE users SET is_active = false, status = 'paused' WHERE id = 1`,
	`DELETE FROM users WHERE id < 3`,
	`INSERT INTO counters (id, id_big) VALUES (201, 201)`,
	`UPDATE counters SET id = 301, id_big = 301 WHERE id = 1`,
	`TRUNCATE counters`,
}

// watchWorld fills both shapes, and adds what writes them without a statement
// that shows it.
func watchWorld(t *testing.T) *gate {
	t.Helper()
	g := newGate(t, 12)
	pgtest.Exec(t, g.direct, `
CREATE TABLE shops (id int PRIMARY KEY);
INSERT INTO shops VALUES (7);
ALTER TABLE users ADD COLUMN shop int REFERENCES shops ON DELETE SET NULL;
CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.shop IS NULL AND OLD.shop IS NOT NULL THEN NEW.is_active := NOT NEW.is_active; END IF; RETURN NEW; END $$;
CREATE TABLE tariffs (id int PRIMARY KEY);
INSERT INTO tariffs SELECT generate_series(1, 7);
CREATE FUNCTION touch_order() RETURNS void LANGUAGE sql AS $$ UPDATE orders SET items = '[{"sku":"f"}]' WHERE id = 3 $$;
CREATE FUNCTION touch_items() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM order_items WHERE order_id = 3; END $$;
CREATE FUNCTION touch_user() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET is_active = NOT is_active; END $$;
CREATE FUNCTION touch_counter() RETURNS void LANGUAGE sql AS $$ INSERT INTO counters (n) VALUES (7) $$;`)
	g.phase("dualwrite")
	if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	// A cascade into the old table: the key of counters refers to a tariff.
	pgtest.Exec(t, g.direct, `INSERT INTO tariffs SELECT g FROM generate_series(9, 400) g; DELETE FROM counters WHERE id > 7;
ALTER TABLE counters ADD FOREIGN KEY (id) REFERENCES tariffs (id) ON UPDATE CASCADE NOT VALID;
UPDATE users SET shop = 7 WHERE id = 1;
CREATE TRIGGER closed BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION closed();`)
	pgtest.Agree(t, g.direct)
	return g
}

func TestAWriteThatLeavesDriftIsRejected(t *testing.T) {
	t.Parallel()
	g := watchWorld(t)
	g.use(watched("reject"))
	ctx := context.Background()
	for _, level := range levels {
		for _, b := range bypasses {
			conn := pgtest.Connect(t, g.direct)
			if b.through {
				conn = g.connect(pgx.QueryExecModeExec)
			}
			err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, b.text)
				return err
			})
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "42501" || !strings.Contains(refused.Message, "past pgjanus") || refused.Hint == "" {
				t.Errorf("%s: %s: got %v, want 42501", level, b.text, err)
			}
			if n := seen(t, g); n != 1 {
				t.Errorf("%s: %s was noticed for %d migrations, want 1", level, b.text, n)
			}
			pgtest.Agree(t, g.direct)
			_ = conn.Close(ctx)
		}
	}
}

func TestAWriteThatLeavesDriftIsLogged(t *testing.T) {
	t.Parallel()
	g := watchWorld(t)
	g.use(watched("log"))
	ctx := context.Background()
	for _, b := range bypasses {
		config, err := pgx.ParseConfig(g.direct)
		if b.through {
			config, err = pgx.ParseConfig(g.dsn)
		}
		if err != nil {
			t.Fatal(err)
		}
		var notices []*pgconn.Notice
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n) }
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		for _, verbosity := range []string{"notice", "log"} {
			notices = nil
			tx, err := conn.Begin(ctx)
			if err == nil {
				if _, err = tx.Exec(ctx, "SET LOCAL client_min_messages = "+verbosity); err == nil {
					_, err = tx.Exec(ctx, b.text)
				}
				_ = tx.Rollback(ctx)
			}
			if err != nil {
				t.Errorf("%s: %v", b.text, err)
			}
			if n := seen(t, g); n != 1 {
				t.Errorf("%s was noticed for %d migrations, want 1", b.text, n)
			}
			switch told := len(notices) > 0 && strings.Contains(notices[0].Message, "past pgjanus, ") || len(notices) > 0 && strings.Contains(notices[0].Message, "past pgjanus (key"); {
			case verbosity == "notice" && len(notices) > 0:
				t.Errorf("%s: the client was told %s", b.text, notices[0].Message)
			case verbosity == "log" && (!told || !strings.HasPrefix(notices[0].Detail, "Role postgres, application")):
				t.Errorf("%s: the log has %+v", b.text, notices)
			}
		}
		_ = conn.Close(ctx)
	}
}

func TestAWriteThatLeavesNoDriftIsNotRejected(t *testing.T) {
	g := watchWorld(t)
	g.use(watched("reject"))
	ctx := context.Background()
	for _, level := range levels {
		for _, text := range harmless {
			conn := pgtest.Connect(t, g.direct)
			tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
			if err == nil {
				_, err = tx.Exec(ctx, text)
				_ = tx.Rollback(ctx)
			}
			if n := seen(t, g); err != nil || n > 0 {
				t.Errorf("%s: %s: %v, noticed for %d migrations", level, text, err, n)
			}
			_ = conn.Close(ctx)
		}
	}
}

// What has no new shape yet, because no backfill has been there, is no reason to
// reject a statement that does not touch it.
func TestAWatchIsQuietAboutHistory(t *testing.T) {
	g := newGate(t, 20)
	g.use(watched("reject"))
	for _, dsn := range []string{g.direct, g.dsn} {
		pgtest.Exec(t, dsn, "UPDATE orders SET note = 'x'", "UPDATE users SET email = 'x'", "UPDATE counters SET n = n + 1", "DELETE FROM orders WHERE id = 1")
	}
	if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	pgtest.Agree(t, g.direct)
	if n := seen(t, g); n > 0 {
		t.Errorf("noticed for %d migrations", n)
	}
}

// No write of pgjanus is taken for one past it: inline, by row, by keys, with a
// backfill in between, at any level.
func TestAWatchRaisesNoFalseAlarm(t *testing.T) {
	for _, mode := range []string{"log", "reject"} {
		for name, ddl := range map[string]string{"": "", "behind a trigger": audit} {
			for _, level := range levels {
				t.Run(fmt.Sprint(mode, " ", level, " ", name), func(t *testing.T) {
					g := newGate(t, 0)
					pgtest.Exec(t, g.direct, ddl)
					arena(t, g.direct)
					g.use(watched(mode))
					l := &load{dsn: g.dsn, level: level, movesKeys: true}
					d := raceTime(t) / 4
					commits, conflicts := 5*int64(max(d/time.Second, 1)), int64(1)
					if level == pgx.ReadCommitted { // where only deadlocks are
						conflicts = 0
					}
					ctx := lasting(t, d, l.enough(commits, conflicts))
					l.start(ctx)
					for ctx.Err() == nil && level == pgx.ReadCommitted {
						if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
							t.Error(err)
							break
						}
					}
					if err := l.wait(); err != nil {
						t.Error(err)
					}
					l.log(t)
					l.proves(t, commits, conflicts)
					pgtest.Agree(t, g.direct)
					if n := seen(t, g); n > 0 {
						t.Errorf("noticed for %d migrations", n)
					}
				})
			}
		}
	}
}
