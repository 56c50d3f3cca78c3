package test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// oldViews are views that are there before the expand step.
const oldViews = `
CREATE SCHEMA shop;
CREATE VIEW bought (what, nr, who, label) AS SELECT items, id, customer, upper(note) FROM orders WHERE id < 500;
CREATE VIEW shop.checked AS SELECT nr AS id, what AS items, who FROM bought WHERE who <> 'nobody' WITH CASCADED CHECK OPTION;
CREATE VIEW defaulted AS SELECT id, items, note FROM orders;
ALTER VIEW defaulted ALTER items SET DEFAULT '[{"sku":"default"}]';
CREATE VIEW "People" WITH (security_barrier) AS SELECT id AS nr, is_active AS active, email FROM users WHERE id > 0;
ALTER VIEW "People" ALTER active SET DEFAULT false;
CREATE VIEW all_users AS SELECT * FROM users;
CREATE VIEW numbers AS SELECT id, n FROM counters WHERE n IS NOT NULL;
`

var throughViews = []string{
	`INSERT INTO bought VALUES ('[{"sku":"a"},{"sku":"b"}]', 401, 'x') RETURNING *`,
	`INSERT INTO bought (what, nr) VALUES ('[{"sku":"a"}]', 402), (DEFAULT, 403) RETURNING nr, label`,
	`INSERT INTO bought (what, nr) VALUES ('[{"sku":"out of it"}]', 502) RETURNING what`,
	`INSERT INTO bought AS b (what, nr) VALUES ('[{"sku":"c"}]', 2) ON CONFLICT (nr) DO UPDATE SET nr = excluded.nr, what = excluded.what || b.what RETURNING b.*`,
	`INSERT INTO bought (what, nr) SELECT items, id + 410 FROM orders WHERE id < 4 ON CONFLICT DO NOTHING RETURNING bought.*`,
	`UPDATE bought SET what = what || '[{"sku":"d"}]' RETURNING *`,
	`UPDATE bought SET what = '[{"qty":4}]', who = 'y' WHERE nr = 3`,
	`UPDATE bought b SET what = o.items FROM orders o WHERE o.id = b.nr + 1 RETURNING b.*, o.id`,
	`UPDATE bought SET (what, who) = (SELECT items, note FROM orders WHERE id = 4) WHERE nr = 2`,
	`UPDATE bought SET label = 'x'`,
	`UPDATE bought SET nothing = 'x'`,
	`UPDATE bought SET who = 'z' WHERE nr = 1 RETURNING label`,
	`WITH w AS (UPDATE bought SET what = '[]' WHERE nr = 4 RETURNING *) SELECT * FROM w`,
	`WITH w AS (INSERT INTO bought (what, nr) VALUES ('[{"sku":"w"}]', 440) RETURNING nr, what -> 0 AS first) SELECT * FROM w`,
	`DELETE FROM bought WHERE nr = 440 RETURNING *`,
	`INSERT INTO shop.checked VALUES (450, '[{"sku":"k"}]', 'somebody') RETURNING *`,
	`INSERT INTO shop.checked VALUES (451, '[{"sku":"k"}]', 'nobody') RETURNING *`,
	`UPDATE shop.checked SET items = '[]', who = 'nobody' WHERE id = 450`,
	`UPDATE shop.checked SET id = id, items = items - 0 WHERE id = 450 RETURNING id`,
	`INSERT INTO defaulted (id) VALUES (460) RETURNING items`,
	`INSERT INTO defaulted (id, items) VALUES (461, DEFAULT), (462, '[]') RETURNING *`,
	`INSERT INTO defaulted DEFAULT VALUES RETURNING items`,
	`TRUNCATE bought`,
	`UPDATE "People" SET active = false WHERE nr = 1 RETURNING *`,
	`UPDATE "People" SET active = NOT active WHERE nr < 4`,
	`INSERT INTO "People" (nr, email) VALUES (470, 'e'), (471, 'f') RETURNING active`,
	`INSERT INTO "People" (nr, active) VALUES (472, true), (473, DEFAULT) ON CONFLICT (nr) DO NOTHING RETURNING *`,
	`INSERT INTO "People" VALUES (472, false) ON CONFLICT (nr) DO UPDATE SET active = excluded.active`,
	`UPDATE all_users SET is_active = true WHERE id = 2 RETURNING *, row_to_json(all_users)`,
	`INSERT INTO all_users VALUES (480, 'e', false) RETURNING *`,
	`SELECT * FROM all_users ORDER BY id`,
	`DELETE FROM all_users WHERE id = 480 RETURNING all_users.*`,
	`UPDATE numbers SET id = id + 300 WHERE id = 3 RETURNING *`,
	`INSERT INTO numbers (n) VALUES (5), (6) RETURNING *`,
	`INSERT INTO numbers VALUES (7, NULL) ON CONFLICT (id) DO UPDATE SET id = excluded.id + 900`,
	`INSERT INTO bought (what, nr) VALUES ('[{"sku":"s"}]', 490); UPDATE bought SET what = '[]' WHERE nr = 490; UPDATE "People" SET active = true`,
}

func TestWritesThroughViews(t *testing.T) {
	t.Parallel()
	for name, ddl := range map[string]string{
		"none": "",
		"before": `CREATE FUNCTION trim_items() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF jsonb_array_length(NEW.items) > 3 THEN NEW.items := '[]'; END IF; RETURN NEW; END $$;
			CREATE TRIGGER trim BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION trim_items()`,
		"after": `CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.items -> 0 ->> 'sku' = 'a' THEN UPDATE orders SET items = '[{"sku":"z"}]' WHERE id = NEW.id; END IF; RETURN NULL; END $$;
			CREATE TRIGGER again AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION again()`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, 6)
			pgtest.Exec(t, p.plain, oldViews, ddl)
			pgtest.Exec(t, p.gate.direct, strings.ReplaceAll(oldViews, "SELECT * FROM users", "SELECT id, email, is_active FROM users"), ddl)
			p.gate.phase("dualwrite")
			n := p.alike(t, ordersQuery+`; SELECT id, email, is_active FROM users ORDER BY id; SELECT id, n, name FROM counters ORDER BY id`, throughViews...)
			if n < 27 {
				t.Errorf("of %d statements only %d are rewritten", len(throughViews), n)
			}
		})
	}
}

// A view that was made after the expand step shows the new column, and whoever
// knows it may write it.
func TestAViewThatShowsTheNewColumn(t *testing.T) {
	g := newGate(t, 6)
	pgtest.Exec(t, g.direct, `CREATE VIEW people AS SELECT id AS nr, status AS state, is_active AS active FROM users`)
	g.phase("dualwrite")
	g.refill()
	conn := pgtest.Connect(t, g.dsn)
	for _, step := range []struct{ text, want string }{
		{"UPDATE people SET state = 'paused' WHERE nr = 1", "(paused,f)"},
		{"UPDATE people SET active = false WHERE nr = 1", "(paused,f)"},
		{"UPDATE people SET active = NOT active WHERE nr = 1", "(active,t)"},
		{"UPDATE people SET state = lower('DISABLED') WHERE nr = 1", "(disabled,f)"},
		{"UPDATE people SET active = true WHERE nr = 1", "(active,t)"},
		{"DELETE FROM people WHERE nr = 1; INSERT INTO people (nr, active) VALUES (1, false)", "(disabled,f)"},
		{"DELETE FROM people WHERE nr = 1; INSERT INTO people (nr, state) VALUES (1, 'paused')", "(paused,f)"},
		{"INSERT INTO people VALUES (1, 'active', true) ON CONFLICT (nr) DO UPDATE SET state = excluded.state, active = excluded.active", "(active,t)"},
	} {
		if _, err := conn.PgConn().Exec(context.Background(), step.text).ReadAll(); err != nil {
			t.Errorf("%s: %v", step.text, err)
		}
		if got := pgtest.Value[string](t, g.direct, "SELECT ROW (status, is_active)::text FROM users WHERE id = 1"); got != step.want {
			t.Errorf("%s: %s, want %s", step.text, got, step.want)
		}
		g.noDrift(t, step.text)
	}
}

// What a view over a join writes is that of the table which asks for most, be the
// other off, or synced by triggers.
func TestAViewOverTablesThatDifferInPhase(t *testing.T) {
	g := newGate(t, 3)
	pgtest.Exec(t, g.direct, `CREATE VIEW bought_by AS SELECT o.id, o.items, u.email FROM orders o JOIN users u ON u.id = o.id;
		CREATE RULE buy AS ON UPDATE TO bought_by DO INSTEAD UPDATE orders SET items = NEW.items WHERE id = OLD.id`)
	for _, phase := range []string{"off", "dualwrite\n    guard: sync"} {
		g.use(strings.Replace(pgtest.CanonRules("dualwrite"), "name: user-status\n    phase: dualwrite", "name: user-status\n    phase: "+phase, 1))
		g.refill()
		g.refuses(t, pgtest.Connect(t, g.dsn), []string{"0A000"},
			`UPDATE bought_by SET items = '[]' WHERE id = 1`,
			"DROP VIEW bought_by",
		)
	}
}

// In a view a default of the type goes before that of the column below.
func TestAViewWhoseColumnHasTheDefaultOfADomain(t *testing.T) {
	g := newGateOver(t, `CREATE DOMAIN agreed AS boolean DEFAULT true;
		CREATE TABLE accounts (id int PRIMARY KEY, ok agreed DEFAULT false, state text);
		CREATE VIEW shown AS SELECT id, ok, state FROM accounts`)
	g.use(`migrations:
  - name: accounts
    phase: dualwrite
    kind: columns
    old: {table: public.accounts, key: [id], columns: [ok]}
    new: {table: public.accounts, columns: [state]}
    up: {state: "CASE WHEN old.ok THEN 'open' ELSE 'closed' END"}
`)
	g.takes(t, pgtest.Connect(t, g.dsn),
		"INSERT INTO shown (id) VALUES (1)",
		"INSERT INTO shown (id, ok) VALUES (2, DEFAULT), (3, false)",
		"INSERT INTO accounts (id) VALUES (4)",
		"UPDATE shown SET ok = DEFAULT WHERE id = 3",
	)
	if got := pgtest.Value[string](t, g.direct, "SELECT string_agg(state, ' ' ORDER BY id) FROM accounts"); got != "open open open closed" {
		t.Errorf("the states are %s", got)
	}
}

// A temporary view is one of its own session alone: what it is called may be a table
// to all others.
func TestATemporaryView(t *testing.T) {
	g := newGate(t, 3)
	pgtest.Exec(t, g.direct, "CREATE TABLE report (id int PRIMARY KEY, what text)")
	owner, other := pgtest.Connect(t, g.dsn), pgtest.Connect(t, g.dsn)
	do(t, owner, "CREATE TEMP VIEW report AS SELECT id, items FROM orders")
	g.phase("dualwrite")
	g.refill()
	g.takes(t, other, "INSERT INTO report VALUES (1, 'x')", "UPDATE report SET what = 'y' RETURNING *", "ALTER TABLE report ADD more int", "TRUNCATE report")
	g.takes(t, owner, `UPDATE report SET items = '[{"sku":"a"},{"sku":"b"}]' WHERE id = 2`, `UPDATE pg_temp.report SET items = '[]' WHERE id = 3`, "INSERT INTO public.report VALUES (2, 'z')",
		"SET search_path = public, pg_temp", `UPDATE pg_temp.report SET items = '[{"sku":"c"}]' WHERE id = 1`, "UPDATE report SET what = 'w' RETURNING *", "RESET search_path")
	g.refuses(t, owner, []string{"0A000"}, "DROP VIEW report")
}

// Two applications write one row, one through a view and one not.
func TestWritersThroughAViewAndOfTheTable(t *testing.T) {
	g := newGate(t, 3)
	pgtest.Exec(t, g.direct, oldViews)
	g.phase("dualwrite")
	g.refill()
	ctx := context.Background()
	first, second := g.connect(pgx.QueryExecModeExec), g.connect(pgx.QueryExecModeExec)
	for i, texts := range [][2]string{
		{`UPDATE orders SET items = '[{"sku":"a"}]' WHERE id = 2`, `UPDATE bought SET what = '[{"sku":"b"},{"sku":"c"}]' WHERE nr = 2`},
		{`UPDATE bought SET what = '[{"sku":"d"},{"sku":"e"}]' WHERE nr = 2`, `UPDATE shop.checked SET items = '[{"sku":"f"}]' WHERE id = 2`},
		{`UPDATE users SET is_active = false WHERE id = 2`, `UPDATE "People" SET active = NOT active WHERE nr = 2`},
		{`DELETE FROM bought WHERE nr = 2`, `INSERT INTO bought (nr, what) VALUES (2, '[{"sku":"g"}]') ON CONFLICT (nr) DO UPDATE SET what = excluded.what`},
	} {
		do(t, first, "BEGIN")
		do(t, first, texts[0])
		done := make(chan error, 1)
		go run(ctx, second, texts[1], done)
		waitUntil(t, "the second waits", func() bool {
			return pgtest.Value[bool](t, g.direct, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
		})
		do(t, first, "COMMIT")
		if err := <-done; err != nil {
			t.Errorf("%d: %v", i, err)
		}
		g.noDrift(t, texts[1])
	}
}

// A role that may write a view alone gets what check says, and with that it can.
func TestARoleThatMayWriteAViewAlone(t *testing.T) {
	g := newGate(t, 3)
	role := "viewer_" + strings.ToLower(rand.Text())
	pgtest.Exec(t, g.direct, oldViews, "CREATE ROLE "+role+" LOGIN; GRANT SELECT, UPDATE ON \"People\", bought TO "+role)
	t.Cleanup(func() { pgtest.Exec(t, g.direct, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, g.direct)
	snap, err := catalog.Load(context.Background(), conn, rewrite.Request(set))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = rewrite.Compile(set, snap, 9); err == nil || !strings.Contains(err.Error(), "role "+role+" may write public.users") {
		t.Errorf("the check says %v", err)
	}
	for range 2 { // the first may make the schema to be granted on
		for _, table := range snap.Tables {
			for _, m := range table.Missing {
				pgtest.Exec(t, g.direct, m.Grant)
			}
		}
		g.phase("off")
	}
	g.phase("dualwrite")
	g.refill()
	through := pgtest.Connect(t, strings.Replace(g.dsn, "postgres@", role+"@", 1))
	do(t, through, `UPDATE "People" SET active = NOT active`)
	do(t, through, `UPDATE bought SET what = '[{"sku":"role"}]'`)
	g.noDrift(t, "the role's statements")
}
