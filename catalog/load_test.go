package catalog

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestLoadLeavesTheConnectionAsFound(t *testing.T) {
	conn := database(t, canonRelations)
	run(t, conn, `SET search_path = "Mixed Case", public; SET timezone = 'Asia/Tokyo'; SET default_transaction_read_only = on`)
	state := `SELECT array_agg(name || '=' || setting ORDER BY name)::text || (SELECT count(*) FROM pg_class WHERE relname = '` +
		scratchView + `') FROM pg_settings WHERE name <> 'transaction_isolation'`
	before := value[string](t, conn, state)
	load(t, conn, canon())
	if after := value[string](t, conn, state); after != before {
		t.Errorf("settings or relations differ:\n%s\n%s", before, after)
	}
	if status := conn.PgConn().TxStatus(); status != 'I' {
		t.Errorf("transaction status is %c", status)
	}
}

func TestLoadRefusesAConnectionThatIsInATransaction(t *testing.T) {
	conn := database(t)
	run(t, conn, "BEGIN")
	if _, err := Load(bounded(t), conn, Request{}); !errors.Is(err, errBusy) {
		t.Errorf("got %v, want %v", err, errBusy)
	}
	if status := conn.PgConn().TxStatus(); status != 'T' {
		t.Errorf("transaction status is %c, want the caller's transaction untouched", status)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	conn := database(t)
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	if _, err := Load(ctx, conn, Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLoadStartsOverWhenDDLRunsUnderneath(t *testing.T) {
	conn := database(t, people)
	other := connect(t, conn)
	run(t, other, "BEGIN; ALTER TABLE people ADD COLUMN added int")
	// Load reads the old columns, then waits for people's lock to resolve.
	type result struct {
		s   *Snapshot
		err error
	}
	done := make(chan result, 1)
	n := Name{"public", "people"}
	ctx := bounded(t)
	go func() {
		s, err := Load(ctx, conn, Request{Tables: []Name{n}, Exprs: []ExprRequest{{"e", ScalarOverOld, n, "old.id"}}})
		done <- result{s, err}
	}()
	watch := connect(t, other)
	for value[int](t, watch, `SELECT count(*)::int FROM pg_locks WHERE NOT granted AND relation = 'people'::regclass`) == 0 {
		if ctx.Err() != nil {
			t.Fatal("Load never waited for the lock")
		}
	}
	run(t, other, "COMMIT")
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.s.Tables[n].Column("added") == nil {
		t.Error("the snapshot is from before the column was added")
	}
}

func TestALockThatIsNotGivenBackIsAnErrorOfLoad(t *testing.T) {
	w := wrapped{}
	for _, code := range []string{"55P03", "57014", "40P01", "53300", "25006", "08006"} {
		if e := w.refusal(&pgconn.PgError{Code: code}); e != nil {
			t.Errorf("%s was taken for a refusal of the expression: %+v", code, *e)
		}
	}
	if e := w.refusal(&pgconn.PgError{Code: "42703"}); e == nil {
		t.Error("42703 was not taken for a refusal of the expression")
	}
}

func TestFingerprintChangesWithWhatASnapshotSays(t *testing.T) {
	conn := database(t, canonRelations, `
		CREATE SCHEMA other;
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';`)
	role := login(t, conn, "app")
	last := sum(t, conn)
	for _, ddl := range []string{
		`ALTER TABLE orders ADD COLUMN extra int`,
		`ALTER TABLE orders RENAME COLUMN extra TO more`,
		`ALTER TABLE orders ALTER COLUMN more TYPE bigint`,
		`ALTER TABLE orders ALTER COLUMN more SET DEFAULT 1`,
		`ALTER TABLE orders ALTER COLUMN more SET DEFAULT 2`,
		`ALTER TABLE orders ALTER COLUMN more SET NOT NULL`,
		`ALTER TABLE orders DROP COLUMN more`,
		`ALTER TABLE orders ADD CONSTRAINT c CHECK (total_cents > 0)`,
		`CREATE UNIQUE INDEX i ON orders (customer)`,
		`DROP INDEX i`,
		`CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()`,
		`ALTER TABLE orders DISABLE TRIGGER t`,
		`CREATE RULE r AS ON DELETE TO orders DO ALSO SELECT 1`,
		`CREATE VIEW deep AS SELECT * FROM order_view`,
		`CREATE OR REPLACE VIEW deep AS SELECT *, 1 AS one FROM order_view`,
		`CREATE TABLE other.deep (x int)`,
		`CREATE VIEW other.orders AS SELECT 1 AS x`,
		`ALTER TABLE orders ENABLE ROW LEVEL SECURITY`,
		`CREATE POLICY p ON orders USING (true)`,
		`CREATE TABLE child () INHERITS (orders)`,
		`ALTER TABLE child RENAME TO kid`,
		`GRANT INSERT ON orders TO ` + role,
		`GRANT UPDATE (status) ON users TO ` + role,
		`GRANT USAGE ON SEQUENCE order_items_id_seq TO ` + role,
		`GRANT USAGE ON SCHEMA public TO ` + role,
		`ALTER ROLE ` + role + ` NOLOGIN`,
		`CREATE FUNCTION g() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'`,
		`ALTER FUNCTION g() VOLATILE`,
		`CREATE SCHEMA pgjanus; CREATE TABLE pgjanus.migration (name text)`,
		`ALTER SCHEMA "Mixed Case" RENAME TO mixed`,
		`ALTER TABLE orders RENAME TO orders2`,
		`ALTER TABLE orders2 RENAME TO orders`,
		`ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey`,
		`DROP TABLE counters`,
	} {
		run(t, conn, ddl)
		now := sum(t, conn)
		if now == last {
			t.Errorf("it is the same after %s", ddl)
		}
		last = now
	}
}

func TestFingerprintStaysWhenNothingOfASnapshotChanges(t *testing.T) {
	conn := database(t, canonRelations)
	last := sum(t, conn)
	for _, sql := range []string{
		`INSERT INTO users (email) SELECT 'x' FROM generate_series(1, 1000); UPDATE users SET email = 'y'`,
		`ANALYZE users`,
		`VACUUM FREEZE users`,
		`VACUUM FULL users`,
		`REINDEX TABLE users`,
		`TRUNCATE users`,
		`VACUUM FREEZE pg_class`,
		`VACUUM FREEZE pg_attribute`,
		`CREATE TABLE unrelated (id int PRIMARY KEY); CREATE VIEW unrelated_view AS SELECT * FROM unrelated`,
		`CREATE TEMP TABLE users (x int)`,
		`SELECT set_config('search_path', '', false); SET timezone = 'Asia/Tokyo'`,
	} {
		run(t, conn, sql)
		if now := sum(t, conn); now != last {
			t.Errorf("it changed with %s", sql)
			last = now
		}
	}
	if s := load(t, conn, canon()); s.Fingerprint != last {
		t.Error("the snapshot's is another than Fingerprint's")
	}
}

func BenchmarkFingerprint(b *testing.B) {
	dsn := pgtest.Database(b)
	pgtest.Exec(b, dsn, canonRelations)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for b.Loop() {
		if _, err := Fingerprint(b.Context(), conn, canon().Tables); err != nil {
			b.Fatal(err)
		}
	}
}

// sum takes the canon's fingerprint.
func sum(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	s, err := Fingerprint(bounded(t), conn, canon().Tables)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connect makes another connection to the same database.
func connect(t *testing.T, like *pgx.Conn) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(bounded(t), like.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(bounded(t), sql).Scan(&v); err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
	return v
}
