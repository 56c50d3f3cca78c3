package rewrite_test

import (
	"context"
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
			if inline.Outcome != rewrite.Rewrite || inline.Extended.Text == sync.Extended.Text {
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
