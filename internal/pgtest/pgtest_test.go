package pgtest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	a, b := Database(t), Database(t)
	Exec(t, a, "CREATE TABLE only_in_a ()")
	if Value[bool](t, b, "SELECT to_regclass('only_in_a') IS NOT NULL") {
		t.Error("the databases are one")
	}
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	var name string
	t.Run("inner", func(t *testing.T) {
		name = Value[string](t, Database(t), "SELECT current_database()::text")
	})
	if Value[bool](t, Database(t), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name) {
		t.Errorf("%s is still there", name)
	}
}

func TestParallelTestsGetDatabases(t *testing.T) {
	for range 4 {
		t.Run("one", func(t *testing.T) {
			t.Parallel()
			Canon(t, Database(t), 10)
		})
	}
}

func TestSessionsLeftAreNamed(t *testing.T) {
	dsn := Database(t)
	conn := Connect(t, dsn)
	name := Value[string](t, dsn, "SELECT current_database()::text")
	if _, err := conn.Exec(t.Context(), "SET application_name = 'straggler'"); err != nil {
		t.Fatal(err)
	}
	server, err := shared.address()
	if err != nil {
		t.Fatal(err)
	}
	if left := sessions(t, server, name, 500*time.Millisecond); len(left) != 1 || !strings.Contains(left[0], "straggler") {
		t.Errorf("got %q", left)
	}
}

func TestIgnoreServerLeavesNothingElse(t *testing.T) {
	dsn := Database(t)
	goleak.VerifyNone(t, IgnoreServer())
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(context.Background())
}

func TestWithDatabaseReplacesTheDatabase(t *testing.T) {
	for _, dsn := range []string{
		"postgres://postgres@127.0.0.1:5432/app?sslmode=disable",
		"postgresql://postgres@127.0.0.1:5432/",
		"host=127.0.0.1 port=5432 dbname=app user=postgres",
	} {
		got, err := WithDatabase(dsn, `o'ther`)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := pgx.ParseConfig(got)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Database != `o'ther` || cfg.User != "postgres" || cfg.Port != 5432 {
			t.Errorf("%s became %s", dsn, got)
		}
	}
}

func TestDatabaseNamesAreIdentifiersOfPostgres(t *testing.T) {
	name := databaseName("TestÜber/" + strings.Repeat("long name ", 30))
	if len(name) > 63 || !strings.HasPrefix(name, "t_test_ber_long_name") {
		t.Errorf("got %q", name)
	}
}

func TestCanonHasTheOldShapeOnly(t *testing.T) {
	dsn := Database(t)
	Canon(t, dsn, 60)
	for query, want := range map[string]int64{
		"SELECT count(*) FROM orders":                                60,
		"SELECT count(*) FROM orders WHERE items = '[]'":             10,
		"SELECT sum(jsonb_array_length(items)) FROM orders":          150,
		"SELECT count(*) FROM order_items":                           0,
		"SELECT count(*) FROM users WHERE NOT is_active":             20,
		"SELECT count(*) FROM users WHERE status <> 'active'":        0,
		"SELECT count(*) FROM counters WHERE id_big IS NULL":         60,
		"SELECT max(id) FROM counters":                               60,
		"SELECT nextval('orders_id_seq')":                            61,
		"SELECT count(*) FROM pg_constraint WHERE confdeltype = 'c'": 1,
	} {
		if got := Value[int64](t, dsn, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

func TestDriftIsSeenAndGoesWhenTheShapesAgree(t *testing.T) {
	dsn := Database(t)
	Canon(t, dsn, 60)
	drift := Drift(t, dsn)
	for migration, want := range map[string]int{"order-items": 50, "user-status": 20, "counter-bigint": 60} {
		if drift[migration] != want {
			t.Errorf("%s: %d, want %d", migration, drift[migration], want)
		}
	}
	Exec(t, dsn, `
		INSERT INTO order_items (order_id, sku, qty, price_cents)
		SELECT o.id, i.* FROM orders o, jsonb_to_recordset(o.items) AS i (sku text, qty int, price_cents int);
		UPDATE users SET status = CASE WHEN is_active THEN 'active' ELSE 'disabled' END;
		UPDATE users SET status = 'paused' WHERE id = 3;
		UPDATE counters SET id_big = id`)
	Agree(t, dsn)

	Exec(t, dsn, "INSERT INTO order_items (order_id, sku, qty, price_cents) SELECT order_id, sku, qty, price_cents FROM order_items WHERE order_id = 1")
	if got := Drift(t, dsn)["order-items"]; got != 1 {
		t.Errorf("a doubled child: %d, want 1", got)
	}
}

func TestCanonRulesAreYAMLWithThePhase(t *testing.T) {
	var file struct {
		Migrations []struct{ Name, Phase string }
	}
	if err := yaml.Unmarshal([]byte(CanonRules("dualwrite")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Migrations) != 3 {
		t.Fatalf("%d migrations", len(file.Migrations))
	}
	for _, m := range file.Migrations {
		if m.Phase != "dualwrite" {
			t.Errorf("%s is in %s", m.Name, m.Phase)
		}
	}
}
