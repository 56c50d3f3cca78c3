package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What pgjanus adds to a statement, and its functions, mean the same in a session
// in which a backslash in a plain string is an escape.
func TestBackslashesInUpInASessionThatEscapesWithThem(t *testing.T) {
	g := newGateOver(t, `
		CREATE TABLE codes (id int PRIMARY KEY, code text DEFAULT 'a\nb', kind text);
		CREATE TABLE lines (id int PRIMARY KEY, words text);
		CREATE TABLE words (id bigserial PRIMARY KEY, line int REFERENCES lines ON DELETE CASCADE, word text)`)
	g.use(`migrations:
  - name: codes
    phase: dualwrite
    kind: columns
    old: {table: public.codes, key: [id], columns: [code]}
    new: {table: public.codes, columns: [kind]}
    up: {kind: "CASE WHEN old.code ~ '^\\d+$' THEN 'number' ELSE 'not \\n, as ' || old.code END"}
  - name: lines
    phase: dualwrite
    kind: rows
    old: {table: public.lines, key: [id], columns: [words]}
    new: {table: public.words, parent: {line: id}}
    up: SELECT w AS word FROM regexp_split_to_table(old.words, '\s') AS w
`)
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "SET standard_conforming_strings = off")
	g.takes(t, conn,
		"INSERT INTO codes (id, code) VALUES (1, '12'), (2, 'a'), (3, DEFAULT)",
		"INSERT INTO codes (id) VALUES (4)",
		"INSERT INTO codes VALUES (5, '15')",
		"UPDATE codes SET code = '7' WHERE id = 2",
		"UPDATE codes SET code = code || '7'",
		"INSERT INTO lines VALUES (1, 'as is'), (2, 'this')",
		"UPDATE lines SET words = 'as it was'",
		"UPDATE lines SET words = '' WHERE id = 1",
	)
}

// hostileSettings change how statements and functions are read, planned or
// printed, each on its own.
var hostileSettings = []string{
	"SET plpgsql.extra_errors = 'all'",
	"SET plpgsql.extra_warnings = 'all'; SET plpgsql.variable_conflict = error; SET plpgsql.print_strict_params = on",
	"SET array_nulls = off; SET transform_null_equals = on",
	"SET quote_all_identifiers = on; SET xmloption = document; SET bytea_output = escape",
	"SET DateStyle = 'SQL, DMY'; SET IntervalStyle = sql_standard; SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = -15",
	"SET standard_conforming_strings = off; SET backslash_quote = off",
	"SET client_encoding = latin1; SET client_min_messages = debug5",
	"SET search_path = ''; SET row_security = off; SET check_function_bodies = off",
	"SET default_transaction_isolation = 'repeatable read'",
	"SET default_transaction_isolation = 'serializable'",
	"SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off",
	"SET plan_cache_mode = force_generic_plan; SET enable_nestloop = off; SET enable_hashjoin = off; SET work_mem = '64kB'",
	"SET geqo_threshold = 2; SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET constraint_exclusion = on",
	"SET max_parallel_workers_per_gather = 8; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
}

// Statements are rewritten, and functions of pgjanus run, under the settings of
// the application's session.
func TestSettingsOfSessionsChangeNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t, 20)
	g.phase("dualwrite")
	g.backfilled()
	ctx := context.Background()
	for _, set := range hostileSettings {
		config, err := pgx.ParseConfig(g.dsn)
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			if n.Severity != "DEBUG" {
				t.Errorf("%s: %s %s, %s", set, n.Severity, n.Message, n.Where)
			}
		}
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().Exec(ctx, set).ReadAll(); err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		for _, text := range []string{
			`INSERT INTO public.orders (items) VALUES ('[{"sku":"a"},{"sku":"b"}]')`,
			`INSERT INTO public.orders (items) SELECT '[{"sku":"a"},{"sku":"b"}]' FROM generate_series(1, 3)`,
			`UPDATE public.orders SET items = '[{"sku":"c","qty":3}]' WHERE id < 5`,
			`UPDATE public.orders SET items = '[{"sku":"c","qty":3},{"sku":"d"}]' WHERE id < 5`,
			`INSERT INTO public.orders (id, items) VALUES ((SELECT max(id) FROM public.orders), '[]') ON CONFLICT (id) DO UPDATE SET items = excluded.items || '[{"sku":"z"}]'`,
			`DELETE FROM public.orders WHERE id = (SELECT min(id) FROM public.orders)`,
			`WITH x AS (UPDATE public.orders SET items = '[]' WHERE id = (SELECT max(id) FROM public.orders) RETURNING *) INSERT INTO public.users (email, is_active) SELECT note, false FROM x`,
			`UPDATE public.users SET is_active = NOT is_active`,
			`UPDATE public.users SET status = 'paused' WHERE id < 3`,
			`INSERT INTO public.order_items (order_id, sku, qty, price_cents) SELECT min(id), 'x', 1, 1 FROM public.orders`,
			`UPDATE public.order_items SET qty = qty + 1 WHERE id = (SELECT min(id) FROM public.order_items)`,
			`DELETE FROM public.order_items WHERE id = (SELECT max(id) FROM public.order_items)`,
			`INSERT INTO public.counters (name) VALUES ('a')`,
			`UPDATE public.counters SET n = n + 1`,
			`TRUNCATE public.counters`,
		} {
			if _, err := conn.Exec(ctx, text); err != nil {
				t.Errorf("%s: %s: %v", set, text, err)
			}
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
		pgtest.Agree(t, g.direct)
	}
}

// A function that a statement calls can take away the keys that it has recorded. A
// guard does not rely on them.
func TestResetAllInsideAStatement(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "CREATE FUNCTION forgets(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RESET ALL; RETURN $1; END'")
	for text, drift := range map[string]int64{pgtest.CanonRules("dualwrite"): 2, guarded(): 0} {
		g.use(text)
		pgtest.Exec(t, g.dsn, "DELETE FROM users", "INSERT INTO users (id) VALUES (1), (2), (3)", "UPDATE users SET is_active = (SELECT false) RETURNING forgets(id)")
		if n := pgtest.Drift(t, g.direct)["user-status"]; int64(n) != drift {
			t.Errorf("drift of %d keys, want %d, under\n%s", n, drift, text)
		}
		g.phase("off")
	}
}
