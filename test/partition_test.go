package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// parts is a partitioned table: one partition has its columns in another order
// and defaults of its own, one is partitioned itself.
const parts = `
CREATE TABLE parts (region text NOT NULL, id bigint NOT NULL, customer text, items jsonb NOT NULL DEFAULT '[]', is_open boolean NOT NULL DEFAULT true, note text,
	PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
CREATE TABLE parts_us (note text, is_open boolean NOT NULL DEFAULT false, items jsonb NOT NULL DEFAULT '[{"sku":"us"}]', id bigint NOT NULL, customer text, region text NOT NULL DEFAULT 'us');
ALTER TABLE parts ATTACH PARTITION parts_us FOR VALUES IN ('us');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT PARTITION BY HASH (id);
CREATE TABLE parts_rest_0 PARTITION OF parts_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_rest_1 PARTITION OF parts_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE VIEW parts_open AS SELECT id AS nr, region, items AS what FROM parts WHERE is_open;
CREATE VIEW parts_of_us AS SELECT note, is_open AS open, id, items, region FROM parts_us;
INSERT INTO parts SELECT (ARRAY['eu','us','asia','africa'])[1 + g % 4], g, 'c' || g, jsonb_build_array(jsonb_build_object('sku', 's' || g)), g % 3 = 0 FROM generate_series(1, 24) g;
`

const partsExpand = `
ALTER TABLE parts ADD COLUMN state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paused', 'closed'));
CREATE TABLE part_items (id bigserial PRIMARY KEY, in_region text, of_id bigint, sku text, qty int, made text DEFAULT 'x',
	FOREIGN KEY (in_region, of_id) REFERENCES parts (region, id) ON DELETE CASCADE%s);
CREATE INDEX ON part_items (in_region, of_id);
`

const partsRules = `migrations:
  - name: part-items
    phase: %[1]s
    kind: rows
    old: {table: public.parts, key: [region, id], columns: [items]}
    new: {table: public.part_items, parent: {in_region: region, of_id: id}}
    up: SELECT i.sku, i.qty FROM jsonb_to_recordset(old.items) AS i(sku text, qty int)
  - name: part-state
    phase: %[1]s
    kind: columns
    old: {table: public.parts, key: [region, id], columns: [is_open]}
    new: {table: public.parts, columns: [state]}
    up: {state: "CASE WHEN old.is_open THEN 'open' ELSE 'closed' END"}
    down: {is_open: "new.state = 'open'"}
`

// newParts makes a pair of the partitioned table, in both shapes.
func newParts(t *testing.T, rulesText, expand string, more ...string) *pair {
	t.Helper()
	p := &pair{plain: pgtest.Database(t), gate: &gate{t: t, direct: pgtest.Database(t)}}
	pgtest.Exec(t, p.plain, append([]string{parts}, more...)...)
	pgtest.Exec(t, p.gate.direct, append([]string{parts, expand}, more...)...)
	p.gate.serve()
	p.gate.use(rulesText)
	for _, dsn := range []string{p.plain, p.gate.dsn} {
		pgtest.Exec(t, dsn, "UPDATE parts SET items = items, is_open = is_open")
	}
	p.gate.noDrift(t, "the first update")
	return p
}

const partsQuery = `SELECT region, id, customer, items, is_open, note FROM parts ORDER BY region, id`

// partsTexts are statements on the table, its partitions, and views over both.
var partsTexts = []string{
	`INSERT INTO parts (region, id, items) VALUES ('eu', 101, '[{"sku":"a"},{"sku":"b"}]'), ('us', 101, DEFAULT), ('mars', 101, '[]') RETURNING *`,
	`INSERT INTO parts VALUES ('us', 102, 'c', '[{"qty":1}]', false, 'n') RETURNING region, items, tableoid::regclass`,
	`INSERT INTO parts (region, id, items) VALUES ('eu', 101, '[{"sku":"c"}]'), ('us', 109, '[]') ON CONFLICT (region, id) DO UPDATE SET items = excluded.items, is_open = NOT parts.is_open RETURNING *`,
	`INSERT INTO parts AS p (region, id, items) SELECT region, id + 100, items FROM parts WHERE id < 9 ON CONFLICT DO NOTHING RETURNING p.*`,
	`UPDATE parts SET items = items || '[{"sku":"d"}]', is_open = NOT is_open WHERE id % 2 = 0 RETURNING *`,
	`UPDATE parts SET is_open = true WHERE region = 'us' AND id = 5`,
	`UPDATE parts SET region = 'us', id = 5, items = '[{"sku":"whole"}]' WHERE region = 'us' AND id = 5`,
	`UPDATE parts p SET items = o.items FROM parts o WHERE o.id = p.id + 1 AND o.region = 'us' RETURNING p.*, o.id`,
	`DELETE FROM parts WHERE id = 101 RETURNING *`,
	`WITH w AS (UPDATE parts SET items = '[{"sku":"w"}]' WHERE id = 9 RETURNING *) SELECT * FROM w`,
	`INSERT INTO parts_us (id) VALUES (110) RETURNING *`,
	`INSERT INTO parts_us (id, is_open) VALUES (111, true), (112, DEFAULT) RETURNING id, is_open`,
	`INSERT INTO parts_us VALUES ('n', true, '[{"sku":"by position"}]', 113, 'c', 'us') RETURNING *`,
	`INSERT INTO parts_us (id, region) VALUES (114, 'eu')`,
	`INSERT INTO parts_us (id, items) VALUES (110, '[{"sku":"again"}]') ON CONFLICT (region, id) DO UPDATE SET items = excluded.items || parts_us.items RETURNING parts_us.*`,
	`UPDATE parts_us AS u SET items = items - 0, is_open = NOT is_open WHERE id > 4 RETURNING u.*`,
	`UPDATE parts_rest SET items = '[{"sku":"rest"},{"sku":"of them"}]', is_open = false WHERE id < 12 RETURNING *`,
	`UPDATE parts_rest_0 SET is_open = true, items = '[]' RETURNING *`,
	`UPDATE ONLY parts_rest_1 SET items = items || items`,
	`WITH w AS (INSERT INTO parts_rest VALUES ('moon', 120) RETURNING *), v AS (DELETE FROM parts_eu WHERE id = 4 RETURNING *) SELECT * FROM w, v`,
	`DELETE FROM parts_us WHERE id = 110 RETURNING *`,
	`DELETE FROM parts_rest USING parts_eu e WHERE parts_rest.id = e.id + 2`,
	`UPDATE parts_open SET what = '[{"sku":"view"}]' WHERE nr < 20 RETURNING *`,
	`INSERT INTO parts_open VALUES (130, 'us', '[{"sku":"view"}]'), (131, 'eu', DEFAULT) RETURNING *`,
	`UPDATE parts_of_us SET items = '[{"sku":"both"}]', open = NOT open RETURNING *`,
	`INSERT INTO parts_of_us (id, open, items) VALUES (132, true, '[]'), (133, DEFAULT, DEFAULT) RETURNING *`,
	`SELECT * FROM parts_us ORDER BY id`,
	`TABLE parts_rest_0`,
	`SELECT row_to_json(e) FROM parts_eu e ORDER BY id`,
	`COPY parts_us TO STDOUT`,
	`INSERT INTO parts_eu SELECT 'eu', id + 200, customer, items, is_open FROM parts_us RETURNING id, items`,
	`UPDATE parts SET is_open = false; UPDATE parts_us SET is_open = true; INSERT INTO parts_eu VALUES ('eu', 140)`,
}

func TestAPartitionedTable(t *testing.T) {
	const touch = `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id % 5 = 0 THEN NEW.items := '[{"sku":"trigger"}]'; NEW.is_open := true; END IF; RETURN NEW; END $$; `
	for name, ddl := range map[string]string{
		"without triggers":         "",
		"a trigger":                touch + `CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION touch()`,
		"a trigger on a partition": touch + `CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON parts_us FOR EACH ROW EXECUTE FUNCTION touch()`,
	} {
		for _, guard := range []string{"", "\n    guard: sync"} {
			t.Run(name+guard, func(t *testing.T) {
				p := newParts(t, strings.ReplaceAll(fmt.Sprintf(partsRules, "dualwrite"), "phase: dualwrite", "phase: dualwrite"+guard), fmt.Sprintf(partsExpand, ""), ddl)
				if n := p.alike(t, partsQuery, partsTexts...); n < 28 {
					t.Errorf("of %d statements only %d are rewritten", len(partsTexts), n)
				}
				p.gate.use(fmt.Sprintf(partsRules, "off"))
				p.alike(t, partsQuery, `SELECT * FROM parts`, `SELECT * FROM parts_us ORDER BY id`, `TABLE parts_rest_0`, `COPY parts_us TO STDOUT`, `SELECT row_to_json(e) FROM parts_eu e ORDER BY id`)
			})
		}
	}
}

// A statement fires those triggers for each statement that the partition has which it
// names, also by a view.
func TestAPartitionWithATriggerForEachStatement(t *testing.T) {
	p := newParts(t, fmt.Sprintf(partsRules, "dualwrite"), fmt.Sprintf(partsExpand, ""), `
		CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF pg_trigger_depth() = 1 THEN
				UPDATE parts SET items = items || '[{"sku":"again"}]', is_open = NOT parts.is_open FROM written w WHERE parts.region = w.region AND parts.id = w.id;
			END IF;
			RETURN NULL; END $$;
		CREATE TRIGGER inserted AFTER INSERT ON parts_us REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION again();
		CREATE TRIGGER updated AFTER UPDATE ON parts_us REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION again();`)
	p.alike(t, partsQuery,
		`UPDATE parts SET items = '[]', is_open = true`,
		`UPDATE parts_us SET items = '[]' WHERE id < 9`,
		`UPDATE parts_us SET is_open = true WHERE id < 9 RETURNING id, is_open`,
		`UPDATE parts_of_us SET items = '[{"sku":"view"}]', open = false`,
		`INSERT INTO parts_us (id, items, is_open) VALUES (300, '[]', true)`,
		`INSERT INTO parts_of_us (id, items, open) VALUES (301, '[{"sku":"view"}]', false)`,
	)
}

// A row whose key changes may move to another partition.
func TestARowThatMovesToAnotherPartition(t *testing.T) {
	texts := []string{
		`UPDATE parts SET region = 'us', note = 'moved' WHERE region = 'eu' AND id = 4 RETURNING region, id, note`,
		`UPDATE parts SET id = id + 1000, is_open = NOT is_open WHERE region = 'asia' RETURNING region, id`,
		`UPDATE parts SET region = CASE region WHEN 'us' THEN 'eu' ELSE 'us' END, id = id + 2000 RETURNING parts.region, id, items`,
		`UPDATE parts_rest SET id = id + 500`,
		`UPDATE parts_us SET region = 'eu'`,
	}
	columns := strings.Index(partsRules, "  - name: part-state")
	t.Run("columns", func(t *testing.T) {
		p := newParts(t, "migrations:\n"+fmt.Sprintf(partsRules[columns:], "dualwrite"), fmt.Sprintf(partsExpand, ""))
		p.alike(t, partsQuery, texts...)
	})
	t.Run("rows", func(t *testing.T) {
		p := newParts(t, fmt.Sprintf(partsRules[:columns], "dualwrite"), fmt.Sprintf(partsExpand, " ON UPDATE CASCADE"))
		pgtest.Exec(t, p.gate.direct, "UPDATE part_items SET made = 'kept'")
		p.alike(t, partsQuery, `UPDATE parts SET region = 'us', id = 5, items = items || '[{"sku":"whole"}]' WHERE region = 'us' AND id = 5`)
		if p.gate.planner.Snapshot().Version < 150000 {
			for _, text := range texts {
				if plan := p.gate.planner.Plan([]byte(text), rewrite.Env{}); plan.Outcome != rewrite.Refuse {
					t.Errorf("%s: %s", text, plan)
				}
			}
			return
		}
		p.alike(t, partsQuery, texts...)
		if n := pgtest.Value[int](t, p.gate.direct, "SELECT count(*) FROM part_items WHERE made = 'kept'"); n != 24 {
			t.Errorf("%d new rows of 24 are the ones they were", n)
		}
	})
}

// What names a partition and cannot be made right is refused; with a guard what
// no statement shows is synced.
func TestWhatNoStatementShowsOfAPartition(t *testing.T) {
	p := newParts(t, fmt.Sprintf(partsRules, "dualwrite"), fmt.Sprintf(partsExpand, ""))
	g := p.gate
	conn := pgtest.Connect(t, g.dsn)
	for _, text := range []string{
		"TRUNCATE parts_us", "TRUNCATE part_items, parts_us", "UPDATE parts_us SET id = id + 1", "UPDATE parts SET region = 'eu' WHERE region = 'us'",
		"DO $$ BEGIN UPDATE parts_us SET is_open = true; END $$", "ALTER TABLE parts DETACH PARTITION parts_us", "CREATE TABLE parts_x PARTITION OF parts FOR VALUES IN ('x')",
		"DROP TABLE parts_eu", "ALTER TABLE parts_eu ADD COLUMN x int",
	} {
		var e *pgconn.PgError
		if _, err := conn.PgConn().Exec(context.Background(), text).ReadAll(); !errors.As(err, &e) || e.Code != "0A000" || !strings.HasPrefix(e.Message, "pgjanus:") {
			t.Errorf("%s: %v, want a refusal", text, err)
		}
	}
	do(t, conn, "TRUNCATE parts")
	if n := pgtest.Value[int](t, g.direct, "SELECT count(*) FROM part_items"); n != 0 {
		t.Errorf("%d new rows are left behind TRUNCATE", n)
	}

	g.use(strings.ReplaceAll(fmt.Sprintf(partsRules, "dualwrite"), "phase: dualwrite", "phase: dualwrite\n    guard: sync"))
	pgtest.Exec(t, g.direct, "INSERT INTO parts_us (id, is_open) VALUES (1, true), (2, false)", "UPDATE parts SET is_open = NOT is_open, items = '[{\"sku\":\"d\"}]'",
		`UPDATE parts_us SET items = '[{"sku":"direct"}]'`, "INSERT INTO parts_rest (region, id, items) VALUES ('moon', 3, '[{}]')", "UPDATE parts_rest_0 SET is_open = NOT is_open", "UPDATE parts_rest_1 SET is_open = NOT is_open")
	g.noDrift(t, "writes past pgjanus")
	copied := func(text, data string) {
		t.Helper()
		if _, err := conn.PgConn().CopyFrom(context.Background(), strings.NewReader(data), text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		g.noDrift(t, text)
	}
	copied("COPY parts_us FROM STDIN", "n\tt\t[{\"sku\":\"copy\"}]\t7\tc\tus\n")
	copied("COPY parts (region, id, is_open) FROM STDIN", "us\t8\tf\neu\t8\tt\nx\t8\tf\n")
	do(t, conn, "DO $$ BEGIN UPDATE parts_us SET is_open = NOT is_open; END $$")
	g.noDrift(t, "DO")
}

// Before Postgres 16 a column may be generated in a partition alone. What is
// written to the table is not what is there.
func TestAPartitionThatGeneratesAColumn(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct, `CREATE TABLE whole (k int, id int, ok boolean, state text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
		CREATE TABLE one (k int NOT NULL, id int NOT NULL, ok boolean GENERATED ALWAYS AS (id > 5) STORED, state text)`)
	conn := pgtest.Connect(t, g.direct)
	_, err := conn.Exec(context.Background(), "ALTER TABLE whole ATTACH PARTITION one FOR VALUES IN (1)")
	if pgtest.Value[bool](t, g.direct, "SELECT current_setting('server_version_num')::int >= 160000") {
		if err == nil {
			t.Error("Postgres lets it in again")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Parse("rules.yaml", []byte(`migrations:
  - name: whole
    phase: dualwrite
    kind: columns
    old: {table: public.whole, key: [k, id], columns: [ok]}
    new: {table: public.whole, columns: [state]}
    up: {state: "CASE WHEN old.ok THEN 'open' ELSE 'closed' END"}
`))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := catalog.Load(context.Background(), conn, rewrite.Request(set))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = rewrite.Compile(set, snap, 1); err == nil || !strings.Contains(err.Error(), "column ok of partition public.one is generated") {
		t.Errorf("the check says %v", err)
	}
}

// What a partition brings that is attached past pgjanus is there for verify to find,
// and for a backfill to mend.
func TestAttachedRowsHaveNoNewShape(t *testing.T) {
	g := newParts(t, fmt.Sprintf(partsRules, "dualwrite"), fmt.Sprintf(partsExpand, "")).gate
	pgtest.Exec(t, g.direct, "CREATE TABLE parts_mars (LIKE parts INCLUDING ALL)", `INSERT INTO parts_mars (region, id, items, is_open) VALUES ('mars', 1, '[{"sku":"m"}]', false)`,
		"ALTER TABLE parts ATTACH PARTITION parts_mars FOR VALUES IN ('mars')")
	g.use(fmt.Sprintf(partsRules, "dualwrite")) // as the catalog poll does
	conn := pgtest.Connect(t, g.direct)
	for _, m := range g.planner.Migrations() {
		result, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: m.Rule.Name})
		if err != nil || result.Drift != 1 {
			t.Errorf("%s: drift %d, %v; want the row that is attached", m.Rule.Name, result.Drift, err)
		}
	}
	if err := backfill(t.Context(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	g.noDrift(t, "the backfill")
}

// A backfill goes over partitions while rows are written, and move.
func TestABackfillOfAPartitionedTable(t *testing.T) {
	g := newGateOver(t, parts, fmt.Sprintf(partsExpand, " ON UPDATE CASCADE"),
		`INSERT INTO parts SELECT (ARRAY['eu','us','asia'])[1 + g % 3], g, 'c', '[{"sku":"old"}]', g % 2 = 0 FROM generate_series(1000, 2500) g`)
	g.use(fmt.Sprintf(partsRules, "dualwrite"))
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var writers sync.WaitGroup
	moves := g.planner.Snapshot().Version >= 150000
	done := make(chan struct{})
	for i := range 3 {
		conn := g.connect(pgx.QueryExecModeExec)
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				id := 1000 + (n*37+i*500)%1500
				text := fmt.Sprintf(`UPDATE parts SET items = items || '[{"sku":"%d"}]', is_open = NOT is_open WHERE id = %d`, n, id)
				switch {
				case n%5 == 1:
					text = fmt.Sprintf(`UPDATE parts_us SET items = '[]', is_open = NOT is_open WHERE id = %d`, id)
				case n%5 == 2 && moves:
					text = fmt.Sprintf(`UPDATE parts SET region = CASE region WHEN 'us' THEN 'eu' ELSE 'us' END WHERE id = %d`, id)
				case n%5 == 3:
					text = fmt.Sprintf(`DELETE FROM parts_open WHERE nr = %d`, id)
				case n%5 == 4:
					text = fmt.Sprintf(`INSERT INTO parts (region, id, items) VALUES ('%s', %d, '[{"qty":%d}]') ON CONFLICT (region, id) DO UPDATE SET items = excluded.items`, []string{"us", "eu", "asia"}[n%3], id, n)
				}
				if _, err := conn.Exec(ctx, text); err != nil {
					var e *pgconn.PgError
					if !errors.As(err, &e) || e.Code != "40001" && e.Code != "40P01" && e.Code != "23505" {
						t.Errorf("%s: %v", text, err)
						return
					}
				}
			}
		}()
	}
	for _, m := range []string{"part-items", "part-state"} {
		conn := pgtest.Connect(t, g.direct)
		_, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: m, Batch: 50})
		if err != nil {
			t.Error(err)
		}
	}
	close(done)
	writers.Wait()
	g.noDrift(t, "the backfill")
}
