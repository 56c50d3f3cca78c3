package rewrite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// bookkeeping is the part of schema pgjanus that a sync reads.
const bookkeeping = `
CREATE SCHEMA pgjanus;
CREATE TABLE pgjanus.migration (name text PRIMARY KEY, cursor_key text[], batch bigint NOT NULL DEFAULT 0, ahead_key text[], ahead_batch bigint NOT NULL DEFAULT 0);
`

// compiled loads rules against a live database.
func compiled(t *testing.T, dsn, text string) *rewrite.Planner {
	t.Helper()
	set, err := rules.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, dsn, bookkeeping, rewrite.LastvalDDL)
	for _, m := range set.Migrations {
		pgtest.Exec(t, dsn, "CREATE SEQUENCE "+rewrite.FillSequence(m.Name)+" MINVALUE 0")
	}
	conn := pgtest.Connect(t, dsn)
	snap, err := catalog.Load(context.Background(), conn, rewrite.Request(set))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rewrite.Compile(set, snap, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Migrations() {
		for _, f := range m.Functions() {
			pgtest.Exec(t, dsn, f.Create)
		}
	}
	return p
}

// run executes a text as the proxy does in the simple protocol.
func run(t *testing.T, conn *pgx.Conn, p *rewrite.Planner, sql string) {
	t.Helper()
	plan := p.Plan([]byte(sql), rewrite.Env{})
	text := sql
	if plan.Outcome == rewrite.Rewrite {
		text = plan.Simple().Text
	}
	if plan.Outcome == rewrite.Refuse {
		t.Fatalf("%s: %v", sql, plan.Refusal)
	}
	if _, err := conn.PgConn().Exec(context.Background(), text).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func children(t *testing.T, conn *pgx.Conn) (ids []int64, skus []string) {
	t.Helper()
	rows, err := conn.Query(context.Background(), "SELECT id, sku FROM order_items WHERE order_id = 1 ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	var sku string
	if _, err := pgx.ForEachRow(rows, []any{&id, &sku}, func() error {
		ids, skus = append(ids, id), append(skus, sku)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ids, skus
}

func itemsJSON(skus []string) string {
	parts := make([]string, len(skus))
	for i, s := range skus {
		parts[i] = fmt.Sprintf(`{"sku":%q,"qty":1}`, s)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func TestSyncKeepsOrderAndTheIdentityOfRowsThatDidNotChange(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	p := compiled(t, dsn, pgtest.CanonRules("dualwrite"))
	conn := pgtest.Connect(t, dsn)
	run(t, conn, p, "INSERT INTO orders (id) VALUES (1)")
	seed := uint64(os.Getpid())
	rnd := rand.New(rand.NewPCG(seed, 1))
	var before []string
	var beforeIDs []int64
	for i := range 300 {
		after := mutate(rnd, before)
		run(t, conn, p, "UPDATE orders SET items = "+rewrite.Literal(itemsJSON(after))+" WHERE id = 1")
		ids, skus := children(t, conn)
		if !slices.Equal(skus, after) {
			t.Fatalf("seed %d, step %d: %v -> %v gave %v", seed, i, before, after, skus)
		}
		for at := range min(len(before), len(after)) {
			if before[at] == after[at] && len(after) >= len(before) && ids[at] != beforeIDs[at] {
				t.Fatalf("seed %d, step %d: %v -> %v: row %d changed its id", seed, i, before, after, at)
			}
		}
		if kept := subsequence(before, after); kept != nil {
			for at, from := range kept {
				if ids[at] != beforeIDs[from] {
					t.Fatalf("seed %d, step %d: %v -> %v: %s changed its id though rows were only removed", seed, i, before, after, after[at])
				}
			}
		}
		before, beforeIDs = after, ids
	}
}

// mutate changes, adds, removes or shuffles items, now and then duplicates.
func mutate(rnd *rand.Rand, items []string) []string {
	out := slices.Clone(items)
	for range 1 + rnd.IntN(3) {
		item := fmt.Sprintf("s%d", rnd.IntN(12))
		switch k := rnd.IntN(6); {
		case k == 0 || len(out) == 0:
			out = append(out, item)
		case k == 1:
			out = slices.Insert(out, rnd.IntN(len(out)), item)
		case k == 2:
			out[rnd.IntN(len(out))] = item
		case k == 3 && rnd.IntN(8) == 0:
			rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		default:
			at := rnd.IntN(len(out))
			out = slices.Delete(out, at, at+1)
		}
	}
	return out
}

// subsequence returns where after's items stood in before if items were only
// removed and all are different; nil otherwise.
func subsequence(before, after []string) []int {
	sorted := slices.Clone(before)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(before) || len(after) >= len(before) {
		return nil
	}
	places := []int{}
	from := 0
	for _, s := range after {
		at := slices.Index(before[from:], s)
		if at < 0 {
			return nil
		}
		places = append(places, from+at)
		from += at + 1
	}
	return places
}

func TestSyncTouchesNothingThatIsRight(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	p := compiled(t, dsn, pgtest.CanonRules("dualwrite"))
	conn := pgtest.Connect(t, dsn)
	run(t, conn, p, `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"},{"sku":"b"}]')`)
	run(t, conn, p, `INSERT INTO users (id, email) VALUES (1, 'x')`)
	versions := func() string {
		return pgtest.Value[string](t, dsn, "SELECT string_agg(xmin::text, ',' ORDER BY id) || (SELECT xmin::text FROM users) FROM order_items")
	}
	before := versions()
	run(t, conn, p, `UPDATE orders SET items = items || '[]' WHERE id = 1`)
	for _, m := range p.Migrations() {
		run(t, conn, p, "SELECT 1")
		pgtest.Exec(t, dsn, fmt.Sprintf("SELECT set_config('%s', ',1', false); %s", m.Key[0].Setting, m.SyncSQL()))
	}
	if after := versions(); after != before {
		t.Errorf("rows were written: xmin %s -> %s", before, after)
	}
}

func TestTheLossyMapKeepsWhatTheOldShapeCannotSay(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	p := compiled(t, dsn, pgtest.CanonRules("dualwrite"))
	conn := pgtest.Connect(t, dsn)
	for name, update := range map[string]string{
		"inline": "UPDATE users SET is_active = %s WHERE id = 1",
		"sync":   "UPDATE users SET is_active = (SELECT %s) WHERE id = 1",
	} {
		pgtest.Exec(t, dsn, "TRUNCATE users", "INSERT INTO users (id, is_active, status) VALUES (1, false, 'paused')")
		status := func() string { return pgtest.Value[string](t, dsn, "SELECT status FROM users") }
		for _, step := range []struct{ value, want string }{{"false", "paused"}, {"true", "active"}, {"false", "disabled"}, {"false", "disabled"}} {
			run(t, conn, p, fmt.Sprintf(update, step.value))
			if got := status(); got != step.want {
				t.Errorf("%s: is_active = %s made status %s, want %s", name, step.value, got, step.want)
			}
		}
	}
}

func TestManyKeysAndAwkwardKeys(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, `
CREATE TABLE doc (tenant text, at timestamptz, n numeric, words text[], PRIMARY KEY (tenant, at, n));
CREATE TABLE word (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, a timestamptz, k numeric, w varchar(10), pos int,
	FOREIGN KEY (t, a, k) REFERENCES doc ON DELETE CASCADE ON UPDATE CASCADE);
CREATE INDEX ON word (t, a, k);
`)
	p := compiled(t, dsn, `
migrations:
  - name: doc-words
    phase: dualwrite
    kind: rows
    old: {table: public.doc, key: [tenant, at, n], columns: [words]}
    new: {table: public.word, parent: {t: tenant, a: at, k: n}}
    up: SELECT w.w, w.o::int AS pos FROM unnest(old.words) WITH ORDINALITY AS w (w, o)
`)
	conn := pgtest.Connect(t, dsn)
	run(t, conn, p, "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET extra_float_digits = 0")
	tenants := []string{"", "a,b", `q"uo\te`, "{br}", "NULL", "  sp ", "é'x", "line\nbreak"}
	for i, tenant := range tenants {
		run(t, conn, p, fmt.Sprintf("INSERT INTO doc VALUES (%s, '2024-02-%02d 10:11:12.345678+02', %d.50, '{a,b}')", rewrite.Literal(tenant), i+1, i))
	}
	run(t, conn, p, "UPDATE doc SET words = words || ARRAY['c']")
	run(t, conn, p, "UPDATE doc SET words = words[2:] WHERE n < 2")
	// Enough keys in one statement to spill several times, to the last setting too.
	run(t, conn, p, "INSERT INTO doc SELECT 'many', timestamptz 'epoch' + g * interval '1 hour', g, ARRAY[g::text] FROM generate_series(1, 5000) g")
	run(t, conn, p, "UPDATE doc SET words = words || ARRAY['more'] WHERE tenant = 'many'")
	run(t, conn, p, "UPDATE doc SET n = n + 0.25")
	drift := pgtest.Value[int64](t, dsn, `
SELECT count(*) FROM (SELECT d.*, (SELECT array_agg(w::text ORDER BY id) FROM word WHERE (t, a, k) = (tenant, at, n)) AS have FROM doc d) x
WHERE have IS DISTINCT FROM words`)
	if drift != 0 || pgtest.Value[int64](t, dsn, "SELECT count(*) FROM word") != 8*3-2+10000 {
		t.Errorf("%d keys drift", drift)
	}
	left := pgtest.Value[int64](t, dsn, "SELECT count(*) FROM pg_settings WHERE name LIKE 'pgjanus.%' AND name <> 'pgjanus.lastval' AND setting <> ''")
	if left != 0 {
		t.Errorf("%d settings were not cleared", left)
	}
	if _, err := conn.Exec(context.Background(), "INSERT INTO doc VALUES ('too long', now(), 1, '{elevenchars}')"); err != nil {
		t.Fatal(err)
	}
	plan := p.Plan([]byte("UPDATE doc SET words = '{elevenchars}' WHERE tenant = 'a,b'"), rewrite.Env{})
	if _, err := conn.PgConn().Exec(context.Background(), plan.Simple().Text).ReadAll(); err == nil || !strings.Contains(err.Error(), "22001") {
		t.Errorf("a value that does not fit the new column gave %v, want 22001", err)
	}
}

func TestAStatementThatTouchesNoRowLeavesTheLastKeyAlone(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	p := compiled(t, dsn, pgtest.CanonRules("dualwrite"))
	conn := pgtest.Connect(t, dsn)
	for _, level := range []string{"READ COMMITTED", "SERIALIZABLE"} {
		pgtest.Exec(t, dsn, "TRUNCATE orders CASCADE")
		run(t, conn, p, "BEGIN ISOLATION LEVEL "+level)
		write := func(sql string) { t.Helper(); run(t, conn, p, sql) }
		run(t, conn, p, `SET LOCAL client_min_messages = warning`)
		write(`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]') ON CONFLICT DO NOTHING`)
		write(`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"}]') ON CONFLICT DO NOTHING`)
		write(`UPDATE orders SET items = '[]' WHERE id = 7`)
		run(t, conn, p, "SAVEPOINT s")
		write(`INSERT INTO orders (id, items) VALUES (2, '[{"sku":"c"}]') ON CONFLICT DO NOTHING`)
		run(t, conn, p, "ROLLBACK TO s")
		write(`UPDATE orders SET items = '[]' WHERE id = 7`)
		run(t, conn, p, "COMMIT")
		if _, skus := children(t, conn); !slices.Equal(skus, []string{"a"}) {
			t.Errorf("%s: order_items has %v, want a", level, skus)
		}
		pgtest.Agree(t, dsn)
	}
}
