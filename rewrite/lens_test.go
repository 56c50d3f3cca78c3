package rewrite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const lensTable = `
CREATE TABLE t (id int PRIMARY KEY, a text, "B b" text, c text, d text, n text);
CREATE TABLE other (id int PRIMARY KEY, a text);
INSERT INTO t VALUES (1, 'a', 'b', 'c', 'd', 'n'), (2, 'a', 'b', 'c', 'd', 'n');`

const lensRules = `migrations:
  - {name: m, phase: dualwrite, kind: columns, old: {table: public.t, key: [id], columns: [a]}, new: {table: public.t, columns: [n]}, up: {n: old.a}}
`

// view is one of a random set.
type view struct {
	name    string
	columns []string // its own, of type text, that may be a column of what is below
}

// randomView returns the statement that makes a view over one of those before it.
func randomView(r *rand.Rand, n int, below []view) (view, string) {
	from := below[0]
	if r.IntN(3) > 0 {
		from = below[r.IntN(len(below))]
	}
	v := view{name: fmt.Sprintf("v%d", n)}
	list := []string{"id"}
	for _, c := range from.columns {
		own := c
		if r.IntN(3) == 0 {
			own = fmt.Sprintf("%c%d", 'a'+r.IntN(4), n)
			if r.IntN(4) == 0 {
				own = from.columns[r.IntN(len(from.columns))] // what something else is called below
			}
		}
		if own != c && strings.Contains(strings.Join(append(v.columns, from.columns...), " "), own) {
			own = fmt.Sprintf("%s %d", own, n)
		}
		expr := `x."` + c + `"`
		switch r.IntN(9) {
		case 0:
			continue
		case 1:
			expr = "upper(" + expr + ")"
		case 2:
			expr = "(" + expr + ")::text"
		case 3:
			expr = expr + ` COLLATE "C"`
		}
		v.columns = append(v.columns, own)
		list = append(list, expr+` AS "`+own+`"`)
	}
	r.Shuffle(len(list)-1, func(i, j int) { list[i+1], list[j+1] = list[j+1], list[i+1] })
	if r.IntN(12) == 0 && len(v.columns) > 0 {
		list = append(list, list[len(list)-1]+"_again")
		list[len(list)-1] = strings.Replace(list[len(list)-1], `"_again`, ` again"`, 1)
	}
	tail := []string{"", "", "", "", " WHERE x.id > 0", " WHERE x.id > 0", " WHERE x.id NOT IN (SELECT id FROM other)", " WHERE x.id < 100 WITH CASCADED CHECK OPTION", " ORDER BY x.id", " LIMIT 5", " GROUP BY x.id"}
	end := tail[r.IntN(len(tail))]
	if end == " GROUP BY x.id" {
		list, v.columns = []string{"id", "count(*)"}, nil
	}
	return v, fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s x%s", v.name, strings.Join(list, ", "), from.name, end)
}

// A lens calls a column what Postgres does: an UPDATE of it through the view
// changes that column of the table, and no other.
func TestALensShowsWhatPostgresWritesThroughTheView(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 7))
		dsn := pgtest.Database(t)
		pgtest.Exec(t, dsn, lensTable)
		all := []view{{"t", []string{"a", "B b", "c", "d", "n"}}}
		maker := pgtest.Connect(t, dsn)
		for n := range 40 {
			v, ddl := randomView(r, n, all)
			if _, err := maker.Exec(context.Background(), ddl); err == nil { // a check option needs an updatable view below
				all = append(all, v)
			}
		}
		shown := compiled(t, dsn, lensRules).Shown()
		conn := pgtest.Connect(t, dsn)
		lenses, columns := 0, 0
		for _, v := range all[1:] {
			names := shown["public."+v.name]
			if names != nil {
				lenses++
			}
			owned := map[string]string{}
			for base, own := range names {
				owned[own] = base
			}
			for _, own := range append(v.columns, "id") {
				changed := written(t, conn, v.name, own)
				if owned[own] != changed && (names != nil || changed != "") && !again(t, conn, v.name, names) {
					t.Errorf("seed %d: %s.%q is %q of the table, and the lens says %q\n%s", seed, v.name, own, changed, owned[own], pgtest.Value[string](t, dsn, "SELECT pg_get_viewdef('"+v.name+"')"))
				}
				if owned[own] != "" {
					columns++
				}
			}
		}
		if lenses < 12 || columns < 40 {
			t.Errorf("seed %d: there are %d lenses with %d columns, too few to tell", seed, lenses, columns)
		}
	}
}

// written tells which column of the table an UPDATE of a view's changes, in a
// transaction that is rolled back; "" for none.
func written(t *testing.T, conn *pgx.Conn, view, column string) string {
	t.Helper()
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	value := "'changed'"
	if column == "id" {
		value = "77"
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET "%s" = %s WHERE id = 1`, view, column, value)); err != nil {
		return ""
	}
	var changed *string
	err = tx.QueryRow(ctx, `SELECT string_agg(e.key, ' ') FROM t, jsonb_each_text(to_jsonb(t)) e WHERE t.id <> 2 AND e.value IN ('changed', '77')`).Scan(&changed)
	if err != nil || changed == nil {
		return ""
	}
	return *changed
}

// again reports whether a view that is no lens, or one below it, shows a column twice.
func again(t *testing.T, conn *pgx.Conn, view string, names map[string]string) bool {
	t.Helper()
	if names != nil {
		return false
	}
	var found bool
	err := conn.QueryRow(context.Background(), `WITH RECURSIVE v(oid) AS (
			SELECT $1::regclass::oid UNION
			SELECT d.refobjid FROM v JOIN pg_rewrite r ON r.ev_class = v.oid JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
		) SELECT EXISTS (SELECT FROM v JOIN pg_attribute a ON a.attrelid = v.oid AND a.attname ~ ' again$')`, view).Scan(&found)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
