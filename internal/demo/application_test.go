package demo

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// stage makes the tables of a small demo on a server of their own.
func stage(t *testing.T, scale Scale) *pgx.Conn {
	t.Helper()
	ctx := t.Context()
	h, err := openHost(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.create(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := h.connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(context.Background(), conn) })
	if err := createTables(ctx, conn, scale); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestTablesAreTheCanonicalOnes(t *testing.T) {
	scale := SmallScale()
	conn := stage(t, scale)
	for _, claim := range []struct {
		sql  string
		want int64
	}{
		{`SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders'`, 47},
		{`SELECT count(*) FROM orders`, int64(scale.Orders)},
		{`SELECT count(*) FROM users`, int64(scale.Users)},
		{`SELECT count(*) FROM counters`, int64(scale.Counters)},
		{`SELECT max(id) FROM counters`, lastCounter},
		{`SELECT nextval('counters_id_seq')`, lastCounter + 1},
		{`SELECT count(*) FROM orders WHERE jsonb_array_length(items) > 20`, 0},
		{`SELECT (avg(jsonb_array_length(items)) BETWEEN 2 AND 5 AND max(jsonb_array_length(items)) > 12)::int FROM orders`, 1},
		{`SELECT sum(n) FROM counters WHERE id > 1900000000 - 10`, 0},
	} {
		var got int64
		if err := conn.QueryRow(t.Context(), claim.sql).Scan(&got); err != nil {
			t.Fatalf("%s: %v", claim.sql, err)
		}
		if got != claim.want {
			t.Errorf("%s: %d, want %d", claim.sql, got, claim.want)
		}
	}
}

// What the application does must be right on Postgres alone, or its errors
// would say nothing about pgjanus.
func TestApplicationHasNoErrorsOnPlainPostgres(t *testing.T) {
	scale := SmallScale()
	scale.Think = 0
	conn := stage(t, scale)
	tally := newTally()
	app, err := connectApplication(t.Context(), conn.Config(), &world{scale: scale}, tally, requests())
	if err != nil {
		t.Fatal(err)
	}
	defer app.close(t.Context())
	app.Start(t.Context())
	for deadline := time.Now().Add(time.Minute); tally.requests.Load() < 5000 && time.Now().Before(deadline); {
		if err := pause(t.Context(), poll); err != nil {
			t.Fatal(err)
		}
	}
	if err := execAll(t.Context(), conn, expansion); err != nil {
		t.Error(err)
	}
	app.Stop()
	for _, sample := range tally.errorSamples() {
		t.Error(sample)
	}
	compared, wrong, err := app.audit(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	hot, err := app.auditHot(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range append(wrong, hot...) {
		t.Error(line)
	}
	if compared < 500 {
		t.Errorf("only %d rows to audit", compared)
	}
	t.Logf("%d requests, %d retries, %d rows audited", tally.requests.Load(), tally.retries.Load(), compared)
}

func TestAuditNamesWhatIsNotAsItWasWritten(t *testing.T) {
	scale := SmallScale()
	conn := stage(t, scale)
	app := &application{world: &world{scale: scale}}
	c := newClient(0, dialects[0], conn.Config(), app.world, newTally(), requests())
	app.clients = []*client{c}
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer c.close(t.Context())
	for _, insert := range []func(context.Context, *client) error{insertOrder, insertUser, insertCounter} {
		if err := insert(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	c.world.hotCounts.Store(1)
	if err := execAll(t.Context(), conn, []string{
		`UPDATE orders SET items = '[{"sku": "forged", "qty": 1, "price_cents": 1}]' WHERE id > 2000`,
		`DELETE FROM users WHERE id > 1000`,
		`UPDATE counters SET n = n - 1 WHERE id > 1900000000`,
	}); err != nil {
		t.Fatal(err)
	}
	_, wrong, err := app.audit(t.Context(), conn)
	if err != nil || len(wrong) != 3 {
		t.Errorf("audit found %q, %v; want three rows", wrong, err)
	}
	if hot, err := app.auditHot(t.Context(), conn); err != nil || len(hot) != 1 {
		t.Errorf("audit of the hot counters found %q, %v; want one line", hot, err)
	}
}

func execAll(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
