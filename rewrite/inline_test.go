package rewrite_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

// both is a database, and two planners for it: one that computes inline what it
// can, and one that leaves everything to syncs.
type both struct {
	t            *testing.T
	conn         *pgx.Conn
	inline, sync *rewrite.Planner
}

func newBoth(t *testing.T) *both {
	t.Helper()
	fixture, err := os.ReadFile("testdata/fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 6)
	b := &both{t: t, inline: compiled(t, dsn, pgtest.CanonRules("dualwrite"))}
	pgtest.Exec(t, dsn, `INSERT INTO order_items (order_id, sku, qty, price_cents)
		SELECT o.id, i.sku, i.qty, i.price_cents FROM orders o, jsonb_to_recordset(o.items) AS i (sku text, qty int, price_cents int);
		UPDATE users SET status = CASE WHEN is_active THEN 'active' WHEN id = 3 THEN 'paused' ELSE 'disabled' END;
		UPDATE counters SET id_big = id`, string(fixture))
	b.sync = b.inline.SyncsOnly()
	b.conn = pgtest.Connect(t, dsn)
	return b
}

// run executes a text, planned by p, on the rows of the beginning, and returns
// what is in the tables then. An error is part of it.
func (b *both) run(p *rewrite.Planner, text string) string {
	b.t.Helper()
	ctx := context.Background()
	for _, before := range []string{"ROLLBACK", "DISCARD ALL", "SELECT fixture.reset()"} {
		if _, err := b.conn.PgConn().Exec(ctx, before).ReadAll(); err != nil {
			b.t.Fatal(err)
		}
	}
	plan, failed := p.Plan([]byte(text), rewrite.Env{}), ""
	if plan.Outcome == rewrite.Rewrite {
		text = plan.Simple().Text
	}
	if _, err := b.conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
		failed = err.Error()
	}
	results, err := b.conn.PgConn().Exec(ctx, "ROLLBACK; SELECT fixture.whole()").ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	return failed + string(results[1].Rows[0][0])
}

var parameter = regexp.MustCompile(`\$[0-9]+`)

// TestInlineAndSyncGiveTheSameTables runs each golden that computes new columns
// itself once more with syncs alone.
func TestInlineAndSyncGiveTheSameTables(t *testing.T) {
	b := newBoth(t)
	values := []string{"'t'", "'1'", "'f'", "'active'", "NULL", "'3'"}
	compared := 0
	for _, golden := range goldenTexts(t) {
		for turn := range values {
			text := parameter.ReplaceAllStringFunc(golden, func(p string) string {
				return values[(int(p[1])+turn)%len(values)]
			})
			inline, sync := b.inline.Plan([]byte(text), rewrite.Env{}), b.sync.Plan([]byte(text), rewrite.Env{})
			if inline.Outcome != rewrite.Rewrite || sync.Outcome == rewrite.Refuse || inline.Extended.Text == sync.Extended.Text {
				break
			}
			if x, y := b.run(b.inline, text), b.run(b.sync, text); x != y {
				t.Errorf("%s\ninline gives\n%s\nand sync\n%s", text, x, y)
			}
			compared++
			if text == golden {
				break
			}
		}
	}
	if compared < 60 {
		t.Errorf("only %d statements are computed inline", compared)
	}
	t.Logf("%d statements", compared)
}

// TestInlineAndSyncAgreeOnWhatIsTheSame writes values that are equal to what is
// there and look different, and some that look alike.
func TestInlineAndSyncAgreeOnWhatIsTheSame(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		columns, up, down string
		values            []string
	}{
		"numeric":      {"o numeric, n numeric", "old.o", "new.n", []string{"1", "1.0", "1.00", "NULL"}},
		"other images": {"o numeric, n numeric", "old.o * 100", "new.n / 100", []string{"150", "1.5", "1.50"}},
		"scaled":       {"o numeric(10,2), n numeric(10,4)", "old.o", "new.n", []string{"1", "1.004", "1.0"}},
		"interval":     {"o interval, n interval", "old.o", "new.n", []string{"'24:00'", "'1 day'"}},
		"jsonb":        {"o jsonb, n jsonb", "old.o", "new.n", []string{`'{"a":1}'`, `'{"a":1.0}'`}},
		"float":        {"o float8, n float8", "old.o", "new.n", []string{"'0'", "'-0'"}},
		"array":        {"o text[], n text[]", "old.o", "new.n[1:1]", []string{"'{a}'", "'{a,NULL}'", "'{b,b}'"}},
		"another type": {"o int, n numeric", "old.o", "new.n", []string{"1", "1.4", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := pgtest.Database(t)
			pgtest.Exec(t, dsn, "CREATE TABLE t (id int PRIMARY KEY, "+c.columns+")")
			inline := compiled(t, dsn, `migrations:
  - {name: same, phase: dualwrite, kind: columns, old: {table: public.t, key: [id], columns: [o]},
     new: {table: public.t, columns: [n]}, up: {n: "`+c.up+`"}, down: {o: "`+c.down+`"}}`)
			conn := pgtest.Connect(t, dsn)
			whole := func(p *rewrite.Planner, text, end string) (shown string) {
				if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
					t.Fatal(err)
				}
				run(t, conn, p, text)
				if err := conn.QueryRow(ctx, "SELECT coalesce(string_agg(t::text, ' ' ORDER BY id), '') FROM t").Scan(&shown); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Exec(ctx, end); err != nil {
					t.Fatal(err)
				}
				return shown
			}
			for i, one := range c.values {
				for _, two := range c.values {
					for _, text := range []string{
						fmt.Sprintf("INSERT INTO t (id, o) VALUES (%d, %s)", 10*i, one), "UPDATE t SET n = " + two, "UPDATE t SET o = " + one, "UPDATE t SET n = " + one,
						"UPDATE t SET o = " + two, "UPDATE t SET o = " + two, "DELETE FROM t",
					} {
						x, y := whole(inline.SyncsOnly(), text, "ROLLBACK"), whole(inline, text, "COMMIT")
						if x != y {
							t.Errorf("%s: inline gives %s, and sync %s", text, y, x)
						}
					}
				}
			}
		})
	}
}
